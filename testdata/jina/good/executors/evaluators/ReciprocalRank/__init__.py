from typing import Any, Optional, Sequence

from jina.executors.evaluators.rank import BaseRankingEvaluator


class ReciprocalRank(BaseRankingEvaluator):
    """Evaluates a search by the reciprocal of the rank of its first relevant match.

    :param eval_at: how many matches are looked at; all of them where it is None
    """

    def __init__(self, eval_at: Optional[int] = None, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.eval_at = eval_at

    def evaluate(self, actual: Sequence[Any], desired: Sequence[Any], *args, **kwargs) -> float:
        """Evaluate one search.

        :param actual: the matches that were found, the best one first
        :param desired: the relevant matches
        :return: 1 where the first match is relevant, 1/2 where the second one is, ..., 0 where none is
        """
        relevant = set(desired)
        for rank, match in enumerate(actual[: self.eval_at], 1):
            if match in relevant:
                return 1 / rank
        return 0.0
