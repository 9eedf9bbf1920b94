import numpy as np

from jina.executors.decorators import as_ndarray, batching
from jina.executors.encoders import BaseTextEncoder

LETTERS = 'abcdefghijklmnopqrstuvwxyz'


class LetterEncoder(BaseTextEncoder):
    """Encodes a text by how often each letter from a to z is in it, as a vector of length 1."""

    @batching(batch_size=32)
    @as_ndarray
    def encode(self, content: 'np.ndarray', *args, **kwargs) -> 'np.ndarray':
        """Encode a batch of texts.

        :param content: the texts
        :return: one row of 26 numbers for each text, all zero where it has no letter
        """
        counts = np.array([[text.lower().count(letter) for letter in LETTERS] for text in content], dtype=float)
        norms = np.linalg.norm(counts, axis=1, keepdims=True)
        return counts / np.where(norms > 0, norms, 1)
