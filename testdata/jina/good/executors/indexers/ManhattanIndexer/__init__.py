from typing import Tuple

import numpy as np

from jina.executors.indexers.vector import BaseNumpyIndexer


class ManhattanIndexer(BaseNumpyIndexer):
    """Keeps vectors in a file, and finds the nearest ones by comparing with all of them."""

    def build_advanced_index(self, vecs: 'np.ndarray') -> 'np.ndarray':
        """Build what is searched: the vectors themselves.

        :param vecs: the vectors, one a row
        :return: the vectors
        """
        return vecs

    def query(self, vectors: 'np.ndarray', top_k: int, *args, **kwargs) -> Tuple['np.ndarray', 'np.ndarray']:
        """Find the nearest vectors.

        :param vectors: what to find the nearest vectors of, one a row
        :param top_k: how many to find for each row
        :return: their keys and their distances, the nearest one first
        """
        if self.size == 0:
            return np.array([]), np.array([])
        distances = np.abs(vectors[:, None, :] - self.query_handler[None, :, :]).sum(axis=-1)
        nearest = np.argsort(distances, axis=1, kind='stable')[:, :top_k]
        return self._int2ext_id[self.valid_indices][nearest], np.take_along_axis(distances, nearest, axis=1)
