"""Settings: what is in effect, where it comes from, and the few that are changed from here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import Any, ClassVar, Final

import msgspec
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from nostr_client.config import ClientConfig
from nostr_client.errors import NostrError
from nostr_client.paths import Paths
from nostr_client.redact import redacted
from nostr_client.safe_text import safe_line
from nostr_client.toml_file import load_toml
from nostr_client.tui.app_messages import Unfolded
from nostr_client.tui.fact_rows import FactRenderer, FactRow
from nostr_client.tui.keymap import LIST, Key, KeyGroup, with_keys
from nostr_client.tui.panes.pane import Pane, PaneContext, PaneView
from nostr_client.tui.pictures import Pictures
from nostr_client.tui.saying import Say
from nostr_client.tui.widgets.items import FixedItems
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

MOST: Final = 400
"""Characters of a value."""
_APART: Final = ("accounts", "bunker", "theme")
"""What is told in words of its own."""
KEYS: Final = KeyGroup(
    "Settings",
    (
        Key("t", "app.change_theme", "Choose the theme; it is kept", "theme"),
        Key("v", "pictures", "Pictures come by themselves, or not, until you leave", "pictures"),
        Key("m", "app.log", "What was said: the last 100 messages", "messages"),
    ),
)


def setting_rows(
    config: ClientConfig, in_file: Collection[str], paths: Paths, theme: str
) -> list[FactRow]:
    """All settings with their values, those of the file first told apart; where things lie. What is
    secret in a value is not shown."""
    another = with_keys("{settings.change_theme} chooses another, which is kept")
    rows = [
        FactRow("file", "file", safe_line(str(paths.config / "config.toml"), MOST)),
        FactRow(
            "theme",
            "theme",
            f"{safe_line(theme, 60)}  ({another})",
        ),
    ]
    rows += _values(config, in_file)
    own = len(config.accounts)
    if own:
        words = f"{own} {'account has' if own == 1 else 'accounts have'} settings of their own"
        rows.append(FactRow("accounts", "accounts", words))
    if config.bunker.relays:
        rows.append(FactRow("bunker", "bunker", _shown("relays", config.bunker.relays)))
    places = (("data", paths.data), ("state", paths.state))
    rows += [FactRow(name, name, safe_line(str(path), MOST)) for name, path in places]
    return rows


def _values(config: ClientConfig, in_file: Collection[str]) -> Iterator[FactRow]:
    for field in msgspec.structs.fields(config):
        name = field.name
        if name in _APART:
            continue
        chosen = name in in_file
        words = f"{name} = {_shown(name, getattr(config, name))}"
        where = "from the file" if chosen else ""
        tone = "list--strong" if chosen else "list--dim"
        yield FactRow(f"= {name}", "set here" if where else "default", words, tone)


def _shown(name: str, value: Any) -> str:
    """A value as the file would have it."""
    if value is None:
        return "the package's list" if name == "relays" else "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return safe_line(", ".join(map(str, value)) or "none", MOST)
    return safe_line(redacted(value) if name == "proxy" else str(value), MOST)


class SettingsList(WindowedList[FactRow]):
    """One setting a row."""

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, pictures: Pictures | None) -> None:
        super().__init__(FactRenderer(), gap=0)
        self._pictures = pictures

    def action_pictures(self) -> None:
        if self._pictures is None:
            self.post_message(Say("No files are fetched: media = false in the file."))
            return
        on = self._pictures.turn()
        words = "come by themselves" if on else "wait until they are asked for"
        self.post_message(Say(f"Pictures {words}, until you leave."))
        self.post_message(Unfolded())


class SettingsPane(PaneView):
    """The settings in effect; the file is read anew whenever the section is opened."""

    def __init__(self, context: PaneContext) -> None:
        super().__init__()
        self._config, self._paths = context.client.config, context.environment.paths
        self._rows: list[FactRow] = []
        self._foot = Static("", markup=False, classes="foot")
        self.settings = SettingsList(context.renderer.pictures)

    def compose(self) -> ComposeResult:
        yield self.settings
        yield self._foot

    @property
    def front(self) -> SettingsList:
        return self.settings

    def open(self) -> None:
        start_worker(self, self._read, "settings", exclusive=True)

    def redraw(self, *, shown: bool) -> None:
        if shown:
            self.open()

    async def _read(self) -> None:
        """A file that cannot be read now is said; what was read at the start is in effect."""
        in_file: Collection[str] = ()
        try:
            in_file = await asyncio.to_thread(load_toml, self._paths.config / "config.toml")
        except FileNotFoundError:
            self._foot.update("There is no such file: all stands as it comes.")
        except NostrError as error:
            self.post_message(Say(str(error), "error"))
        else:
            self._foot.update("The file is read when the program starts.")
        rows = setting_rows(self._config, in_file, self._paths, self.app.theme)
        if rows != self._rows:
            self._rows = rows
            self.settings.renew(FixedItems(rows, self.settings.renderer.key))


PANE: Final = Pane(
    "settings", "", "Settings: what is in effect, and why", SettingsPane, (KEYS, LIST), place=120
)
