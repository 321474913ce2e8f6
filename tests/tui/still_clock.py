"""Time stands still: imported before anything of the client, for a process of its own.

What is drawn then is the same today and tomorrow. `time.monotonic` goes on, so that whatever waits
does so as always.
"""

from __future__ import annotations

import calendar
import os
import time
from typing import Any

NOW = calendar.timegm((2026, 11, 12, 14, 2, 0))
"""A Thursday, in UTC."""

for _name in ("NO_COLOR", "SSH_CONNECTION", "SSH_TTY", "NOSTR_CLIENT_PASSWORD", "COLORTERM"):
    os.environ.pop(_name, None)
os.environ["TZ"] = "UTC"
time.tzset()
_strftime, _localtime = time.strftime, time.localtime


def localtime(at: float | None = None) -> time.struct_time:
    return _localtime(NOW if at is None else at)


def strftime(form: str, when: Any = None) -> str:
    return _strftime(form, localtime() if when is None else when)


time.time = lambda: float(NOW)
time.localtime, time.strftime = localtime, strftime
