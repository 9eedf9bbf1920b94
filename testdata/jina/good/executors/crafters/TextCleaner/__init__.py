from typing import Dict

from jina.executors.crafters import BaseCrafter
from jina.executors.decorators import single


class TextCleaner(BaseCrafter):
    """Writes each run of white space as one space, and the text in lower case.

    :param lower: whether to write the text in lower case
    """

    def __init__(self, lower: bool = True, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.lower = lower

    @single
    def craft(self, text: str, *args, **kwargs) -> Dict:
        """Clean one text.

        :param text: the document's text
        :return: the clean text
        """
        words = ' '.join(text.split())
        return {'text': words.lower() if self.lower else words}
