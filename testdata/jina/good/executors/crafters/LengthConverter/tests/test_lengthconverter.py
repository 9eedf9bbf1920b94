import pytest

from .. import LengthConverter
from ..units import metres


def test_craft():
    crafted = LengthConverter().craft([{'length': 3.0, 'unit': 'km', 'name': 'way'}])
    assert crafted == [{'tags': {'length': 3.0, 'unit': 'km', 'name': 'way', 'metres': 3000.0}}]


def test_metres():
    assert metres(2, 'ft') == pytest.approx(0.6096)
    with pytest.raises(KeyError):
        metres(1, 'parsec')
