"""Versions of a list, compared and merged: laws that hold for whatever they hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nostr_client.errors import DecryptionFailed
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.routing.private_part import tags_of
from nostr_client.social.list_versions import (
    ItemChange,
    ItemPlace,
    Items,
    ListItem,
    changes_between,
    draft_of,
    is_fork,
    items_of,
    merge,
)

places = st.sampled_from([ItemPlace.PUBLIC, ItemPlace.PRIVATE])
tags = st.tuples(
    st.sampled_from(["p", "r", "t"]), st.sampled_from("abcdef"), st.sampled_from(["", "x", "y"])
)
entries = st.builds(ListItem, places, tags)
versions = st.lists(entries, max_size=9).map(tuple)


def item(name: str, *more: str, place: ItemPlace = ItemPlace.PUBLIC) -> ListItem:
    return ListItem(place, ("p", name, *more))


def people(names: str) -> Items:
    return tuple(item(name) for name in names)


def names(items: Items) -> str:
    return "".join(each.tag[1] for each in items)


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "fork"),
    [
        ("a", "ab", "ac", True),
        ("ab", "a", "abc", True),
        ("a", "ab", "abc", False),  # theirs was made from mine
        ("a", "ab", "a", False),  # an undo
        ("a", "ab", "ab", False),
        ("a", "a", "ab", False),
    ],
)
def test_two_devices_that_did_not_know_of_each_other(
    base: str, mine: str, theirs: str, fork: bool
) -> None:
    assert is_fork(people(base), people(mine), people(theirs)) is fork


@given(versions, versions)
def test_what_one_side_alone_did_is_what_comes_of_it(base: Items, other: Items) -> None:
    assert merge(base, other, other) == (other, ())
    assert merge(base, base, other) == (other, ())
    assert merge(base, other, base) == (other, ())


@given(versions, versions, versions)
def test_nothing_is_lost_that_both_kept_and_nothing_comes_of_nowhere(
    base: Items, mine: Items, theirs: Items
) -> None:
    merged, conflicts = merge(base, mine, theirs)
    keys = {each.key for each in merged}
    assert {i.key for i in mine} & {i.key for i in theirs} <= keys
    assert set(merged) <= {*mine, *theirs}
    added = {i.key for i in (*mine, *theirs)} - {i.key for i in base}
    assert added <= keys, "what either side added is there"
    gone = {i.key for i in base} - {i.key for i in mine} - {i.key for i in theirs}
    assert not gone & keys, "what both took out is gone"
    for change in conflicts:
        assert change.before != change.after


@given(versions, versions, versions)
def test_the_order_is_mine(base: Items, mine: Items, theirs: Items) -> None:
    order = list(dict.fromkeys(each.key for each in merge(base, mine, theirs).items))
    if theirs == base or mine not in (base, theirs):
        kept = [key for key in dict.fromkeys(i.key for i in mine) if key in order]
        assert [key for key in order if key in kept] == kept


@given(versions, versions, versions)
def test_both_sides_find_the_same_conflicts(base: Items, mine: Items, theirs: Items) -> None:
    ours, others = merge(base, mine, theirs), merge(base, theirs, mine)
    assert {(c.before, c.after) for c in ours.conflicts} == {
        (c.after, c.before) for c in others.conflicts
    }
    if not ours.conflicts:
        assert set(ours.items) == set(others.items)


@given(versions, versions)
def test_changes_tell_two_versions_apart(before: Items, after: Items) -> None:
    changes = changes_between(before, after)
    assert not changes_between(before, before)
    assert {i for c in changes for i in c.before} >= set(before) - set(after)
    assert {i for c in changes for i in c.after} >= set(after) - set(before)


def test_what_they_have_beyond_mine_stands_where_it_stood() -> None:
    assert names(merge(people("abc"), people("abcz"), people("xaybc")).items) == "xaybcz"
    assert names(merge(people("abc"), people("ca"), people("abcd")).items) == "cda"


def test_of_a_conflict_mine_stands_but_a_change_is_not_lost_to_a_removal() -> None:
    base, mine, theirs = (item("a"), item("b")), (item("a", "1"),), (item("a", "2"), item("b", "3"))
    merged, conflicts = merge(base, mine, theirs)
    assert merged == (item("a", "1"), item("b", "3"))
    assert conflicts == (
        ItemChange((item("a", "1"),), (item("a", "2"),)),
        ItemChange((), (item("b", "3"),)),
    )


def test_an_entry_that_moves_to_the_private_part_is_one_that_changed() -> None:
    hidden = item("a", place=ItemPlace.PRIVATE)
    assert changes_between(people("a"), (hidden,)) == [ItemChange(people("a"), (hidden,))]
    assert merge(people("ab"), (hidden, item("b")), people("abc")).items == (
        hidden,
        item("b"),
        item("c"),
    )


def test_a_profile_is_merged_by_its_fields_and_every_value_stays_as_it_was() -> None:
    def profile(content: str) -> Items:
        return items_of(Draft(kinds.METADATA, content, (("i", "github:ana", "proof"),)))

    base = profile('{"name":"ana","about":"old","n":1.50}')
    mine = profile('{"name":"ana","about":"mine","n":1.50}')
    theirs = profile('{"name":"ana","about":"old","n":1.50,"bot":true}')
    draft = draft_of(kinds.METADATA, merge(base, mine, theirs).items)
    assert draft.content == '{"name":"ana","about":"mine","n":1.50,"bot":true}'
    assert draft.tags == (("i", "github:ana", "proof"),)


@pytest.mark.parametrize("content", ["", "not json", '["a"]', '{"wss://r.example":{"read":true}}'])
def test_a_version_is_made_of_its_items_again(content: str) -> None:
    version = Draft(kinds.FOLLOWS, content, (("p", "a"), ("p", "b", "wss://x")))
    assert draft_of(kinds.FOLLOWS, items_of(version)) == version


def test_a_private_part_is_made_of_its_items_and_one_that_is_closed_is_carried() -> None:
    mutes = Draft(kinds.MUTES, "closed", (("p", "a"),))
    opened = items_of(mutes, (("word", "x"),))
    assert tags_of(draft_of(kinds.MUTES, opened).content) == (("word", "x"),)
    closed = items_of(mutes)
    assert draft_of(kinds.MUTES, closed) == mutes
    with pytest.raises(DecryptionFailed, match="cannot be put together"):
        draft_of(kinds.MUTES, (*closed, opened[-1]))
