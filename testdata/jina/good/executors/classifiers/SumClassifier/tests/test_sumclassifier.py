import numpy as np

from .. import SumClassifier


def test_predict():
    embeddings = np.array([[1, 1, 0], [0.25, 0.25, 0.25], [-3, 2, 2]])
    np.testing.assert_array_equal(SumClassifier(threshold=1).predict(embeddings), [[0, 1], [1, 0], [1, 0]])
    np.testing.assert_array_equal(SumClassifier().predict(embeddings), [[0, 1]] * 3)
