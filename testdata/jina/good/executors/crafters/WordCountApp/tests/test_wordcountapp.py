from .. import WordCounter


def test_craft():
    assert WordCounter().craft(['one two', '']) == [{'tags': {'words': 2}}, {'tags': {'words': 0}}]
