"""The list of sections: what everything that reads it relies on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from nostr_client.tui.acts.registry import NOTE, PERSON
from nostr_client.tui.keymap import LIST, KeyGroup, hints
from nostr_client.tui.panes.pane import Pane
from nostr_client.tui.panes.registry import (
    EVERYWHERE,
    PANES,
    _own_panes,
    in_order,
    key_groups,
    pane_named,
)


def test_a_section_has_a_name_a_key_and_a_line_in_the_help() -> None:
    assert [pane.key for pane in PANES if pane.key] == [
        *(key for key in "1234567890" if key in {pane.key for pane in PANES})
    ]
    assert {"home", "relays", "accounts"} <= {pane.name for pane in PANES}
    for pane in PANES:
        assert pane_named(pane.name) is pane
        keys = [key for key in EVERYWHERE.keys if key.action == pane.action]
        assert [(key.keys, key.says) for key in keys] == ([(pane.key, pane.says)] * bool(pane.key))


def test_each_section_of_our_own_has_the_key_that_it_asks_for() -> None:
    keys = [pane.key for pane in _own_panes() if pane.key]
    assert len(keys) == len(set(keys)), "what two ask for only one gets, and nobody would be told"
    wished = {pane.name: pane.key for pane in _own_panes()}
    assert {pane.name: pane.key for pane in PANES if pane.name in wished} == wished


def test_of_two_sections_with_one_key_the_first_has_it_and_names_are_one_each() -> None:
    home = pane_named("home")
    later = replace(home, name="later", place=home.place + 1)
    twin = replace(later, says="another", place=home.place + 2)
    found = in_order([twin, later, home])
    assert [(pane.name, pane.key, pane.says) for pane in found] == [
        ("home", home.key, home.says),
        ("later", "", home.says),
    ]


@pytest.mark.parametrize(
    "together",
    [(EVERYWHERE, LIST, NOTE, PERSON), *((EVERYWHERE, *pane.key_groups) for pane in PANES)],
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
