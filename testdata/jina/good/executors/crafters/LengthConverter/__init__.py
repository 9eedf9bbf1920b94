from typing import Dict

from jina.executors.crafters import BaseCrafter
from jina.executors.decorators import single

from .units import metres


class LengthConverter(BaseCrafter):
    """Adds the tag ``metres`` to documents with the tags ``length`` and ``unit``."""

    @single
    def craft(self, tags: Dict, *args, **kwargs) -> Dict:
        """Convert one document's length.

        :param tags: the document's tags
        :return: the tags with the length in metres
        """
        crafted = dict(tags)
        crafted['metres'] = metres(tags['length'], tags['unit'])
        return {'tags': crafted}
