import sys

from jina.flow import Flow
from jina.parsers import set_pod_parser

# What the arguments say beyond the defaults: among those are ports at random, which the flow chooses itself.
parser = set_pod_parser()
defaults = vars(parser.parse_args([]))
given = vars(parser.parse_args(sys.argv[1:]))
with Flow().add(**{key: value for key, value in given.items() if value != defaults[key]}):
    print("hub-publish: the flow is ready", flush=True)
