"""The meter of a note on its way."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from nostr_client.net.outcome import Cause, How
from nostr_client.net.report import Answer
from nostr_client.store.contract import Copy, CopyState
from nostr_client.tui.glyphs import ASCII, UNICODE, Glyphs, glyphs
from nostr_client.tui.widgets.send_progress import Sending, SendProgress


def test_the_meter_counts() -> None:
    sending = Sending(["wss://a.example", "wss://b.example", "wss://c.example"])
    assert sending.summary() == "Signing and keeping it here …"
    sending.add_answer(Answer.of_ok("wss://a.example", True, ""))
    assert sending.summary() == "1 of 3 have it, and the copy here. 2 waiting …"
    sending.add_answer(Answer.of_ok("wss://b.example", False, "blocked: not on our list"))
    sending.add_answer(Answer.missing("wss://c.example", Cause(How.SILENT, "no answer in 10 s")))
    sending.add_answer(Answer.of_ok("wss://d.example", False, "rate-limited: slow down"))
    sending.finish()
    assert sending.summary() == (
        "1 of 4 have it, and the copy here. 1 refused. 2 waiting: tried again by itself."
    )


def test_without_relays_it_is_kept_here() -> None:
    sending = Sending([])
    sending.kept = True
    sending.finish()
    assert sending.summary().startswith("Kept here.")


def test_the_own_relay_is_none_of_those_that_are_counted() -> None:
    own, other = "ws://127.0.0.1:1", "wss://a.example"
    sending = Sending([other, own], own)
    sending.add_answer(Answer.of_ok(own, True, ""))
    sending.add_answer(Answer.of_ok(other, False, "blocked: not on our list"))
    sending.finish()
    assert sending.accepted == 0, "nobody but the person reads there"
    assert sending.summary() == (
        "0 of 1 have it, and the copy here and on your own relay. 1 refused."
    )
    alone = Sending([own], own)
    alone.add_answer(Answer.of_ok(own, True, ""))
    alone.finish()
    assert alone.summary().startswith("Kept here and on your own relay. There is no relay")


def test_relay_words_are_shown_as_they_are() -> None:
    sending = Sending(["wss://a.example"], own="ws://127.0.0.1:1")
    sending.add_answer(
        Answer.of_ok("wss://a.example", False, "blocked: [@click=app.quit]x[/]\x1b[2J\nmore")
    )
    sending.add_answer(Answer.of_ok("ws://127.0.0.1:1", True, ""))
    text = SendProgress()._content(sending).plain
    assert "✕ a.example  blocked: [@click=app.quit]x[/] more" in text
    assert "● own relay" in text
    assert "\x1b" not in text


def test_many_relays_stay_few_lines() -> None:
    sending = Sending([f"wss://r{n}.example" for n in range(30)])
    assert len(SendProgress()._content(sending).plain.splitlines()) == 26
    sending.kept = True
    assert sending.line().plain == f"{'○' * 12} 0 of 30, 30 waiting · D shows each answer"


def test_the_line_fills_up() -> None:
    sending = Sending(["wss://a.example", "wss://b.example", "wss://c.example"])
    told: list[str] = []

    def tell() -> None:
        told.append(sending.line().plain.partition(" ·")[0])

    sending.watch(tell)
    assert sending.line().plain == "Signing and keeping it here …"
    sending.add_answer(Answer.of_ok("wss://a.example", True, ""))
    sending.add_answer(Answer.of_ok("wss://b.example", False, "blocked: not here"))
    sending.finish()
    sending.unwatch(tell)
    assert told == [
        "●○○ 1 of 3, 2 waiting",
        "●✕○ 1 of 3, 1 refused, 1 waiting",
        "●✕○ 1 of 3, 1 refused, 1 waiting: tried again by itself",
    ]


def test_what_the_ledger_learned_later_counts() -> None:
    def copy(url: str, state: CopyState, prefix: str = "", reason: str = "") -> Copy:
        return Copy("ab" * 32, url, state, 1, 0, prefix, reason, 0)

    sending = Sending(["wss://a.example", "wss://b.example"], own="ws://127.0.0.1:1")
    sending.add_answer(Answer.missing("wss://a.example", Cause(How.SILENT, "no answer in 10 s")))
    sending.finish()
    sending.learn(
        (
            copy("wss://a.example", CopyState.CONFIRMED),
            copy("wss://b.example", CopyState.REFUSED, "blocked", "not here"),
            copy("wss://c.example", CopyState.WANTED),
            copy("wss://d.example", CopyState.CONFIRMED),
            copy("ws://127.0.0.1:1", CopyState.CONFIRMED),
        )
    )
    assert sending.line().plain == "●✕● 2 of 3, 1 refused · D shows each answer"
    assert sending.on_own
    assert "✕ b.example  blocked: not here" in SendProgress()._content(sending).plain


@pytest.mark.parametrize(
    ("encoding", "marks"), [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII)]
)
def test_a_terminal_without_unicode_gets_ascii(
    encoding: str, marks: Glyphs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.__stdout__", SimpleNamespace(encoding=encoding))
    assert glyphs() == marks
    assert all(len(mark) == 1 for mark in marks)
