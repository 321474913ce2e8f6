"""Import and export: through files and pipes, alone and beside a running relay."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nostr_client.protocol.event import Event
from nostr_client.rehearsal.relay_process import RelayProcess
from relays.cli import app as cli
from relays.operations import import_export
from relays.operations.import_progress import ImportProgress
from relays.operations.progress_bar import ProgressBar, time_text
from tests.conftest import StartRelay
from tests.relays.talk import KEY, NOW, OTHER, note, wire
from tests.vectors import needs_vectors, real_events


def relays(*arguments: str, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command in this process, which is quicker than to start one."""
    out, err = io.TextIOWrapper(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
    before, interval = (sys.stdin, sys.stdout, sys.stderr), sys.getswitchinterval()
    with tempfile.TemporaryFile() as file, io.TextIOWrapper(file) as given:
        file.write(input)
        file.seek(0)
        sys.stdin, sys.stdout, sys.stderr = given, out, err
        try:
            code = cli.run_command(arguments)
        finally:
            sys.stdin, sys.stdout, sys.stderr = before
            sys.setswitchinterval(interval)
    said = []
    for stream in (out, err):
        stream.flush()
        assert isinstance(stream.buffer, io.BytesIO)
        said.append(stream.buffer.getvalue())
    return subprocess.CompletedProcess(arguments, code, *said)


def process(
    *arguments: str, input: bytes = b"", timeout: float = 30
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "relays", *arguments],
        check=False,
        capture_output=True,
        input=input,
        timeout=timeout,
    )


def lines(events: list[Event]) -> bytes:
    return b"".join(event.json + b"\n" for event in events)


def test_a_round_trip(tmp_path: Path) -> None:
    events = [note(f"{n} ü \u2028 \x01", at=NOW + n) for n in range(50)]
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(events[:30]))
    first = process(
        "import", "--data", str(tmp_path / "a"), str(file), "-", input=lines(events[30:])
    )
    assert first.returncode == 0
    assert first.stdout == b""
    assert first.stderr.startswith(b"stored 50, duplicate 0, left out 0, refused 0\n")
    again = relays("import", "--data", str(tmp_path / "a"), str(file))
    assert again.stderr.startswith(b"stored 0, duplicate 30, left out 0, refused 0\n")
    assert again.returncode == 0
    exported = process("export", "--data", str(tmp_path / "a"))
    assert exported.returncode == 0
    assert exported.stdout == lines(events[::-1])
    copied = relays("import", "--data", str(tmp_path / "b"), "-", input=exported.stdout)
    assert copied.stderr.startswith(b"stored 50,")
    assert relays("export", "--data", str(tmp_path / "b")).stdout == exported.stdout


def test_bad_lines_are_counted_and_fatal_to_nothing(tmp_path: Path) -> None:
    good, late = note("good"), note("late", at=NOW + 10**9)
    forged = json.dumps(json.loads(note("forged").json) | {"sig": good.sig}).encode()
    bad = [
        b"nonsense",
        b"{}",
        b"\xff\xfe",
        b"[" * 10_000,
        b"x" * 3_000_000,
        forged,
        note("old", tags=(("expiration", "5"),)).json,
        note(kind=20_000).json,
        note(kind=22_242).json,
    ]
    text = b"\n\n  \r\n" + b"\r\n".join([good.json, *bad, late.json])
    result = relays("import", "--data", str(tmp_path), "-", input=text)
    assert result.returncode == 3
    said = result.stderr.decode()
    assert said.startswith(f"stored 2, duplicate 0, left out 2, refused {len(bad) - 2}\n")
    for reason in ("the signature is wrong", "expired", "22242", "not stored"):
        assert reason in said
    assert "Traceback" not in said
    exported = relays("export", "--data", str(tmp_path))
    assert exported.stdout == lines([late, good])


def test_equal_mistakes_are_counted_together(tmp_path: Path) -> None:
    """Wherever in its line a decoder stopped; and what has expired is no mistake."""
    broken = [note("x" * n).json[: 90 + n] + b"!" for n in range(50)]
    text = b"\n".join([*broken, note("old", tags=(("expiration", "5"),)).json])
    result = relays("import", "--data", str(tmp_path), "-", input=text)
    said = result.stderr.decode()
    assert said.startswith("stored 0, duplicate 0, left out 1, refused 50\n")
    assert said.count("\n") < 6, said
    only = relays(
        "import", "--data", str(tmp_path), "-", input=note(tags=(("expiration", "5"),)).json
    )
    assert only.returncode == 0


