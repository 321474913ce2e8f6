"""Which questions are answered and which are refused, with a prefix and a reason."""

from __future__ import annotations

import pytest

from nostr_client.protocol.filters import Filter
from relays.config.sections import Limits
from relays.policies.filter_limits import check_filters, filter_values

LIMITS = Limits(filters=2, filter_values=4)


@pytest.mark.parametrize(
    ("filters", "reason"),
    [
        ([Filter()], ""),
        ([Filter(), Filter()], ""),
        ([Filter()] * 3, "invalid: 2 filters may be asked at once"),
        ([Filter.of(kinds=[1, 2, 3, 4])], ""),
        ([Filter.of(kinds=[1, 2, 3], t=["a", "b"])], "invalid: a filter may have 4 values"),
        ([Filter.of(limit=10**9)], ""),
        ([Filter.of(search="x")], "unsupported: this relay has no search"),
        (
            [Filter.from_dict({"kinds": [1], "&t": ["x"]})],
            "unsupported: unknown element of a filter: &t",
        ),
    ],
)
def test_filters(filters: list[Filter], reason: str) -> None:
    verdict = check_filters(filters, LIMITS)
    assert (verdict.accepted, verdict.reason) == (not reason, reason)


def test_what_filters_cost() -> None:
    one = Filter.of(ids=["00" * 32], authors=["11" * 32], kinds=[1, 2], t=["a"], e=["22" * 32])
    assert filter_values([one]) == 1 + 6
    assert filter_values([Filter(), Filter(), one]) == 2 + 7
