"""What acts ask, and what becomes of any answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Tag
from nostr_client.protocol.keys import SecretKey
from nostr_client.social.sets import NamedSet
from nostr_client.social.views import Profile
from nostr_client.tui.actions import Edit
from nostr_client.tui.acts import grouping, voting
from nostr_client.tui.acts.voting import PollText

KEY = SecretKey(b"\x07" * 32)


class Answers:
    """Stands in for `Actions`: the person answers so, one question after the other."""

    def __init__(self, *answers: object) -> None:
        self._answers = list(answers)
        self.said: list[str] = []
        self.added: list[tuple[Tag, bool]] = []
        self.client: Any = SimpleNamespace(sets=SimpleNamespace(list=lambda *_: self))

    async def ask(self, _: object) -> object:
        return self._answers.pop(0)

    def say(self, text: str, severity: str = "information") -> None:
        self.said.append(text)

    async def edit(self, done: str, edit: Edit, name: str) -> bool:
        await edit(False)
        return True

    async def add(self, entry: Tag, *, public: bool, waiver: object) -> None:
        self.added.append((entry, public))


@pytest.mark.parametrize("days", ["0", "367", "00003", "3 days", "²", "0003" + "9" * 5_000])
async def test_any_number_of_days(days: str) -> None:
    actions = Answers(days)
    assert not await voting._ask_written(actions, PollText("Tea?", ("yes", "no"), False))  # type: ignore[arg-type]
    assert actions.said == ["A poll is open for 1 to 366 days. It is kept as a draft."]


@pytest.mark.parametrize(
    ("text", "poll"),
    [
        ("Tea?\n- yes\n\n-no\n", PollText("Tea?", ("yes", "no"), False)),
        ("Tea\nor not?\n* a\n* b", PollText("Tea\nor not?", ("a", "b"), True)),
        ("Tea?\n- yes\nand more\n-", PollText("Tea?", ("yes", "and more"), False)),
        ("Tea?", PollText("Tea?", (), False)),
        ("", PollText("", (), False)),
    ],
)
def test_a_poll_as_it_is_written(text: str, poll: PollText) -> None:
    assert PollText.of(text) == poll


@pytest.mark.parametrize(
    ("private", "closed", "public"), [(0, False, True), (2, False, False), (0, True, False)]
)
async def test_who_joins_a_list_is_shown_only_where_all_are(
    private: int, closed: bool, public: bool
) -> None:
    ben: Tag = ("p", "ab" * 32)
    event = Draft(kinds.FOLLOW_SET, "", (("d", "x"), ben), 1).sign(KEY, 1)
    one = NamedSet(event, event.tags, private, closed)
    actions = Answers()
    await grouping._change(actions, one, Profile("cd" * 32))  # type: ignore[arg-type]
    assert actions.added == [(("p", "cd" * 32), public)]
