"""What is muted, in a thread, in a feed and where it is quoted."""

from __future__ import annotations

from textual.style import Style

from nostr_client.nips import nip27
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.views import NoteView, Profile, Quote, ThreadView
from nostr_client.tui.note_renderer import NoteRenderer
from nostr_client.tui.thread_renderer import ThreadRenderer, thread_rows

NOW = 1_700_000_000
KEY = SecretKey.generate()
BEN = Profile(KEY.public_key.hex, name="ben")


def style(name: str) -> Style:
    return Style()


def view(content: str, **fields: object) -> NoteView:
    event = Draft(1, content, (), NOW - 120).sign(KEY, NOW)
    return NoteView(event, event, BEN, nip27.parts(content), **fields)  # type: ignore[arg-type]


def test_what_is_muted_folds_to_a_line_that_can_be_opened() -> None:
    noise = view("noise", muted="you muted \x1b]0;x\x07“noise”")
    quote = Quote(noise.id, noise.event, BEN, muted="by somebody you muted")
    quoting = view("see", quotes=(quote,))
    rows = thread_rows(ThreadView(quoting.id, quoting, ((0, quoting), (1, noise))))
    notes = NoteRenderer(lambda pubkey: "someone", clock=lambda: NOW)
    thread = ThreadRenderer(notes)
    quoted = [line.plain for line in thread.lines(rows[0], 60, style)]
    assert quoted[-2].rstrip() == "┃ ▒▒ by somebody you muted ▒▒"
    for drawn, tail in ((thread.lines(rows[1], 60, style), 1), (notes.lines(noise, 60, style), 0)):
        assert len(drawn) == 1 + tail
        assert "noise” · s to show ▒▒" in drawn[0].plain
        assert "\x1b" not in drawn[0].plain
    notes.unfolded.add(noise.id)
    assert [line.plain.strip() for line in notes.lines(noise, 60, style)][1:] == ["noise"]
