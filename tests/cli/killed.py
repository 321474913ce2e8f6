"""A command of ours that is killed (SIGKILL) at one step of what it keeps and sends:
`python -m tests.cli.killed STEP FILE ARGUMENT...`.

A step is before and after each write to the database, before, in the middle of and after each write
to the sealed file, and before each frame to a relay. FILE gets a line a step, so that a run that is
killed at none (STEP 0) tells how many there are.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nostr_client.main import main
from nostr_client.net.write_queue import WriteQueue
from nostr_client.social.messages.sealed_log import SealedLog
from nostr_client.store.sqlite.database import Database


class Steps:
    def __init__(self, last: int, file: Path) -> None:
        self.last = last
        self.file = file
        self.count = 0

    def step(self, what: str) -> None:
        self.count += 1
        with self.file.open("a") as file:
            file.write(f"{what}\n")
        if self.count == self.last:
            os.kill(os.getpid(), signal.SIGKILL)

    def around_database(self) -> None:
        write = Database.write

        async def stepped(db: Database, run: Callable[..., Any], **more: Any) -> Any:
            self.step("before the database")
            result = await write(db, run, **more)
            self.step("after the database")
            return result

        Database.write = stepped  # type: ignore[method-assign, assignment]

    def around_sealed_log(self) -> None:
        append = SealedLog._append

        def stepped(log: SealedLog, records: Sequence[bytes]) -> None:
            self.step("before the sealed file")
            if self.count + 1 == self.last:  # torn: a part of it is on the disk
                with log.path.open("ab") as file:
                    data = log._sealed(records)
                    file.write(data[: len(data) // 2])
            self.step("in the sealed file")
            append(log, records)
            self.step("after the sealed file")

        SealedLog._append = stepped  # type: ignore[method-assign]

    def before_frames(self) -> None:
        add = WriteQueue.add

        def stepped(queue: WriteQueue, frame: bytes) -> None:
            self.step("before a frame")
            add(queue, frame)

        WriteQueue.add = stepped  # type: ignore[method-assign]


def run() -> int:
    steps = Steps(int(sys.argv[1]), Path(sys.argv[2]))
    steps.around_database()
    steps.around_sealed_log()
    steps.before_frames()
    sys.argv[1:] = sys.argv[3:]
    return main() or 0


if __name__ == "__main__":
    sys.exit(run())
