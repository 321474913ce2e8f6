"""How several rounds of one question add up."""

from __future__ import annotations

import pytest

from nostr_client.net.outcome import End, How, Outcome
from nostr_client.routing.fetch_results import FetchResult, joined


def end(how: How, *, spare: bool = False) -> End:
    return End(url="ws://one", how=how, spare=spare)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (end(How.ANSWERED), end(How.SILENT), end(How.SILENT)),
        (end(How.SILENT), end(How.ANSWERED), end(How.SILENT)),
        (end(How.NOT_AWAITED), end(How.ANSWERED), end(How.ANSWERED)),
        (end(How.ANSWERED), end(How.LOST, spare=True), end(How.ANSWERED)),
        (end(How.LOST, spare=True), end(How.ANSWERED), end(How.ANSWERED)),
    ],
)
def test_what_one_round_missed_is_missed_if_anything_depended_on_it(
    first: End, second: End, both: End
) -> None:
    assert joined({"ws://one": first}, {"ws://one": second}) == {"ws://one": both}


def test_an_answer_says_what_it_came_to_and_whom_it_lacks() -> None:
    dead = End(url="ws://dead", how=How.UNREACHABLE)
    found = FetchResult((), {"ws://one": end(How.ANSWERED), "ws://dead": dead})
    assert (found.outcome, found.missed) == (Outcome.INCOMPLETE, {"ws://dead": dead})
    assert FetchResult((), {"ws://dead": dead}).outcome is Outcome.NO_ANSWER
