from typing import Dict, List

from jina.executors.decorators import single
from jina.executors.segmenters import BaseSegmenter


class LineSegmenter(BaseSegmenter):
    """Makes a chunk of each line of a text that is not blank.

    :param min_length: the least number of characters of a line, without the white space around it
    """

    def __init__(self, min_length: int = 1, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.min_length = min_length

    @single
    def segment(self, text: str, *args, **kwargs) -> List[Dict]:
        """Segment one text.

        :param text: the document's text
        :return: the chunks, with their places in the text
        """
        chunks, begin = [], 0
        for line in text.splitlines(keepends=True):
            words = line.strip()
            if len(words) >= max(self.min_length, 1):
                start = begin + line.index(words)
                chunks.append({'text': words, 'offset': len(chunks), 'location': [start, start + len(words)]})
            begin += len(line)
        return chunks
