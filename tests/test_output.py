"""What commands print: exact for programs, safe for people."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.output import Output, json_line, json_line_of
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

ANY_TEXT = st.text(st.characters(codec=None))
NASTY = st.text(
    st.sampled_from(
        'a"\\/\x7f\x80\x85\x9b\x1b\n\t\u2028\u2029\u202e\u2066\u200e\u061c\ud800\U000e0041é😀'
    )
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | ANY_TEXT
    | NASTY,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT | NASTY, inner),
    max_leaves=8,
)


def assert_harmless(line: str) -> None:
    for char in line:
        assert unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp"), hex(ord(char))
        assert (
            char not in "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
        )


@given(JSON)
def test_json_lines_are_exact_and_harmless(value: Any) -> None:
    line = json_line(value)
    assert json.loads(line) == value
    assert_harmless(line)


@given(st.text() | st.text(st.sampled_from('\x80\x85\x9b\u2028\u202e\u200e\\"a')))
def test_an_event_is_spliced_in_exactly(content: str) -> None:
    draft = Draft(1, content.replace("\x7f", ""), (("t", content.replace("\x7f", "")),))
    event = draft.sign(SecretKey(b"\1" * 32), 1)
    line = json_line_of(event.json)
    assert_harmless(line)
    assert Event.parse(line).json == event.json


def test_what_is_not_ascii_but_harmless_stays_readable() -> None:
    assert json_line({"name": "Ünï 漢字 👩‍🚀 می‌خواهم"}) == '{"name":"Ünï 漢字 👩‍🚀 می‌خواهم"}'
    assert json_line("\x7f\x85\u2028\u202e\U000e0041") == r'"\u007f\u0085\u2028\u202e\udb40\udc41"'
    assert json_line("\\\x85") == r'"\\\u0085"'


def test_records_are_written_by_their_fields() -> None:
    class Row(msgspec.Struct):
        url: str
        ok: bool | None = None

    assert json_line(Row("wss://a")) == '{"url":"wss://a","ok":null}'
    assert json.loads(json_line(Row("\ud800"))) == {"url": "\ud800", "ok": None}
    with pytest.raises(TypeError):
        json_line(object())


class Terminal(io.StringIO):
    """A stream with an encoding of its own choice, which refuses what it does not have."""

    def __init__(self, encoding: str) -> None:
        super().__init__()
        self._encoding = encoding

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def write(self, text: str) -> int:
        text.encode(self._encoding)
        return super().write(text)


def test_results_for_programs_and_for_people() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(True, out, err)
    output.emit({"content": "a\x1b[2Jb"}, "plain")
    output.note("working")
    assert output.fail("went\nwrong", 3) == 3
    assert json.loads(out.getvalue()) == {"content": "a\x1b[2Jb"}
    assert json.loads(err.getvalue()) == {"error": "went wrong"}

    out, err = io.StringIO(), io.StringIO()
    output = Output(False, out, err)
    output.emit({"content": ""}, "a\x1b[2Jb [bold]\nc")
    output.note("work\x1b]0;x\x07ing")
    assert output.fail("went\nwro\x1bcng") == 1
    assert out.getvalue() == "ab [bold]\nc\n"
    assert err.getvalue() == "working\nerror: went wrong\n"


def test_a_narrow_terminal_gets_escapes_and_no_error() -> None:
    out = Terminal("latin-1")
    Output(True, out).emit({"name": "é漢"}, "")
    Output(False, out).emit({}, "é漢😀")
    first, second = out.getvalue().splitlines()
    assert json.loads(first) == {"name": "é漢"}
    assert second == "é\\u6f22\\ud83d\\ude00"


def test_it_writes_where_standard_output_is_now(capsys: pytest.CaptureFixture[str]) -> None:
    Output(False).emit({}, "here")
    Output(False).note("there")
    assert capsys.readouterr() == ("here\n", "there\n")


@pytest.mark.parametrize("as_json", [True, False])
def test_a_reader_that_has_gone_ends_it_quietly(as_json: bool) -> None:
    code = (
        "import sys; from nostr_client.command_line.context import Context\n"
        "from nostr_client.command_line.run import finish\n"
        f"context = Context(json={as_json})\n"
        "def work():\n"
        "    for n in range(100000): context.out.emit({'n': n}, str(n))\n"
        "    print('not reached', file=sys.stderr)\n"
        "sys.exit(finish(context, work))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        assert child.stdout.readline() in (b'{"n":0}\n', b"0\n")
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait(20) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
@pytest.mark.parametrize("as_json", [True, False])
def test_a_full_disk_is_an_error_in_words(as_json: bool) -> None:
    code = (
        "from nostr_client.errors import NotWritten\n"
        "from nostr_client.output import Output\n"
        f"output = Output({as_json})\n"
        "try: output.emit({'n': 1}, 'x')\n"
        "except NotWritten as error: raise SystemExit(output.fail(str(error)))"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_so_it_is_where_no_command_runs() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nostr_client", "--version"],
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert done.stderr.startswith(b"error: ")


def test_a_key_is_shown_to_whoever_asked_for_it_and_nowhere_else() -> None:
    nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
    out, err = io.StringIO(), io.StringIO()
    output = Output(False, out, err)
    output.emit({}, f"a note: {nsec}")
    output.note(nsec)
    output.fail(nsec)
    assert "vl029" not in out.getvalue() + err.getvalue()
    output.emit_secret({"nsec": nsec}, nsec)
    assert out.getvalue().splitlines()[-1] == nsec
    with pytest.raises(ValueError, match="letters and digits"):
        output.emit_secret({}, "two\nlines")


def test_quiet_says_errors_alone() -> None:
    out, err = io.StringIO(), io.StringIO()
    output = Output(json=False, out=out, err=err, quiet=True)
    output.note("working")
    output.emit_json([b'{"a":"\xc2\x85"}', b"{}"])
    assert output.fail("broken") == 1
    assert (out.getvalue(), err.getvalue()) == ('{"a":"\\u0085"}\n{}\n', "error: broken\n")
