"""What all relays of a question come to: found, not all, nothing, nobody answered, not allowed."""

from __future__ import annotations

import pytest

from nostr_client.errors import (
    AuthRequired,
    ConnectFailed,
    ConnectionLost,
    ConnectStep,
    Refused,
    RelayError,
    RelayTimeout,
)
from nostr_client.net.outcome import Cause, End, How, Outcome, in_words, missed_of, outcome_of


def end(how: How, events: int = 0, *, spare: bool = False, problem: str = "") -> End:
    return End(url=f"ws://{how.name.lower()}", how=how, events=events, spare=spare, problem=problem)


ANSWERED, DEAD = end(How.ANSWERED), end(How.UNREACHABLE)
SILENT, WALL = end(How.SILENT), end(How.NOT_ALLOWED)
LARGE = end(How.INCOMPLETE, problem="1 left out, too large to be kept")
LOST_MIDWAY = end(How.LOST, events=3)
SPARE, SPARE_DEAD = end(How.ANSWERED, spare=True), end(How.UNREACHABLE, spare=True)
NOT_AWAITED, NOT_ASKED = end(How.NOT_AWAITED), end(How.NOT_ASKED)


@pytest.mark.parametrize(
    ("ends", "nothing", "something"),
    [
        ([ANSWERED], Outcome.NOTHING, Outcome.FOUND),
        ([ANSWERED, SPARE_DEAD], Outcome.NOTHING, Outcome.FOUND),
        ([ANSWERED, NOT_ASKED, NOT_AWAITED], Outcome.NOTHING, Outcome.FOUND),
        ([ANSWERED, DEAD], Outcome.INCOMPLETE, Outcome.FOUND),
        ([ANSWERED, WALL], Outcome.INCOMPLETE, Outcome.FOUND),
        ([ANSWERED, LARGE], Outcome.INCOMPLETE, Outcome.INCOMPLETE),
        ([LARGE], Outcome.INCOMPLETE, Outcome.INCOMPLETE),
        ([ANSWERED, LOST_MIDWAY], Outcome.INCOMPLETE, Outcome.INCOMPLETE),
        ([DEAD, SILENT], Outcome.NO_ANSWER, Outcome.FOUND),
        ([DEAD, SPARE], Outcome.INCOMPLETE, Outcome.FOUND),
        ([WALL, DEAD], Outcome.NOT_ALLOWED, Outcome.FOUND),
        ([WALL, SPARE], Outcome.NOT_ALLOWED, Outcome.FOUND),
        ([NOT_ASKED], Outcome.NO_ANSWER, Outcome.FOUND),
        ([], Outcome.NO_ANSWER, Outcome.FOUND),
    ],
)
def test_what_relays_come_to(ends: list[End], nothing: Outcome, something: Outcome) -> None:
    assert outcome_of(ends, found=False) is nothing
    assert outcome_of(ends, found=True) is something


def test_the_words_name_those_who_were_missed_and_why() -> None:
    assert in_words([ANSWERED, SPARE_DEAD, NOT_AWAITED], found=True) == ""
    assert missed_of([ANSWERED, SPARE_DEAD, DEAD]) == (DEAD,)
    assert in_words([DEAD, ANSWERED], found=True) == (
        "not every relay answered: ws://unreachable: cannot be reached"
    )
    assert in_words([DEAD], found=True).startswith("nobody answered; this is what was here: ws://")
    assert in_words([LARGE], found=True) == (
        "this is not all: ws://incomplete: holds more (1 left out, too large to be kept)"
    )
    assert in_words([WALL], found=False) == "it may not be read: ws://not_allowed: not allowed"
    assert in_words([], found=False) == "there is no relay to ask"
    assert in_words([DEAD] * 5, found=False).endswith("; and 2 more")


# Why something ended

URL = "wss://relay.example"
NO_NAME = ConnectFailed(URL, "no address", ConnectStep.DNS)
TURNED_AWAY = ConnectFailed(URL, "status 401", ConnectStep.HTTP, 401)


@pytest.mark.parametrize(
    ("cause", "how", "reason", "problem", "error", "message"),
    [
        (Cause.refused("error: disk"), How.REFUSED, "disk", "", Refused, "error: disk"),
        (Cause.refused("no"), How.REFUSED, "no", "", Refused, "no"),
        (Cause.refused("Blocked: you"), How.NOT_ALLOWED, "you", "", Refused, "Blocked: you"),
        (
            *(Cause.refused("auth-required: who?"), How.NOT_ALLOWED, "who?", ""),
            *(AuthRequired, "auth-required: who?"),
        ),
        (
            *(Cause.not_reached(NO_NAME), How.UNREACHABLE, "", "connect: dns: no address"),
            *(ConnectFailed, "dns: no address"),
        ),
        (
            *(Cause.not_reached(TURNED_AWAY), How.NOT_ALLOWED, "", "connect: http: status 401"),
            *(ConnectFailed, "http: status 401"),
        ),
        (Cause(How.LOST, "gone"), How.LOST, "", "lost: gone", ConnectionLost, "gone"),
        (Cause(How.SILENT, "1 s"), How.SILENT, "", "timeout: 1 s", RelayTimeout, "timeout: 1 s"),
    ],
)
def test_a_cause_is_a_value_and_an_error(
    cause: Cause, how: How, reason: str, problem: str, error: type[RelayError], message: str
) -> None:
    assert (cause.how, cause.reason, cause.problem) == (how, reason, problem)
    raised = cause.error(URL)
    assert (type(raised), raised.message) == (error, message)
    assert str(cause) == (problem or message)


def test_the_status_of_whoever_turns_us_away_stays() -> None:
    again = Cause.not_reached(TURNED_AWAY).error(URL)
    assert isinstance(again, ConnectFailed)
    assert (again.status, again.turned_away) == (401, True)
    assert not NO_NAME.turned_away
