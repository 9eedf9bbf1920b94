import numpy as np

from jina.executors.classifiers import BaseClassifier


class SumClassifier(BaseClassifier):
    """Tells embeddings whose values sum up to more than a threshold from the others.

    :param threshold: the sum above which an embedding is of the second class
    """

    def __init__(self, threshold: float = 0.0, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.threshold = threshold

    def predict(self, content: 'np.ndarray', *args, **kwargs) -> 'np.ndarray':
        """Classify a batch of embeddings.

        :param content: the embeddings, one a row
        :return: one row for each embedding: 1, 0 where its sum is not above the threshold, and 0, 1 where it is
        """
        high = np.sum(content, axis=1) > self.threshold
        return np.stack([~high, high], axis=1).astype(int)
