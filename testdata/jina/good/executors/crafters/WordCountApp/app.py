import argparse
import signal

from jina.flow import Flow


def main():
    """Run a Flow, and answer at its gateway until the process is told to end."""
    parser = argparse.ArgumentParser(description='Answers each text with the number of its words.')
    parser.add_argument('--port-expose', type=int, default=45678, help='the port of the gRPC gateway')
    args = parser.parse_args()

    # A process with the number 1 is not ended by SIGTERM unless it says so.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Flow(port_expose=args.port_expose).add(name='counter', uses='config.yml') as flow:
        flow.block()


if __name__ == '__main__':
    main()
