"""`python -m nostr_client`: the same as `nostr-client`."""

import sys

from nostr_client.main import main

sys.exit(main())
