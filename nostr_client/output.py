"""What commands print: for programs one exact JSON object a line, for people safe plain lines.

JSON goes out as it is, but for the characters that a terminal might obey or that some readers take
for the end of a line: those are written as `\\uXXXX`, so that a parser finds every one of them.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from nostr_client.errors import NotWritten
from nostr_client.safe_text import safe_text

if TYPE_CHECKING:
    import msgspec

_UNSAFE: Final = re.compile(
    "[\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff"
    "\U000e0000-\U000e0fff]"
)
"""DEL and C1, separators of lines, bidirectional controls, what is not seen: all legal in JSON."""


def json_line(value: object) -> str:
    """`value` (a record, or what JSON has) as JSON on one line, without a line break.

    `json.loads` gives back every string exactly, lone surrogates too. Raises TypeError for what
    JSON does not have; NaN and infinity become null.
    """
    import msgspec  # help and plain words do without it

    try:
        return json_line_of(msgspec.json.encode(value))
    except UnicodeEncodeError:  # a lone surrogate: only an escape can spell it
        import json

        return json.dumps(msgspec.to_builtins(value), separators=(",", ":"))


def json_line_of(encoded: bytes) -> str:
    """The same for one compact JSON value that is encoded already, as `Event.json` is."""
    text = encoded.decode()
    if text.isascii():
        is_safe = "\x7f" not in text
    else:  # what counts as printable and is unsafe here has one of these beginnings in UTF-8
        is_safe = text.isprintable() and b"\xef\xbf" not in encoded and b"\xf3\xa0" not in encoded
    return text if is_safe else _UNSAFE.sub(_escaped, text)


class Output:
    """Where one command's words go.

    With `json`, results are JSON lines on `out`, an error is one on `err`, and so is a note that
    has a record; other notes are not printed. Where a reader has gone away (`| head`),
    BrokenPipeError is raised, which ends a command quietly; where nothing can be written, as on a
    full disk, NotWritten is raised.
    `quiet`: notes are not printed; what went wrong is.
    """

    def __init__(
        self,
        json: bool,
        out: TextIO | None = None,
        err: TextIO | None = None,
        *,
        quiet: bool = False,
    ) -> None:
        self.json = json
        self.quiet = quiet
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err

    def emit(self, record: Mapping[str, Any] | msgspec.Struct, plain: str) -> None:
        """One result: `record` for programs, `plain` (made safe here) for people."""
        write_line(self._out, json_line(record) if self.json else safe_text(plain))

    def emit_json(self, encoded: Sequence[bytes]) -> None:
        """Results that are JSON whatever was asked for, each a compact value that is encoded
        already: for programs and pipes."""
        write_line(self._out, "\n".join(map(json_line_of, encoded)))

    def emit_secret(self, record: Mapping[str, Any], secret: str) -> None:
        """The one result that is a secret key, of whoever asked for it: elsewhere none is shown.

        Raises ValueError for what would not be safe to show.
        """
        if not secret.isascii() or not secret.isalnum():
            raise ValueError("a key is letters and digits")
        write_line(self._out, json_line(record) if self.json else secret)

    def note(self, text: str, record: Mapping[str, Any] | None = None) -> None:
        """What a person may like to know meanwhile; never part of the result. For programs it is
        `record`, or nothing."""
        if not self.quiet:
            self.fault(text, record)

    def fault(self, text: str, record: Mapping[str, Any] | None = None) -> None:
        """The same of what went wrong and ends nothing, as one line of many: it is said with
        `quiet`, too."""
        if not self.json:
            write_line(self._err, safe_text(text))
        elif record:
            write_line(self._err, json_line(record))

    def fail(self, message: str, code: int = 1, record: Mapping[str, Any] | None = None) -> int:
        """Say what went wrong, in one line, for programs with `record` beside it; returns `code`,
        for the command to exit with."""
        line = " ".join(safe_text(message).split())
        told = {"error": line, **(record or {})}
        with contextlib.suppress(BrokenPipeError):  # nobody listens: the code says it all the same
            write_line(self._err, json_line(told) if self.json else f"error: {line}")
        return code


def write_line(stream: TextIO, line: str) -> None:
    try:
        try:
            stream.write(f"{line}\n")
        except UnicodeEncodeError:  # a terminal that has not all characters: \uXXXX, as in JSON
            encoding = stream.encoding or "ascii"
            stream.write("".join(c if _fits(c, encoding) else _escape(c) for c in line) + "\n")
        stream.flush()
    except BrokenPipeError:  # no SystemExit: that would tear a loop down before it has cleaned up
        drop(stream)
        raise
    except OSError as error:
        drop(stream)
        raise NotWritten(not_written(error)) from error


def not_written(error: OSError) -> str:
    """What is said where output cannot go."""
    return f"the output cannot be written: {error.strerror or error}"


def drop(stream: TextIO) -> None:
    """What is left in the buffer must go somewhere, or the interpreter complains at its end."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, stream.fileno())
    os.close(sink)


def _fits(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _escaped(found: re.Match[str]) -> str:
    return _escape(found[0])


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x10000:
        return f"\\u{code:04x}"
    high, low = divmod(code - 0x10000, 0x400)
    return f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04x}"
