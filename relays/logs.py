"""What the relay writes on standard error: plain lines, or one JSON object a line.

Who connects is nobody's business: addresses stand in no message. Where one helps against abuse, it
is handed over beside the message (`extra={"address": ...}`), and written only if the keeper wants.
Keys and contents of events stand in no log at all.
"""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Any, Final, Literal

import msgspec

_Raised = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_HANDED_OVER: Final = ("address",)


class PlainLines(logging.Formatter):
    """`2026-01-31 12:00:00 relays.server.connections: words`, in the machine's time."""

    def __init__(self, *, addresses: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._addresses = addresses

    def formatMessage(self, record: logging.LogRecord) -> str:
        text = super().formatMessage(record)
        beside = _beside(record, self._addresses)
        words = "".join(f" [{name} {value}]" for name, value in beside.items())
        # A line of a client's making must not look like one of ours.
        return (text + words).translate(_CONTROLS)

    def formatException(self, ei: _Raised) -> str:
        # An error may quote what came from afar. Each of its lines is set in.
        lines = super().formatException(ei).splitlines()
        return "\n".join(f"  {line.translate(_CONTROLS)}" for line in lines)


class JsonLines(logging.Formatter):
    """`time` (UTC), `level`, `logger`, `message`; where there is one, `exception`."""

    def __init__(self, *, addresses: bool = False) -> None:
        super().__init__()
        self._addresses = addresses

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        said: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        said |= _beside(record, self._addresses)
        if record.exc_info:
            said["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(said).decode().translate(_CONTROLS)


def write_logs(
    form: Literal["plain", "json"] = "plain",
    *,
    addresses: bool = False,
    level: str = "warning",
    worker: int = 0,
) -> None:
    """From now on the whole process logs so; `level` is our own, others only warn. `worker`: this
    process is the one of that number."""
    handler = logging.StreamHandler(sys.stderr)
    if worker:
        handler.addFilter(_Marks(worker))
    kind = JsonLines if form == "json" else PlainLines
    handler.setFormatter(kind(addresses=addresses))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for ours in ("relays", "nostr_client"):
        logging.getLogger(ours).setLevel(level.upper())


class _Marks(logging.Filter):
    """Whose words these are."""

    def __init__(self, worker: int) -> None:
        super().__init__()
        self._worker = worker

    def filter(self, record: logging.LogRecord) -> bool:
        record.worker = self._worker
        return True


def _beside(record: logging.LogRecord, addresses: bool) -> dict[str, str]:
    names = ("worker", *(_HANDED_OVER if addresses else ()))
    return {name: str(getattr(record, name)) for name in names if hasattr(record, name)}


_TURNING: Final = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
"""Line ends besides the usual, and what turns the direction of the rest of a line."""
_CONTROLS: Final = {
    code: "?" for code in (*range(0x20), *range(0x7F, 0xA0), *_TURNING) if code != 9
}
