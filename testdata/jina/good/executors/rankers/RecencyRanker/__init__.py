from typing import Dict, List

from jina.executors.rankers import Match2DocRanker


class RecencyRanker(Match2DocRanker):
    """Halves the score of a match for each half-life of its age.

    :param now: the year that the age is counted from
    :param half_life: the half-life in years
    """

    def __init__(self, now: int, half_life: float = 1.0, *args, **kwargs):
        super().__init__(match_required_keys=['tags__year'], *args, **kwargs)
        self.now = now
        self.half_life = half_life

    def score(
        self, old_matches_scores: List[List[float]], queries_metas: List[Dict], matches_metas: List[List[Dict]]
    ) -> List[List[float]]:
        """Calculate the new scores.

        :param old_matches_scores: the scores of each query's matches
        :param queries_metas: not used
        :param matches_metas: what is known of each query's matches, the tag ``year`` among it
        :return: the new scores of each query's matches
        """
        return [
            [score * 0.5 ** ((self.now - meta['tags__year']) / self.half_life) for score, meta in zip(scores, metas)]
            for scores, metas in zip(old_matches_scores, matches_metas)
        ]
