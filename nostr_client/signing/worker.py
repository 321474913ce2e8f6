"""The process that checks signatures: `python -m nostr_client.signing.worker`.

Standard input is a stream of records of 128 bytes (id, pubkey, signature), standard output one byte
back for each, in order: 1 valid, 0 not. It ends when its input does, so also when whoever started
it was killed, and on nothing else: signals that are meant for the program around it are ignored.
"""

from __future__ import annotations

import contextlib
import os
import signal

from nostr_client.protocol.keys import RECORD_SIZE, verify_batch

_CHUNK = 512 * RECORD_SIZE
"""Read at most: some 15 ms of work, and what a pipe holds, so that it fills up meanwhile."""


def main() -> None:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        _serve(0, 1)


def _serve(source: int, sink: int) -> None:
    rest = b""
    while chunk := os.read(source, _CHUNK):
        data = rest + chunk
        whole = len(data) - len(data) % RECORD_SIZE
        rest = data[whole:]
        verdicts = memoryview(verify_batch(data[:whole]))
        while verdicts:
            verdicts = verdicts[os.write(sink, verdicts) :]


if __name__ == "__main__":
    main()
