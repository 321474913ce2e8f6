"""Keys: no default that a terminal cannot tell or keeps for itself; the person's own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

from nostr_client import tui
from nostr_client.settings import InvalidSettings
from nostr_client.tui import app as app_module
from nostr_client.tui.keymap import Key, KeyGroup, bind_own, hints, keyed, with_keys
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
from nostr_client.tui.screens.dialogs import ConfirmDialog
from nostr_client.tui.screens.profile import ProfileScreen
from nostr_client.tui.targets import PersonTarget
from nostr_client.tui.widgets.hint_line import HintLine
from tests.tui.world import World, furnish, sees, shown, told, until

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


def test_each_binding_of_ours_has_an_id_by_which_it_is_changed() -> None:
    groups = {key.id for group in (*every_group(), *key_groups()) for key in group.keys}
    for node in set(own_nodes()):
        for binding in own_bindings(node):
            assert binding.id in groups, (node, binding)


def test_keys_are_named_in_words_by_their_ids_and_never_as_they_are_by_default() -> None:
    """What the code says to people: `with_keys("{app.find} finds")`, not `/ finds`."""
    ids = {key.id for group in (*every_group(), *key_groups()) for key in group.keys}
    named = re.compile(r"\b(ctrl\+[a-z]|esc|enter)\b|(?<![\w{%'’./…-])[b-zB-HJ-Z/?!>] [a-z]+s\b")
    seen = 0
    for path in sorted(Path(tui.__file__).parent.rglob("*.py")):
        for text in strings_for_people(ast.parse(path.read_text())):
            for id in re.findall(r"\{(\w+\.\w+)\}", text):
                seen += 1
                assert id in ids, (path, text)
            if " " in text:
                assert not named.search(text), (path, text)
    assert seen > 50


def strings_for_people(tree: ast.AST) -> Iterator[str]:
    """Strings of a module that are no documentation."""
    expressions = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and node not in expressions:
            yield node.value if isinstance(node.value, str) else ""


def test_words_say_the_keys_that_there_are() -> None:
    def within() -> tuple[str, ...]:
        bind_own({"app.find": ("f9", "slash"), "app.take_back": (), "list.choose": ("space",)})
        said = with_keys("{app.find} finds, {app.take_back} takes back, {list.choose} opens")
        return said, *(key for key, _ in keyed(("app.take_back", ""), ("app.find", ""), ("up", "")))

    assert copy_context().run(within) == (
        "f9 finds, :take_back takes back, space opens",
        "f9",
        "up",
    )
    assert with_keys("{app.find} finds {x} {") == "/ finds {x} {"
    with pytest.raises(KeyError):
        with_keys("{app.nothing} does it")


def test_a_hint_names_a_key_that_nothing_nearer_has() -> None:
    near = KeyGroup("Near", (Key("c,n", "a", "A", "near"), Key("x", "b", "B")), "near_test")
    far = KeyGroup("Far", (Key("c", "c", "C", "far"), Key("x,y", "d", "D", "further")), "far_test")
    assert hints(near, far) == (("c", "near"), ("y", "further"))


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


@pytest.mark.slow
async def test_a_card_has_the_keys_that_were_chosen_and_names_them(world: World) -> None:
    chosen = {"question": {"yes": ["o"], "no": ["f8"]}, "app": {"take_back": ["f9"]}}
    world.keys = own_keys(chosen, every_group())
    await furnish(world)
    await world.account()
    async with world.at_home() as (app, pilot):
        app.open(PersonTarget(world.pubkey("ana")))
        await sees(app, "this is you")
        assert "F follow" not in shown(app), "nobody follows themselves"
        app.open(PersonTarget(world.pubkey("ben")))
        await sees(app, "F follow")
        await pilot.press("F")
        await sees(app, "o unfollow   f8 no")
        await pilot.press("y", "n", "escape")
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("f8")
        await until(lambda: isinstance(app.screen, ProfileScreen))
        await until(lambda: app.focused is not None and app.focused.selected is not None)
        await pilot.press("f")
        await told(app, "f9 takes it back")
