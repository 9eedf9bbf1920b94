import time
from typing import Dict

from jina.executors.crafters import BaseCrafter
from jina.executors.decorators import single


class CrashesLate(BaseCrafter):
    """Turns a text round, if it ever started."""

    def post_init(self):
        """Load a model that is not there."""
        super().post_init()
        time.sleep(3)
        raise RuntimeError('the model is not there')

    @single
    def craft(self, text: str, *args, **kwargs) -> Dict:
        """Turn one text round.

        :param text: the document's text
        :return: the text from its end to its beginning
        """
        return {'text': text[::-1]}