def test_what_was_deleted_does_not_come_back(tmp_path: Path) -> None:
    mine, theirs = note("mine"), note("theirs", key=OTHER)
    deletion = note("", kind=5, at=NOW + 1, tags=(("e", mine.id), ("e", theirs.id)))
    vanish = note("", kind=62, at=NOW + 2, tags=(("relay", "wss://a.example"),), key=OTHER)
    data = str(tmp_path)
    relays("import", "--data", data, "-", input=lines([mine, deletion, theirs]))
    result = relays("import", "--data", data, "-", input=lines([mine]))
    assert result.returncode == 0
    assert b"deleted by its author" in result.stderr
    relays("import", "--data", data, "--url", "wss://a.example", "-", input=lines([vanish]))
    again = relays("import", "--data", data, "--url", "wss://a.example", "-", input=lines([theirs]))
    assert b"asked to be forgotten" in again.stderr
    assert relays("export", "--data", data).stdout == lines([vanish, deletion])


def test_mistakes(tmp_path: Path) -> None:
    missing = relays("export", "--data", str(tmp_path / "none"))
    assert missing.returncode == 1
    assert missing.stderr.count(b"\n") == 1
    assert not (tmp_path / "none").exists()
    no_file = relays("import", "--data", str(tmp_path), str(tmp_path / "none.jsonl"))
    assert no_file.returncode == 1
    assert b"none.jsonl" in no_file.stderr
    assert b"Traceback" not in no_file.stderr


def test_a_reader_that_has_enough(tmp_path: Path) -> None:
    events = [note(f"{n} " + "x" * 1000) for n in range(1000)]
    relays("import", "--data", str(tmp_path), "-", input=lines(events))
    command = f"{sys.executable} -m relays export --data {tmp_path} | head -n 1"
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], check=False, capture_output=True, timeout=90
    )
    assert result.stdout.count(b"\n") == 1
    assert result.stderr == b""
    assert result.returncode == 0


async def test_beside_a_running_relay(relay: RelayProcess) -> None:
    """Its clients see what is imported, once; what they publish is exported."""
    published, imported = note("published"), [note(f"{n}") for n in range(20)]
    async with wire(relay.url) as client, wire(relay.url) as writer:
        await writer.publish(published)
        await client.req("s", {"kinds": [1]})
        text = lines([*imported, published])
        result = await asyncio.to_thread(
            relays, "import", "--data", str(relay.data), "-", input=text
        )
        assert result.stderr.startswith(b"stored 20, duplicate 1, left out 0, refused 0\n")
        came = [await client.recv() for _ in range(20)]
        assert {frame[2]["id"] for frame in came} == {event.id for event in imported}
        again = await writer.publish(imported[0])
        assert again[3].startswith("duplicate:")
        assert await client.silent()
        out = await asyncio.to_thread(relays, "export", "--data", str(relay.data))
        assert sorted(out.stdout.splitlines()) == sorted(lines([*imported, published]).splitlines())


async def test_importing_and_publishing_at_once(start_relay: StartRelay, tmp_path: Path) -> None:
    relay = await start_relay()
    events = [note(f"{n}") for n in range(600)]
    file = tmp_path / "half.jsonl"
    file.write_bytes(lines(events[:400]))
    async with wire(relay.url) as reader, wire(relay.url) as writer:
        await reader.req("s", {"kinds": [1], "limit": 0})
        importing = asyncio.to_thread(relays, "import", "--data", str(relay.data), str(file))
        task = asyncio.create_task(importing)
        for event in events[200:]:
            await writer.offer(event)
        for _ in events[200:]:
            assert (await writer.recv())[2] is True
        result = await task
        assert result.returncode == 0
        came = [await reader.recv() for _ in events]
        assert {frame[2]["id"] for frame in came} == {event.id for event in events}
        assert await reader.silent()


@needs_vectors
async def test_real_events(relay: RelayProcess) -> None:
    """All of them come in, and out again as they were (but for superseded versions)."""
    text = b"\n".join(real_events())
    result = await asyncio.to_thread(relays, "import", "--data", str(relay.data), "-", input=text)
    said = result.stderr.decode()
    assert "signature" not in said
    assert "invalid" not in said
    out = await asyncio.to_thread(relays, "export", "--data", str(relay.data))
    exported = [Event.parse(line) for line in out.stdout.splitlines()]
    assert said.startswith(f"stored {len(exported)},") or "newer version" in said
    assert {event.id for event in exported} <= {Event.parse(line).id for line in real_events()}
    assert len(exported) > 1700
    assert [event.order for event in exported] == sorted(event.order for event in exported)


