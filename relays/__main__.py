"""`python -m relays`."""

import sys

from relays.cli.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
