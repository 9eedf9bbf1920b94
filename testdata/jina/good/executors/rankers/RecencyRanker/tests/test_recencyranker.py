import pytest

from .. import RecencyRanker


def test_newer_is_higher():
    ranker = RecencyRanker(now=2021, half_life=2)
    metas = [[{'tags__year': 2017}, {'tags__year': 2021}], [{'tags__year': 2019}]]
    scores = ranker.score([[1.0, 0.8], [0.5]], None, metas)
    assert scores[0] == pytest.approx([0.25, 0.8])
    assert scores[1] == pytest.approx([0.25])


def test_asks_for_the_year():
    assert RecencyRanker(now=2021).match_required_keys == ['tags__year']
