from typing import Dict

from jina.executors.crafters import BaseCrafter
from jina.executors.decorators import single


class WordCounter(BaseCrafter):
    """Adds the tag ``words``, the number of words of a document's text."""

    @single
    def craft(self, text: str, *args, **kwargs) -> Dict:
        """Count the words of one text.

        :param text: the document's text
        :return: the tag
        """
        return {'tags': {'words': len(text.split())}}
