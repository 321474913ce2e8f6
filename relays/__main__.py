"""`python -m relays`: the same as `nostr-client relay`."""

import sys

from relays.cli.app import run_command

if __name__ == "__main__":
    sys.exit(run_command(sys.argv[1:]))
