"""A list of a hundred thousand items: what is drawn, read, held and kept in place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual import events
from textual.pilot import Pilot

from nostr_client.errors import StoreError
from nostr_client.tui.widgets.items import FixedItems, ItemPage
from nostr_client.tui.widgets.pager import MOST_HELD, PAGE, PagePosition
from tests.tui.widgets.lists import ListApp, Row, Rows, row, tap

NARROW = (80, 24)


@asynccontextmanager
async def running(
    rows: Rows, size: tuple[int, int] = NARROW
) -> AsyncIterator[tuple[ListApp, Pilot[None]]]:
    app = ListApp(rows)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield app, pilot


def selected(app: ListApp) -> int:
    item = app.list.selected
    assert item is not None
    return item.number


async def test_the_work_does_not_grow_with_the_list() -> None:
    """Counted, not timed: as much is read and drawn for 100,000 items as for 1,000."""
    work = []
    for count in (1_000, 100_000):
        rows = Rows(count)
        async with running(rows) as (app, pilot):
            await tap(pilot, "j", 60)
            await tap(pilot, "pagedown", 10)
            await pilot.pause()
            work.append((rows.read, sum(app.renderer.laid_out.values())))
            assert len(app.list.items) <= MOST_HELD
    assert work[0] == work[1]


async def test_only_what_is_visible_is_painted() -> None:
    async with running(Rows(100_000)) as (app, pilot):
        app.renderer.laid_out.clear()
        painted = app.list._cache._strips
        painted.clear()
        app.list.refresh()
        await pilot.pause()
        assert 0 < len(painted) <= len(app.list.in_view)
        assert not app.renderer.laid_out, "moving about lays nothing out again"


async def test_a_key_lays_out_at_most_one_page() -> None:
    async with running(Rows(100_000)) as (app, pilot):
        for _ in range(80):
            before = sum(app.renderer.laid_out.values())
            await tap(pilot, "j")
            assert sum(app.renderer.laid_out.values()) - before <= PAGE


async def test_a_page_is_laid_out_before_it_is_put_in_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In turns with the keys: what puts it there has nothing left to lay out."""
    async with running(Rows(5_000)) as (app, pilot):
        take, late = app.list._take, list[int]()

        def taken(position: PagePosition, page: ItemPage[Row]) -> None:
            before = sum(app.renderer.laid_out.values())
            take(position, page)
            late.append(sum(app.renderer.laid_out.values()) - before)

        monkeypatch.setattr(app.list, "_take", taken)
        await tap(pilot, "pagedown", 20)
        await pilot.pause()
        assert late
        assert not any(late)


async def test_the_focus_costs_a_list_no_layout_and_no_styles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(Rows(5_000)) as (app, pilot):
        app.renderer.laid_out.clear()
        styled: list[object] = []
        monkeypatch.setattr(app, "update_styles", lambda node, animate=True: styled.append(node))
        app.screen.set_focus(None)
        await pilot.pause()
        assert not app.list.has_focus
        app.list.focus()
        await pilot.pause()
        assert app.list.has_focus
        assert not app.renderer.laid_out
        assert app.list not in styled


async def test_a_new_state_lays_out_only_what_is_near() -> None:
    """The rest comes in turns with the keys, and all of it is there."""
    rows = FixedItems([row(number) for number in range(400, 0, -1)], lambda item: str(item.number))
    async with running(Rows(10)) as (app, pilot):
        app.renderer.laid_out.clear()
        app.list.renew(rows, select="200", around=20)
        assert len(app.renderer.laid_out) == 40
        await tap(pilot, "j", 100)
        assert selected(app) == 100


async def test_a_new_state_without_what_was_in_view_is_not_blank() -> None:
    """As of a list of which most was thrown away, or is not what is sought."""

    def state(*numbers: int) -> FixedItems[Row]:
        return FixedItems([row(number) for number in numbers], lambda item: str(item.number))

    async with running(Rows(10)) as (app, pilot):
        app.list.renew(state(*range(400, 0, -1)))
        await tap(pilot, "G")
        app.list.renew(state(1_000, 999, 998))
        await pilot.pause()
        assert [item.number for item in app.list.in_view] == [1_000, 999, 998]
        assert selected(app) == 1_000
        app.list.renew(state(*range(400, 0, -1)))
        await tap(pilot, "G")
        app.list.renew(state(*range(900, 500, -1), 1))
        await pilot.pause()
        assert selected(app) == 1, "the cursor stays on what is there still"
        assert app.list.selected in app.list.in_view


async def test_down_and_up_again() -> None:
    async with running(Rows(5_000)) as (app, pilot):
        await tap(pilot, "pagedown", 80)
        deep = selected(app)
        assert deep < 5_000 - MOST_HELD, "the top was dropped and must be read again"
        assert len(app.list.items) <= MOST_HELD
        for _ in range(400):
            await tap(pilot, "pageup")
            if selected(app) == 5_000:
                break
        assert selected(app) == 5_000
        assert app.screen_lines()[0].startswith("▌ row 5000 line 0")
        assert app.rows.asked["before"] > 0


async def test_every_item_is_passed_once_in_order() -> None:
    async with running(Rows(250)) as (app, pilot):
        seen = [selected(app)]
        while seen[-1] > 1:
            await tap(pilot, "j")
            if selected(app) != seen[-1]:
                seen.append(selected(app))
        assert seen == list(range(250, 0, -1))
        for number in range(2, 251):
            await tap(pilot, "k")
            assert selected(app) == number


