"""What relays said to many events: counted by relay, and told at the end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from nostr_client.exits import Exit, exit_code_of
from nostr_client.net.outcome import WORDS_SHOWN
from nostr_client.safe_text import safe_line

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.net.report import Answer
    from nostr_client.social.views import NotPosted, Posted

MOST_TOLD: Final = 20
"""Events that no relay took are told of one by one up to this; the others are counted."""


class RelayTally:
    """Of one run of a command; `own` is the URL of the own relay, whose copy counts for nothing."""

    def __init__(self, context: ClientContext, own: str = "") -> None:
        self.taken = self.refused = self.unheard = 0
        """Events that some relay took, that none took, and of these those that none answered."""
        self._misused = 0
        """Events of these that are not sent at all, as they are wrong."""
        self._context = context
        self._own = own
        self._accepted: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._silent: Counter[str] = Counter()
        self._words: dict[str, str] = {}

    def count(self, result: Posted | NotPosted, line: int) -> None:
        """Count what became of the event of a line, and tell of one that no relay took."""
        from nostr_client.social.views import NotPosted

        if isinstance(result, NotPosted):
            self.refused += 1
            self._misused += exit_code_of(result.error) is Exit.USAGE
            self._tell(line, str(result.error))
            return
        answers = [answer for answer in result.report.answers if answer.url != self._own]
        for answer in answers:
            self._count_answer(answer)
        if any(answer.accepted for answer in answers):
            self.taken += 1
            return
        self.refused += 1
        self.unheard += all(answer.accepted is None for answer in answers)
        told = next((a for a in answers if a.accepted is False), answers[0] if answers else None)
        words = str(told) if told else "no relay was asked"
        self._tell(line, f"no relay took {result.event.id}: {words}")

    def conclude(self) -> None:
        """Say what each relay came to, and have the exit code say what was not taken."""
        out = self._context.out
        for url in dict.fromkeys((*self._accepted, *self._refused, *self._silent)):
            record = {
                "relay": url,
                "accepted": self._accepted[url],
                "refused": self._refused[url],
                "unanswered": self._silent[url],
                "last_word": self._words.get(url, ""),
            }
            out.note(_line(record), record)
        if self.refused > MOST_TOLD:
            record = {"not_accepted": self.refused}
            out.fault(f"{self.refused} events were taken by no relay", record)
        if self.refused:
            all_unheard = self.unheard == self.refused and not self.taken
            all_misused = self._misused == self.refused and not self.taken
            code = Exit.NO_ANSWER if all_unheard else Exit.NOT_ACCEPTED
            self._context.exit_code = Exit.USAGE if all_misused else code

    def _count_answer(self, answer: Answer) -> None:
        counters = {True: self._accepted, False: self._refused, None: self._silent}
        counters[answer.accepted][answer.url] += 1
        if not answer.accepted:
            self._words[answer.url] = safe_line(str(answer.cause), WORDS_SHOWN)

    def _tell(self, line: int, words: str) -> None:
        if self.refused <= MOST_TOLD:
            where = f"line {line}: " if line else ""
            self._context.out.fault(f"{where}{words}", {"line": line or None, "error": words})


def published_record(result: Posted | NotPosted, line: int, own: str = "") -> dict[str, Any]:
    """What became of the event of a line, relay by relay."""
    from nostr_client.protocol.event import Event
    from nostr_client.social.views import NotPosted

    if isinstance(result, NotPosted):
        id = result.what.id if isinstance(result.what, Event) else None
        return refused_record(line, str(result.error), id)
    answers = [answer for answer in result.report.answers if answer.url != own]
    return {
        "line": line,
        "id": result.event.id,
        "accepted": [a.url for a in answers if a.accepted],
        "refused": [
            {"relay": a.url, "prefix": a.prefix, "reason": a.reason, "problem": a.problem}
            for a in answers
            if a.accepted is False
        ],
        "unanswered": [
            {"relay": a.url, "problem": a.problem} for a in answers if a.accepted is None
        ],
        "error": None,
    }


def refused_record(line: int, why: str, id: str | None = None) -> dict[str, Any]:
    """The same of a line that was not sent at all."""
    nobody: dict[str, Any] = {"accepted": [], "refused": [], "unanswered": []}
    return {"line": line, "id": id, **nobody, "error": why}


def _line(record: dict[str, Any]) -> str:
    counts = [f"{record['accepted']} accepted"]
    counts += [f"{record[name]} {name}" for name in ("refused", "unanswered") if record[name]]
    words = f" ({record['last_word']})" if record["last_word"] else ""
    return f"{record['relay']}: {', '.join(counts)}{words}"
