"""The list of sections: what everything that reads it relies on."""

from __future__ import annotations

import pytest

from nostr_client.tui.keymap import LIST, NOTE, PROFILE, KeyGroup, hints
from nostr_client.tui.panes.pane import Pane
from nostr_client.tui.panes.registry import EVERYWHERE, PANES, key_groups, pane_named


def test_a_section_has_a_name_a_key_and_a_line_in_the_help() -> None:
    assert [(pane.key, pane.name) for pane in PANES] == [
        ("1", "home"),
        ("2", "mentions"),
        ("3", "notes"),
        ("4", "relays"),
        ("5", "accounts"),
        ("6", "messages"),
        ("7", "lists"),
    ]
    for pane in PANES:
        assert pane_named(pane.name) is pane
        [key] = [key for key in EVERYWHERE.keys if key.action == f"section('{pane.name}')"]
        assert (key.keys, key.says) == (pane.key, pane.says)


@pytest.mark.parametrize(
    "together",
    [(EVERYWHERE, LIST, NOTE, PROFILE), *((EVERYWHERE, *pane.key_groups) for pane in PANES)],
    ids=lambda groups: groups[-1].title,
)
def test_no_key_means_two_things_in_one_place(together: tuple[KeyGroup, ...]) -> None:
    keys = [name for group in together for key in group.keys for name in key.keys.split(",")]
    assert len(keys) == len(set(keys))


def test_what_works_here_comes_first_and_nothing_twice() -> None:
    pane: Pane = pane_named("relays")
    groups = key_groups(pane.key_groups)
    titles = [group.title for group in groups]
    assert titles[:3] == ["Relays", "In a list", "Everywhere"]
    assert len(titles) == len(set(titles))
    assert set(groups) == set(key_groups())
    assert hints(*pane.key_groups)[0] == ("a", "add")
