import numpy as np

from ..mean_color import MeanColorEncoder


def images(count):
    batch = np.zeros((count, 4, 5, 3), dtype=np.uint8)
    batch[..., 0] = 255
    batch[:, :2, :, 2] = 255
    return batch


def test_channels_last():
    np.testing.assert_allclose(MeanColorEncoder().encode(images(20)), [[1, 0, 0.5]] * 20)


def test_channels_first():
    first = np.moveaxis(images(1), -1, 1)
    np.testing.assert_allclose(MeanColorEncoder(channel_axis=0).encode(first), [[1, 0, 0.5]])
