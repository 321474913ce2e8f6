"""Keys of the person's own: what they cost with each key that is pressed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.binding import BindingsMap

from nostr_client.tui.own_keys_app import OwnKeysApp
from nostr_client.tui.widgets.windowed_list import WindowedList
from tests.tui.widgets.lists import Row, RowRenderer, Rows, tap
from tests.waiting import until

TIMES = 20


class KeyedApp(OwnKeysApp[None]):
    """A list, whose keys are chosen."""

    def __init__(self, keymap: Mapping[str, str]) -> None:
        super().__init__()
        self.rows = Rows(100)
        self.list: WindowedList[Row] = WindowedList(RowRenderer())
        self.choose_keys(keymap)

    def compose(self) -> ComposeResult:
        yield self.list

    def on_mount(self) -> None:
        super().on_mount()
        self.list.show(self.rows)
        self.list.focus()


async def test_own_keys_are_looked_up_when_a_widget_is_put_in_and_not_with_each_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counted, not timed: a key is as much work with a hundred keys of one's own as with none."""
    asked: Counter[str] = Counter()

    def count(of: type[Any], name: str) -> None:
        real = getattr(of, name)

        def counted(*args: Any, **named: Any) -> Any:
            asked[name] += 1
            return real(*args, **named)

        monkeypatch.setattr(of, name, counted)

    count(BindingsMap, "apply_keymap")
    count(KeyedApp, "_check_action_state")
    many: dict[str, str] = {f"other.{n}": f"f{n}" for n in range(100)}
    own_keys = {"list.next": "n", "list.previous": "removed:list.previous", **many}
    work = []
    none: dict[str, str] = {}
    for key, keymap in (("j", none), ("n", own_keys)):
        app = KeyedApp(keymap)
        async with app.run_test() as pilot:
            await until(lambda: app.list.has_focus and app.list.selected is not None)  # noqa: B023
            asked.clear()
            assert all(app.list.move_by_key(key) for _ in range(TIMES))
            assert app.list.selected is not None
            assert app.list.selected.number == app.rows.top - TIMES, key
            work.append(dict(asked))
            await tap(pilot, key)
            assert app.list.selected.number == app.rows.top - TIMES - 1
            assert app.list.move_by_key("k") is not bool(keymap), "what was removed has no key"
    bare, own = work
    assert "apply_keymap" not in own, "what was chosen is not looked up again"
    assert own["_check_action_state"] <= bare["_check_action_state"], own
