"""Keys: no default that a terminal cannot tell or keeps for itself; the person's own."""

from __future__ import annotations

import pytest

from nostr_client.settings import InvalidSettings
from nostr_client.tui import app as app_module
from nostr_client.tui.own_keys import (
    LEAVING,
    every_group,
    is_bare,
    key_of,
    own_bindings,
    own_keys,
    own_nodes,
    refusal,
)
from nostr_client.tui.panes.registry import key_groups
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.widgets.hint_line import HintLine
from tests.tui.world import World, furnish, sees, shown, until

assert app_module  # every widget and screen is loaded


def test_no_key_is_one_that_terminals_confuse_or_keep_and_none_leaves_by_a_slip() -> None:
    every_group()  # loads them all
    seen = 0
    for node in set(own_nodes()):
        for binding in own_bindings(node):
            seen += 1
            assert not refusal(binding.key), (node, binding)
            if binding.action in ("quit", "ask_quit", "app.quit", "app.ask_quit"):
                assert not is_bare(binding.key), (node, binding)
    assert seen > 100


def test_each_thing_a_key_does_has_an_id_of_its_own() -> None:
    groups = {*every_group(), *key_groups()}
    meant: dict[str, str] = {}
    for key in {key for group in groups for key in group.keys}:
        place, _, name = key.id.partition(".")
        assert place.isidentifier(), key
        assert name.isidentifier(), key
        assert meant.setdefault(key.id, key.action) == key.action, key


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("f", "f"),
        ("G", "G"),
        ("shift+g", "G"),
        ("?", "question_mark"),
        ("+", "plus"),
        ("/", "slash"),
        (" ", "space"),
        ("ctrl+x", "ctrl+x"),
        ("shift+ctrl+left", "ctrl+shift+left"),
        ("f12", "f12"),
        ("question_mark", "question_mark"),
        ("é", "é"),
    ],
)
def test_a_key_as_it_is_typed_or_named(typed: str, name: str) -> None:
    assert key_of(typed) == name


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("ctrl+m", "enter"),
        ("ctrl+j", "enter"),
        ("ctrl+h", "backspace"),
        ("ctrl+i", "tab"),
        ("ctrl+[", "escape"),
        ("ctrl+b", "tmux"),
        ("ctrl+a", "screen"),
        ("hyper+x", "no such key"),
        ("ctrl+ctrl+x", "no such key"),
        ("leertaste", "no such key"),
        ("", "no such key"),
        ("\x07", "no such key"),
    ],
)
def test_what_is_no_key_to_bind(typed: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        key_of(typed)


@pytest.mark.parametrize(
    ("chosen", "problem"),
    [
        ({"note": {"reakt": ["x"]}}, "keys.note.reakt .*did you mean react?"),
        ({"notes": {"react": ["x"]}}, "keys.notes is no place; allowed: .*note"),
        ({"note": {"react": ["ctrl+j"]}}, "keys.note.react: 'ctrl\\+j': .*enter"),
        ({"note": {"react": ["t"]}}, "keys.note.react: 't' is note.repost"),
        ({"note": {"react": ["j"]}}, "keys.note.react: 'j' is list.next"),
        ({"note": {"react": ["f9"], "repost": ["f9"]}}, "'f9' is note.re"),
        ({"app": {"quit": ["x"]}}, "keys.app.quit: 'x': leaving"),
    ],
)
def test_what_is_wrong_with_own_keys_is_said(
    chosen: dict[str, dict[str, list[str]]], problem: str
) -> None:
    with pytest.raises(InvalidSettings, match=problem) as caught:
        own_keys(chosen, every_group())
    assert len(caught.value.problems) == 1


def test_keys_can_be_swapped_and_one_key_means_another_thing_elsewhere() -> None:
    chosen = {"note": {"react": ["t"], "repost": ["f"]}, "relays": {"block": ["t", "T"]}}
    assert own_keys(chosen, every_group()) == {
        "note.react": ("t",),
        "note.repost": ("f",),
        "relays.block": ("t", "T"),
    }
    assert {"app.quit", "app.ask_quit"} == LEAVING


@pytest.mark.slow
async def test_own_keys_do_it_and_are_shown(world: World) -> None:
    chosen = {"list": {"next": ["alt+n"]}, "note": {"profile": ["k", "f9"], "repost": []}}
    with pytest.raises(InvalidSettings, match=r"'k' is list\.previous"):
        own_keys(chosen, every_group())
    chosen["note"]["profile"] = ["f9"]
    world.keys = own_keys(chosen, every_group())
    await furnish(world)
    await world.watched()
    async with world.at_home((120, 30)) as (app, pilot):
        main = app.main
        assert main is not None
        await sees(app, "alt+n move")
        await sees(app, "f9 profile")
        assert "repost  " not in shown(app).splitlines()[-1]
        first = main.front.selected.entry.id
        await pilot.press("j", "t")
        assert main.front.selected.entry.id == first
        await pilot.press("alt+n")
        await until(lambda: main.front.selected.entry.id != first)
        line = app.screen.query_one(HintLine)
        place = str(line.render()).index("f9 profile")
        await pilot.click(line, offset=(place + 4, 0))  # a hint is clicked
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await pilot.press("escape", "question_mark")
        await sees(app, "  f9                 The author")
        assert "Repost" not in shown(app)
