"""Relays that lie: a front before a real relay, which passes on what it is told, but for its lie.

- `drops-author`: takes everything, and keeps nothing of one author.
- `discards`: says OK, and keeps nothing at all.
- `stale`: shows of each list the first version that it ever saw.
- `forges`: what it shows is not what was signed.
- `drips`: shows one event every `DRIP` seconds.
- `two-faced`: shows what is asked for by id, as auditors ask, and nothing to those who look for
  an author.

A front that closes (`closing`) refuses all that is new, and says why. Of what it refused for good
it counts what comes again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import msgspec

from nostr_client.protocol import kinds
from nostr_client.rehearsal.front import FrontTalk, RelayFront

Lie = Literal["drops-author", "discards", "stale", "forges", "drips", "two-faced"]
LIES: Final[tuple[Lie, ...]] = get_args(Lie)
DRIP: Final = 1.0
CLOSING: Final = "blocked: this relay closes for good soon"
_MOST_QUESTIONS: Final = 1_000


class Front(RelayFront):
    """Open from `open` on. `victim` is the author (hex) whom `drops-author` drops."""

    def __init__(self, lie: Lie | None = None, victim: str = "") -> None:
        super().__init__()
        self.lie = lie
        self.victim = victim
        self.closing = False
        self.refused: dict[tuple[str, str], int] = {}
        """How often an event (author, id) came that was refused for good."""
        self.taken: set[str] = set()
        """The events (ids) that it said it had taken, and did not keep."""
        self._first_lists: dict[tuple[str, int], Any] = {}

    @property
    def pushed_again(self) -> int:
        """Times that an event came again which was refused for good."""
        return sum(times - 1 for times in self.refused.values())

    async def from_client(self, talk: FrontTalk, text: str) -> None:
        match json.loads(text):
            case ["EVENT", dict(event)]:
                answer = self.answer_to(event)
                if answer is not None:
                    await talk.client.send(json.dumps(answer))
                    return
                self.saw(event)
            case ["REQ", str(name), *filters] if len(talk.questions) < _MOST_QUESTIONS:
                talk.questions[name] = [plain for plain in filters if isinstance(plain, dict)]
            case ["CLOSE", str(name)]:
                talk.questions.pop(name, None)
        await talk.relay.send(text)

    async def from_relay(self, talk: FrontTalk, text: str) -> None:
        match json.loads(text):
            case ["EVENT", str(name), dict(event)]:
                found = self.shown(event, talk.questions.get(name, []))
                if found is None:
                    return
                if self.lie == "drips":
                    await asyncio.sleep(DRIP)
                if found is not event:
                    text = msgspec.json.encode(["EVENT", name, found]).decode()
        await talk.client.send(text)

    # The lies

    def answer_to(self, event: Mapping[str, Any]) -> list[Any] | None:
        """What is said to an event in the relay's place; None: the relay gets it."""
        key = (str(event.get("pubkey")), str(event.get("id")))
        if self.closing:
            self.refused[key] = self.refused.get(key, 0) + 1
            return ["OK", key[1], False, CLOSING]
        dropped = self.lie == "drops-author" and key[0] == self.victim
        if self.lie == "discards" or dropped:
            self.taken.add(key[1])
            return ["OK", key[1], True, ""]
        return None

    def shown(self, event: dict[str, Any], asked: list[Mapping[str, Any]]) -> Any | None:
        """What is shown in place of an event that the relay shows; None: nothing."""
        if self.lie == "two-faced" and not any("ids" in plain for plain in asked):
            return None
        if self.lie == "forges":
            return {**event, "content": f"{event['content']} (not what was written)"}
        if self.lie == "stale" and kinds.kind_class(event["kind"]) is kinds.KindClass.REPLACEABLE:
            return self._first_lists.setdefault((event["pubkey"], event["kind"]), event)
        return event

    def saw(self, event: Mapping[str, Any]) -> None:
        """An event goes to the relay."""
        if self.lie == "stale":
            self._first_lists.setdefault(
                (str(event.get("pubkey")), int(event.get("kind", 1))), event
            )
