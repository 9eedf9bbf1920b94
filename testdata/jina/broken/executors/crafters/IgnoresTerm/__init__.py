from typing import Dict

from jina.executors.crafters import BaseCrafter
from jina.executors.decorators import single


class IgnoresTerm(BaseCrafter):
    """Turns a text round."""

    @single
    def craft(self, text: str, *args, **kwargs) -> Dict:
        """Turn one text round.

        :param text: the document's text
        :return: the text from its end to its beginning
        """
        return {'text': text[::-1]}
