import time
from typing import Dict

from jina.executors.crafters import BaseCrafter
from jina.executors.decorators import single


class NeverReady(BaseCrafter):
    """Turns a text round, if it ever started."""

    def post_init(self):
        """Wait for a model that never comes."""
        super().post_init()
        while True:
            time.sleep(60)

    @single
    def craft(self, text: str, *args, **kwargs) -> Dict:
        """Turn one text round.

        :param text: the document's text
        :return: the text from its end to its beginning
        """
        return {'text': text[::-1]}
