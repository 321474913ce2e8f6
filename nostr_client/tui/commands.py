"""Everything one can do by its name: at the `:` line, in the palette (ctrl+p).

First what the widget that has the focus can do, then what works everywhere, the sections, and what
takes an argument. Made anew each time that somebody asks: what is offered is what works.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from textual.app import App
from textual.screen import Screen

from nostr_client.tui.acts.act import AccountAct
from nostr_client.tui.acts.registry import ACTS
from nostr_client.tui.keymap import Key, key_name, with_keys
from nostr_client.tui.own_keys import REMOVED
from nostr_client.tui.panes.registry import EVERYWHERE, PANES

if TYPE_CHECKING:
    from textual.binding import ActiveBinding

LEFT_OUT: Final = frozenset(
    {"app.command_line", "app.palette", "app.back", "app.focus_next", "app.ask_quit"}
)
"""What nobody means by a name."""


@dataclass(frozen=True)
class NamedCommand:
    """One thing to do: its name at the `:` line, what it does, and how it is done with what follows
    the name. `argument` says what may follow, `values` offers some; `keys` are those that do it."""

    name: str
    says: str
    run: Callable[[str], Awaitable[object] | object]
    keys: str = ""
    argument: str = ""
    values: Callable[[], Sequence[str]] = tuple


def of_focus(app: App[Any], screen: Screen[Any]) -> Iterator[NamedCommand]:
    """What the focused widget of a screen does, and those around it, the screen's last."""
    bound: dict[str, list[ActiveBinding]] = {}
    keys: dict[str, list[str]] = {}
    for key, active in screen.active_bindings.items():
        id = active.binding.id
        if id and active.node is not app and not id.startswith("list."):
            bound.setdefault(id, []).append(active)
            keys.setdefault(id, []).append(key)
    for id, (active, *_) in bound.items():
        shown = " ".join(key_name(key) for key in keys[id] if not key.startswith(REMOVED))
        run = _runner(app, active.binding.action, active.node)
        yield NamedCommand(id.partition(".")[2], with_keys(active.binding.description), run, shown)


def everywhere(app: App[Any]) -> Iterator[NamedCommand]:
    """What works everywhere, in the keymap's order, and sections without a key."""
    sections = (Key("", pane.action, pane.says, name=pane.name) for pane in PANES if not pane.key)
    for key in (*EVERYWHERE.keys, *sections):
        if key.id not in LEFT_OUT:
            name = key.id.partition(".")[2]
            keys = key.shown if key.keys else ""
            yield NamedCommand(name, with_keys(key.says), _runner(app, key.action, app), keys)
    for act in ACTS:
        if isinstance(act, AccountAct):
            yield NamedCommand(act.id, act.says, _asker(app, act))


def by_name(commands: Iterable[NamedCommand]) -> list[NamedCommand]:
    """One for each name: what is nearer to the focus comes first, and has it."""
    found: dict[str, NamedCommand] = {}
    for each in commands:
        found.setdefault(each.name, each)
    return list(found.values())


def matching(commands: Sequence[NamedCommand], typed: str) -> list[NamedCommand]:
    """Those whose names begin so, then those that hold it in their name."""
    begin = [each for each in commands if each.name.startswith(typed)]
    return begin + [each for each in commands if typed in each.name and each not in begin]


def meant(commands: Sequence[NamedCommand], typed: str) -> NamedCommand | None:
    """The one that a name means: the name itself, or its beginning, if it is only one's."""
    begin = [each for each in commands if typed and each.name.startswith(typed)]
    exact = next((each for each in begin if each.name == typed), None)
    return begin[0] if exact is None and len(begin) == 1 else exact


def _asker(app: App[Any], act: AccountAct) -> Callable[[str], object]:
    return lambda argument: app.post_message(act.on(None))


def _runner(app: App[Any], action: str, node: Any) -> Callable[[str], Awaitable[object]]:
    return lambda argument: app.run_action(action, node)
