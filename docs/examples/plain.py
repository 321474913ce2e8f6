"""Without async: `python plain.py keyring:me wss://relay.example` posts a note, and shows what is
written there from then on until Ctrl-C."""

import sys
from itertools import islice

from nostr_client.blocking import Filter, NostrClient, signer_from


def main(signer: str, relay: str, most: int = 1000) -> None:
    with NostrClient.open(signer_from(signer), relays=[relay]) as client:
        posted = client.post("hello from a plain script")
        posted.report.raise_if_failed()
        feed = client.feed(Filter.of(kinds=[1], since=posted.event.created_at), relays=[relay])
        for event in islice(feed, most):
            print(event.pubkey[:8], event.content)


if __name__ == "__main__":
    main(*sys.argv[1:])