async def test_the_very_end_and_the_top() -> None:
    async with running(Rows(100_000)) as (app, pilot):
        await pilot.press("G")
        await pilot.pause()
        assert selected(app) == 1
        assert app.rows.read < 10 * PAGE
        assert any(line.startswith("▌ row 1 line 0") for line in app.screen_lines())
        await pilot.press("g")
        await pilot.pause()
        assert selected(app) == 100_000


async def test_arrivals_do_not_move_what_is_read() -> None:
    async with running(Rows(3_000)) as (app, pilot):
        await pilot.press("pagedown", "j")
        before, chosen = app.screen_lines(), selected(app)
        for number in range(3_001, 3_008):
            app.list.arrive([row(number)])
            await pilot.pause()
            assert app.screen_lines() == before
        assert selected(app) == chosen
        assert app.list.unseen == 7
        app.rows.top = 3_007
        await pilot.press("g")
        await pilot.pause()
        assert selected(app) == 3_007
        assert app.list.unseen == 0


async def test_at_the_top_they_wait_as_well() -> None:
    async with running(Rows(3_000)) as (app, pilot):
        before = app.screen_lines()
        app.list.arrive([row(3_001), row(3_003), row(3_002)])
        await pilot.pause()
        assert app.screen_lines() == before
        assert app.list.unseen == 3
        await pilot.press("k")
        assert selected(app) == 3_001
        assert app.list.unseen == 2
        await pilot.press("k", "k")
        assert selected(app) == 3_003
        assert app.list.unseen == 0


async def test_what_belongs_between_visible_items_is_held_until_they_are_passed() -> None:
    rows = Rows(300)
    async with running(rows) as (app, pilot):
        late = Row(297, 3, "late")
        app.list.show(FixedItems([row(n) for n in range(300, 0, -1) if n != 297], app.renderer.key))
        await pilot.pause()
        before = app.screen_lines()
        app.list.arrive([late])
        await pilot.pause()
        assert app.screen_lines() == before
        await tap(pilot, "pagedown", 4)
        assert late in app.list.items
        await tap(pilot, "pageup", 4)
        assert any("late line 0" in line for line in app.screen_lines())


async def test_a_resize_keeps_selection_and_place() -> None:
    async with running(Rows(2_000)) as (app, pilot):
        await tap(pilot, "pagedown", 5)
        await tap(pilot, "j")
        chosen = selected(app)
        top = app.list.in_view[0].number
        await pilot.resize_terminal(120, 40)
        await pilot.pause()
        assert selected(app) == chosen
        assert app.list.in_view[0].number == top
        assert "of 117" in app.screen_lines()[1]
        await pilot.resize_terminal(60, 20)
        await pilot.pause()
        assert selected(app) == chosen
        assert app.list.in_view[0].number == top


async def test_a_tall_item_is_read_to_its_end() -> None:
    async with running(Rows(10)) as (app, pilot):
        app.list.show(FixedItems([Row(2, 60), Row(1, 2)], app.renderer.key))
        await pilot.pause()
        assert selected(app) == 2
        await pilot.press("j", "j")
        assert selected(app) == 2
        assert app.list.scroll_offset.y > 0
        await pilot.press("j", "j")
        assert selected(app) == 1
        await pilot.press("k")
        assert selected(app) == 2
        assert any("line 59" in line for line in app.screen_lines()), "from below, its end first"


async def test_mouse() -> None:
    async with running(Rows(500)) as (app, pilot):
        target = app.list.in_view[3]
        line = next(
            y for y, text in enumerate(app.screen_lines()) if f"row {target.number} " in text
        )
        await pilot.click("#list", offset=(10, line))
        assert selected(app) == target.number
        assert app.said == []
        await pilot.click("#list", offset=(10, line))
        assert app.said == [target]
        top = app.list.scroll_offset.y
        for _ in range(5):
            await pilot._post_mouse_events([events.MouseScrollDown], "#list", offset=(5, 5))
        assert app.list.scroll_offset.y > top
        assert selected(app) == target.number, "the wheel moves the view, not the selection"


async def test_an_update_above_the_view_moves_nothing() -> None:
    async with running(Rows(400)) as (app, pilot):
        await pilot.press("pagedown", "pagedown")
        before = app.screen_lines()
        app.list.update(Row(400, 9, "grown"))
        await pilot.pause()
        assert app.screen_lines() == before
        await tap(pilot, "pageup", 4)
        assert any("grown line 8" in line for line in app.screen_lines())


async def test_renew_keeps_the_place() -> None:
    async with running(Rows(10)) as (app, pilot):
        rows = [row(n) for n in range(200, 0, -1)]
        app.list.show(FixedItems(rows, app.renderer.key))
        await pilot.pause()
        await tap(pilot, "pagedown", 3)
        before, chosen = app.screen_lines(), selected(app)
        app.list.renew(FixedItems([row(201), *rows], app.renderer.key))
        await pilot.pause()
        assert app.screen_lines() == before
        assert selected(app) == chosen


class _Broken(Rows):
    async def after(self, item: Row, limit: int) -> ItemPage[Row]:
        raise StoreError("the disk is gone")


async def test_a_source_that_fails_is_said_once() -> None:
    said = []

    class App(ListApp):
        def on_windowed_list_failed(self, message: object) -> None:
            said.append(message)

    app = App(_Broken(500))
    async with app.run_test(size=NARROW) as pilot:
        await pilot.pause()
        await tap(pilot, "pagedown", 20)
        assert len(said) == 1
        assert selected(app) == 441, "what was read can still be read"


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_short_lists(count: int) -> None:
    async with running(Rows(count)) as (app, pilot):
        await pilot.press("j", "k", "G", "g", "pagedown", "pageup", "enter")
        assert len(app.list.items) == count
        assert len(app.said) == min(count, 1)
