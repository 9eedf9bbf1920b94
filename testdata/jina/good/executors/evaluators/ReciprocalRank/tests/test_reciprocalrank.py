import pytest

from .. import ReciprocalRank


@pytest.mark.parametrize(
    'eval_at, desired, expected',
    [(None, ['a'], 1.0), (None, ['d', 'c'], 1 / 3), (2, ['c'], 0.0), (None, ['z'], 0.0), (None, [], 0.0)],
)
def test_evaluate(eval_at, desired, expected):
    assert ReciprocalRank(eval_at=eval_at).evaluate(['a', 'b', 'c', 'd'], desired) == pytest.approx(expected)


def test_mean():
    evaluator = ReciprocalRank()
    evaluator.evaluate(['a', 'b'], ['a'])
    evaluator.evaluate(['a', 'b'], ['b'])
    assert evaluator.mean == pytest.approx(0.75)