def interrupt(data: Path, file: Path, place: int) -> None:
    """Leave the note of an import of `file` that was ended there."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        file.open("rb") as opened,
        ImportProgress(data).keep(file, opened) as mark,
    ):
        mark(place)
        raise KeyboardInterrupt


def test_an_interrupted_import_goes_on_where_it_was(tmp_path: Path) -> None:
    events = [note(f"{n}") for n in range(600)]
    file, data = tmp_path / "events.jsonl", tmp_path / "relay"
    file.write_bytes(lines(events))
    relays("import", "--data", str(data), "-", input=lines(events[:10]))
    place = len(lines(events[:200]))
    interrupt(data, file, place)
    result = relays("import", "--data", str(data), str(file))
    assert b"going on" in result.stderr
    assert b"stored 400, duplicate 0," in result.stderr
    again = relays("import", "--data", str(data), str(file))
    assert b"going on" not in again.stderr, "it was through"
    assert b"stored 190, duplicate 410," in again.stderr
    assert again.returncode == 0


def test_a_bookmark_of_another_file_is_no_bookmark(tmp_path: Path) -> None:
    events = [note(f"{n}") for n in range(20)]
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines(events))
    place = len(lines(events[:10]))

    def found() -> int:
        with file.open("rb") as opened:
            begin = ImportProgress(tmp_path).find(file, opened)
            assert opened.tell() == 0
        return begin

    interrupt(tmp_path, file, place)
    assert found() == place
    file.write_bytes(lines(events[:15]))
    assert found() == place, "a file may grow and shrink behind it"
    file.write_bytes(lines(events[:5]))
    assert found() == 0
    file.write_bytes(lines(events[::-1]))
    assert found() == 0
    interrupt(tmp_path, file, place - 1)
    assert found() == 0, "no line begins there"
    (tmp_path / "imports.json").write_text("nonsense")
    assert found() == 0


def test_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    file.write_bytes(lines([note(f"{n}") for n in range(10)]))
    interrupt(tmp_path, file, len(file.read_bytes()))
    result = relays("import", "--anew", "--data", str(tmp_path), str(file))
    assert b"stored 10," in result.stderr


def test_an_export_of_what_matches(tmp_path: Path) -> None:
    notes = [note(f"{n}", at=NOW + n) for n in range(10)]
    others = [note(f"{n}", at=NOW + n, kind=7, key=OTHER) for n in range(10)]
    data = str(tmp_path)
    relays("import", "--data", data, "-", input=lines([*notes, *others]))

    def export(*options: str) -> list[bytes]:
        result = relays("export", "--data", data, *options)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    assert export("--filter", '{"kinds":[7]}') == [event.json for event in others[::-1]]
    some = export("--filter", '{"kinds":[7]}', "--filter", '{"kinds":[1]}', "--since", str(NOW + 8))
    assert set(some) == {event.json for event in (*notes[8:], *others[8:])}
    assert export("--until", str(NOW), "--filter", '{"kinds":[1]}') == [notes[0].json]
    wrong = relays("export", "--data", data, "--filter", '{"kinds":"x"}')
    assert (wrong.returncode, wrong.stderr[:16]) == (1, b"error: --filter:")
    assert b"Traceback" not in wrong.stderr


def test_strfrys_own_kind_of_lines(tmp_path: Path) -> None:
    """`strfry export --fried` adds a field of its own to each event."""
    event = note("hello")
    line = event.json[:-1] + b',"fried":"00ff"}\n'
    result = relays("import", "--data", str(tmp_path), "-", input=line)
    assert result.stderr.startswith(b"stored 1,")
    assert relays("export", "--data", str(tmp_path)).stdout == lines([event])


def test_a_bar_only_for_those_who_look() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen, file = Screen(), io.StringIO()
    for out in (screen, file):
        with ProgressBar(1000, out=out) as progress:
            progress.show(250, "10 lines")
    assert "[######------------------]  25% 10 lines" in screen.getvalue()
    assert screen.getvalue().endswith("\r"), "it is wiped"
    assert file.getvalue() == ""
    assert [time_text(seconds) for seconds in (7, 750, 11_045)] == ["0:07", "12:30", "3:04:05"]


def test_an_import_goes_by_the_bans(tmp_path: Path) -> None:
    mine, theirs = note("mine"), note("theirs", key=OTHER)
    data = str(tmp_path)
    relays("import", "--data", data, "-")
    assert relays("ban", "pubkey", OTHER.public_key.hex, "--data", data).returncode == 0
    result = relays("import", "--data", data, "-", input=lines([mine, theirs]))
    assert result.stderr.startswith(b"stored 1, duplicate 0, left out 0, refused 1\n")
    assert b"blocked: " in result.stderr
    assert relays("export", "--data", data).stdout == lines([mine])


def test_rooms(tmp_path: Path) -> None:
    config = tmp_path / "relay.toml"
    config.write_text(f'profile = "personal"\npubkey = "{KEY.public_key.hex}"\n')
    mine = note("to me", key=OTHER, tags=(("p", KEY.public_key.hex),))
    data = ("--data", str(tmp_path / "relay"))
    into = relays(
        *("import", *data, "--config", str(config), "--room", "inbox", "-"), input=lines([mine])
    )
    assert into.stderr.startswith(b"stored 1,"), into.stderr
    assert relays("export", *data, "--room", "inbox").stdout == lines([mine])
    missing = relays("export", *data, "--room", "cellar")
    assert missing.returncode == 1
    assert b"cellar" in missing.stderr
    unknown = relays("import", *data, "--room", "cellar", "-")
    assert unknown.returncode == 1


@pytest.mark.parametrize("through", ["file", "pipe"])
@pytest.mark.parametrize("form", ["plain", "gzip", "zstd"])
def test_a_byte_order_mark_and_compression(tmp_path: Path, form: str, through: str) -> None:
    events = [note(f"{n}", at=NOW + n) for n in range(5)]
    data = b"\xef\xbb\xbf" + lines(events).replace(b"\n", b"\r\n")
    if form == "gzip":
        data = gzip.compress(data[:500]) + gzip.compress(data[500:])  # as `cat a.gz b.gz` makes it
    if form == "zstd":
        data = pytest.importorskip("backports.zstd").compress(data)
    file = tmp_path / "events.whatever"
    file.write_bytes(data)
    name, given = (str(file), b"") if through == "file" else ("-", data)
    done = relays("import", "--data", str(tmp_path / "a"), name, input=given)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(b"stored 5, duplicate 0, left out 0, refused 0\n")


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_damaged_compression_is_said_and_what_came_before_is_stored(
    tmp_path: Path, form: str
) -> None:
    data = lines([note(f"{n}", at=NOW + n) for n in range(3000)])
    if form == "gzip":
        data = gzip.compress(data)
    else:
        data = pytest.importorskip("backports.zstd").compress(data)
    file = tmp_path / "events"
    file.write_bytes(data[: len(data) * 9 // 10])
    done = relays("import", "--data", str(tmp_path / "a"), str(file))
    assert done.returncode == 1
    *tally, said = done.stderr.decode().splitlines()
    why = "the compressed data is damaged or ends too early"
    assert said == f"error: {file}: {why}; what came before is stored"
    assert int(tally[0].split()[1].strip(",")) >= 1000


def test_what_is_refused_is_found_by_its_line(tmp_path: Path) -> None:
    good = [note(f"{n}", at=NOW + n) for n in range(4)]
    forged = good[0].json.replace(good[0].sig.encode(), good[1].sig.encode())
    written = [good[1].json, b"", b"{", good[2].json, forged, *[b"no event"] * 6, good[3].json]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join(written))
    said = relays("import", "--data", str(tmp_path / "a"), str(file)).stderr.decode()
    assert "stored 3, duplicate 0, left out 0, refused 8\n" in said
    assert f"1 x the signature is wrong ({file}:5)\n" in said
    assert f"({', '.join(f'{file}:{n}' for n in range(6, 11))}, ...)\n" in said
    assert f"({file}:3)\n" in said
    piped = relays("import", "--data", str(tmp_path / "a"), "-", input=forged)
    assert "(line 1)" in piped.stderr.decode()


def test_lines_are_counted_from_the_beginning_also_when_it_goes_on() -> None:
    data = b"\n".join(b"line %d" % n for n in range(1, 2501))
    file = io.BytesIO(data)
    first, *_ = import_export._batches(file, 10_000)
    number = import_export._lines_before(file, first.end)
    assert number == len(first.lines) == import_export.BATCH
    assert file.tell() == first.end
    rest = [
        line
        for batch in import_export._batches(file, 10_000, first.end, number)
        for line in batch[0]
    ]
    assert rest == [(n, b"line %d" % n) for n in range(1001, 2501)]


def test_what_is_refused_may_come_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in two exports that were put together: what is read ahead is there while one is saved."""
    monkeypatch.setattr(import_export, "BATCH", 2)
    good = [note(f"{n}", at=NOW + n) for n in range(8)]
    forged = good[0].json.replace(good[0].sig.encode(), good[1].sig.encode())
    whole = [event.json for event in good]
    file = tmp_path / "events.jsonl"
    file.write_bytes(b"\n".join([whole[0], forged, whole[1], forged, forged, *whole[2:], forged]))
    done = relays("import", "--data", str(tmp_path / "relay"), str(file))
    said = done.stderr.decode()
    assert "stored 8, duplicate 0, left out 0, refused 4" in said
    assert all(f"events.jsonl:{line}" in said for line in (2, 4, 5, 12))
