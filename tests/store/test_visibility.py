"""Who may see what is private, and who has to show first who he is."""

from __future__ import annotations

import pytest

from nostr_client.protocol.filters import Filter
from nostr_client.store.visibility import Reader, for_reader, is_empty, needs_keys

SOMEBODY = frozenset({"ab" * 32})


@pytest.mark.parametrize(
    ("kinds", "needs"),
    [((1059,), True), ((4, 21059), True), ((1, 1059), False), ((), False), (None, False)],
)
def test_who_asks_for_private_kinds_alone_shows_who_he_is(
    kinds: tuple[int, ...] | None, needs: bool
) -> None:
    f = Filter.of(kinds=kinds)
    nobody = Reader()
    assert needs_keys([Filter(), f], nobody) is needs
    assert not needs_keys([f], Reader(SOMEBODY))
    if kinds == (1059,):
        assert is_empty(for_reader(f, nobody)), "the store has none of them for him either"


def test_what_anybody_may_see_needs_no_keys() -> None:
    reader = Reader(open=frozenset({4}))
    assert not needs_keys([Filter.of(kinds=[4])], reader)
    assert needs_keys([Filter.of(kinds=[1059])], reader)
