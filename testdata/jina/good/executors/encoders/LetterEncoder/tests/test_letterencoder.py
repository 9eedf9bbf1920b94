import numpy as np

from .. import LetterEncoder


def test_encode():
    vectors = LetterEncoder().encode(np.array(['Abba', 'zoo', '123']))
    assert vectors.shape == (3, 26)
    np.testing.assert_allclose(vectors[0, :2], [0.5 ** 0.5, 0.5 ** 0.5])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [1, 1, 0])


def test_batches():
    vectors = LetterEncoder().encode(np.array(['jina'] * 70))
    assert vectors.shape == (70, 26)
    np.testing.assert_allclose(vectors, np.repeat(vectors[:1], 70, axis=0))
