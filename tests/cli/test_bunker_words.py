"""What a bunker's person is asked: nothing that a client says can pass for a line of ours."""

from __future__ import annotations

import asyncio

import pytest

from nostr_client.bunker.questions import Consented, Question
from nostr_client.bunker.state import BunkerClient
from nostr_client.cli import bunker_prompt
from nostr_client.cli.bunker_prompt import MOST_HELD, TerminalPrompt
from nostr_client.cli.bunker_words import choice_of, choices, client_lines, question_text
from nostr_client.nips.nip46 import ClientMetadata, Permission, parse_permissions
from nostr_client.protocol.event import Draft
from nostr_client.signing.guards import Objection

CLIENT = BunkerClient("ab" * 32, 1, (), ClientMetadata(name="A\x1b[2Jna\nWARNING: safe"))
NOTE = Permission("sign_event", "1")
DRAFT = Draft(1, "hi\n\x1b[31m[y]es once\u202e", tuple(("t", str(n)) for n in range(9)), 1)


def test_a_question_shows_what_is_to_be_signed_and_who_says_that_he_is_who() -> None:
    text = question_text(Question(CLIENT, (NOTE,), draft=DRAFT))
    first, *rest = text.splitlines()
    assert first.startswith("abababababab (calls itself “A")
    assert first.endswith("wants to sign an event of kind 1: note")
    assert "│ hi" in rest
    assert all(line.startswith(("│ ", "  dated")) for line in rest)
    assert "9 tags in all" in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_an_objection_is_answered_with_yes_or_no_alone() -> None:
    objection = Objection("it takes 30 of its 31 entries")
    question = Question(CLIENT, (NOTE,), draft=DRAFT, objection=objection)
    assert "WARNING: it takes 30" in question_text(question)
    assert "lways" not in choices(question)
    assert choice_of(question, "a") is None
    assert choice_of(question, "y") is Consented.YES
    objection = Objection("it asks every relay", "vanish", has_backup=False)
    question = Question(CLIENT, (NOTE,), draft=DRAFT, objection=objection)
    assert "`nostr-client backup FILE`" in question_text(question)
    assert "“vanish without a backup”" in choices(question)
    assert choice_of(question, " vanish without a backup\n") is Consented.YES
    for typed in ("y", "a", "vanish", ""):
        assert choice_of(question, typed) is Consented.NO


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("y", "YES"), ("No", "NO"), ("a", "ALWAYS"), ("h", "HOUR"), ("v", "NEVER"), ("", None)],
)
def test_what_is_typed(typed: str, meant: str | None) -> None:
    answer = choice_of(Question(CLIENT, (NOTE,)), typed)
    assert answer is (Consented[meant] if meant else None)


def test_what_is_asked_for_when_connecting_is_listed() -> None:
    wanted = parse_permissions("nip44_decrypt,sign_event:10002,sign_event,make_coffee")
    question = Question(CLIENT, wanted, connecting=True)
    text = question_text(question)
    for words in ("private messages", "kind 10002: relay list", "of every kind", "make_coffee"):
        assert words in text
    lines = list(client_lines(CLIENT.ruled(wanted, until=100), 50))
    assert len(lines) == 4  # what cannot be permitted is no rule


async def test_nothing_is_told_between_a_question_and_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    typed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr(bunker_prompt, "typed_line", lambda: typed)
    monkeypatch.setattr(bunker_prompt, "write_terminal", lambda text: None)
    prompt = TerminalPrompt(told.append)
    prompt.say("before")
    asking = asyncio.create_task(prompt.ask(Question(CLIENT, (NOTE,))))
    await asyncio.sleep(0)
    for number in range(MOST_HELD + 5):
        prompt.say(str(number))
    assert told == ["before"]
    typed.set_result("y")
    assert await asking is Consented.YES
    assert told[1 : MOST_HELD + 1] == [str(number) for number in range(MOST_HELD)]
    assert told[MOST_HELD + 1 :] == ["and 5 lines more: `nostr-client bunker log` has them"]
    prompt.say("after")
    assert told[-1] == "after"
