import numpy as np

from jina.executors.decorators import as_ndarray, batching
from jina.executors.encoders import BaseImageEncoder


class MeanColorEncoder(BaseImageEncoder):
    """Encodes an image by the mean of each of its color channels, between 0 and 1.

    :param channel_axis: the axis of the color channels in an image
    """

    def __init__(self, channel_axis: int = -1, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.channel_axis = channel_axis

    @batching(batch_size=16)
    @as_ndarray
    def encode(self, content: 'np.ndarray', *args, **kwargs) -> 'np.ndarray':
        """Encode a batch of images.

        :param content: the images, with values from 0 to 255
        :return: one row for each image, one column for each channel
        """
        return np.stack([np.moveaxis(image, self.channel_axis, -1).mean(axis=(0, 1)) / 255 for image in content])
