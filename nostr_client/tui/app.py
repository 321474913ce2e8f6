"""The app: which screen follows which, and what the person's wishes set going.

It owns no state of the network: the engine's client does, and screens are handed that. Leaving in
any way, also by SIGTERM and SIGHUP, keeps what is being written and gives the terminal back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, ClassVar, TypeVar

import msgspec
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.driver import Driver
from textual.filter import LineFilter, Monochrome, NoColor
from textual.screen import ModalScreen, Screen
from textual.theme import Theme
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import StoreError
from nostr_client.routing.authentication import Authenticator
from nostr_client.safe_text import safe_line
from nostr_client.tui import session_lock, themes
from nostr_client.tui.account_session import AccountSession
from nostr_client.tui.actions import Actions
from nostr_client.tui.app_messages import (
    ActRequest,
    Open,
    OpenCopies,
    OpenPicture,
    UseAccount,
    Write,
    WriteOn,
)
from nostr_client.tui.client_holder import ClientHolder
from nostr_client.tui.command_flow import CommandFlow
from nostr_client.tui.command_palette import Commands
from nostr_client.tui.composer import Composer
from nostr_client.tui.environment import Environment
from nostr_client.tui.glyphs import ascii_filter, choose_glyphs
from nostr_client.tui.held_acts import HeldAct
from nostr_client.tui.input_queue import InputQueue
from nostr_client.tui.keymap import bind_own
from nostr_client.tui.navigation import Navigation
from nostr_client.tui.news import News
from nostr_client.tui.own_command_flow import OwnCommandFlow
from nostr_client.tui.own_commands import key_group
from nostr_client.tui.own_keys import textual_keymap
from nostr_client.tui.own_keys_app import OwnKeysApp
from nostr_client.tui.panes.registry import EVERYWHERE
from nostr_client.tui.posix_signals import tolerant_driver
from nostr_client.tui.preferences import load_preferences, save_theme
from nostr_client.tui.saying import Say
from nostr_client.tui.screens.auth import AuthQuestionDialog
from nostr_client.tui.screens.backup import BackupScreen
from nostr_client.tui.screens.bunker import VisitDialog
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.copies import CopiesScreen
from nostr_client.tui.screens.dialogs import QuitDialog
from nostr_client.tui.screens.find import FindScreen
from nostr_client.tui.screens.help import HelpScreen, groups_here
from nostr_client.tui.screens.jump import JumpScreen, jump_places
from nostr_client.tui.screens.log import LogScreen
from nostr_client.tui.screens.main import WIDE, MainScreen
from nostr_client.tui.screens.note_compose import Purpose
from nostr_client.tui.screens.picture import PictureScreen
from nostr_client.tui.screens.secret import SecretScreen
from nostr_client.tui.screens.sent import SentScreen
from nostr_client.tui.screens.survival import SurvivalScreen
from nostr_client.tui.screens.target_screen import TargetScreen
from nostr_client.tui.targets import SectionTarget, Target, WebTarget
from nostr_client.tui.web_browser import open_page
from nostr_client.tui.widgets.send_progress import Sending
from nostr_client.tui.workers import GONE, Work, start_worker

T = TypeVar("T")
log = logging.getLogger(__name__)

NO_COLOR = NoColor()
"""One: lines remember what a filter made of them."""
INPUT = (events.InputEvent, events.Paste)


class NostrApp(OwnKeysApp[int]):
    """The terminal client. `demo`: begin as a guest of the demo's community."""

    TITLE = "nostr-client"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = EVERYWHERE.bindings()
    COMMANDS: ClassVar[set[Any]] = {Commands}

    def __init__(
        self, environment: Environment, holder: ClientHolder, *, demo: bool = False
    ) -> None:
        super().__init__()
        bind_own(environment.keys)
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-low"), (16, "-high")]
        self._environment = environment
        choose_glyphs(environment.config.glyphs)
        self._ascii = ascii_filter()
        self.input_queue = InputQueue(self)
        self.news = News(self)
        self._composer = Composer(self)
        self._navigation = Navigation(self, self._cannot_open)
        self._session = AccountSession(
            self,
            self,
            environment,
            holder,
            composer=self._composer,
            navigation=self._navigation,
            news=self.news,
            write=self._compose,
            demo=demo,
        )
        self._own_commands = OwnCommandFlow(self, self, environment.commands)
        self._command_flow = CommandFlow(self, self, self._client, self._own_commands.named)
        accounts = environment.accounts
        accounts.bunkers = msgspec.structs.replace(accounts.bunkers, on_auth_url=self._on_auth_url)
        for theme in themes.OWN:
            self.register_theme(theme)
        holder.on_failure = lambda error: self.say(f"The engine stopped: {error}", "error")

    def compose(self) -> ComposeResult:
        yield Static("Opening …", markup=False, id="opening")

    def on_mount(self) -> None:
        self._outside = copy_context()  # of no screen
        self._own_commands.bind()
        self.choose_keys(textual_keymap(self._environment.keys))
        self.news.begin()
        self.start(self.input_queue.run, "input")
        chosen = (
            load_preferences(self._environment.paths).theme or self._environment.config.theme or ""
        )
        self.theme = chosen if chosen in self.available_themes else themes.DEFAULT
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.set_interval(session_lock.LOOK_EVERY, self._session.lock_if_due)
        self.start(self._session.begin, "enter")

    async def on_event(self, event: events.Event) -> None:
        """Keys and pastes wait for their turn; nothing else does. Who comes after the time in which
        the account locks has to unlock it: what they typed or clicked does nothing."""
        if isinstance(event, INPUT) and not event.is_forwarded:
            if self._session.lock_if_due():
                return
            self._session.idle.touch()
            if isinstance(event, events.Key):
                self.news.key()
        if not self.input_queue.holds(event):
            await super().on_event(event)

    @property
    def idle_seconds(self) -> float:
        """Since the last key or click."""
        return self._session.idle.seconds

    def get_driver_class(self) -> type[Driver]:
        return tolerant_driver(super().get_driver_class())

    def get_line_filters(self) -> Sequence[LineFilter]:
        """With NO_COLOR no colour at all, and not shades of grey as Textual would have it; ASCII
        alone where the terminal has no more, or it is wanted."""
        filters = super().get_line_filters()
        shown = [NO_COLOR if isinstance(one, Monochrome) else one for one in filters]
        return shown if self._ascii is None else [*shown, self._ascii]

    def export_screenshot(self, *, title: str | None = None, simplify: bool = False) -> str:
        """A picture of the screen; an empty one while a secret key is shown."""
        if any(isinstance(each, SecretScreen) and each.is_shown for each in self.screen_stack):
            return '<svg xmlns="http://www.w3.org/2000/svg"/>'
        return super().export_screenshot(title=title, simplify=simplify)

    # Speaking

    def say(self, text: str, severity: str = "information") -> None:
        """A short word, shown as it is: text from anywhere may be in it."""
        self.news.say(text, severity)

    def follow(self, sending: Sending) -> None:
        """Show how a note goes on its way, in the one line, until it has arrived."""
        self.news.follow(sending)

    def on_say(self, message: Say) -> None:
        self.say(message.text, message.severity)

    async def show_only(self, words: str) -> None:
        """Show nothing but these words."""
        while len(self.screen_stack) > 1:
            await self.pop_screen()
        self.screen.query_one("#opening", Static).update(words)

    async def ask(self, screen: Screen[T]) -> T | None:
        return await self.push_screen_wait(screen)

    def start(self, work: Work, group: str) -> None:
        """Run work off the keys' path; an error of ours is said and ends nothing else."""
        # A task that is begun on a screen would hold that screen, and all it shows, to its own end.
        self._outside.copy().run(start_worker, self, work, group)

    def _on_auth_url(self, address: str) -> None:
        """A bunker wants its person to go there: from whichever task it is heard."""
        self.call_later(self.push_screen, VisitDialog(address))

    def _theme_changed(self, theme: Theme) -> None:
        async def keep() -> None:
            try:
                await asyncio.to_thread(save_theme, self._environment.paths, theme.name)
            except StoreError as error:
                self.say(f"The theme is not kept: {error}", "warning")

        self.start(keep, "theme")

    # The account

    @property
    def main(self) -> MainScreen | None:
        """The main screen, if an account is open."""
        return self._session.main

    def on_add_account(self) -> None:
        self.start(self._session.add_account, "enter")

    def on_use_account(self, message: UseAccount) -> None:
        self.start(partial(self._session.switch_to, message.account), "enter")

    def action_lock(self) -> None:
        """Lock the account, or ask for its key again."""
        self._session.toggle_lock()

    # Going about

    def open(self, target: Target) -> None:
        """Show what `target` points at; the wide main screen shows a note beside its list."""
        self.screen.post_message(Open(target))

    def on_open(self, message: Open) -> None:
        if isinstance(message.target, WebTarget):
            self.start(partial(self._open_page, message.target), "page")
        else:
            self._navigation.open(message.target)

    async def _open_page(self, target: WebTarget) -> None:
        if self.is_web:
            self.open_url(target.url)
        elif await open_page(target):
            self.say(f"Your browser opens {target.url}")
        else:
            self.copy_to_clipboard(target.url)
            self.say(f"There is no browser here, so this is copied: {target.url}")

    def name_of(self, pubkey: str) -> str:
        """How a person is called here, short and safe."""
        return self.main.names.label(pubkey) if self.main is not None else pubkey[:8]

    def _cannot_open(self, target: Target) -> None:
        self.say("This cannot be shown here.", "warning")

    def action_section(self, name: str) -> None:
        """To a section, from wherever one is."""
        self._navigation.open(SectionTarget(name))

    def action_find(self) -> None:
        """Find anything that can be pointed at, and open it."""
        main = self.main
        if main is None or isinstance(self.screen, FindScreen):
            return

        async def find() -> None:
            typed = main.client.search.kept.typed
            target = await self.ask(FindScreen(main.client, typed, main.pictures.avatars))
            if target is not None:
                self.open(target)

        self.start(find, "find")

    def action_history(self, by: int) -> None:
        """Back (-1) or forward (1)."""
        self._navigation.step(by)

    async def action_back(self) -> None:
        """One step back, and from the main screen's detail to its list."""
        if self.main is not None and self.screen is self.main:
            self.main.front.focus()
        else:
            self._navigation.leave()

    def _client(self) -> NostrClient | None:
        return self.main.client if self.main is not None else None

    def action_command_line(self) -> None:
        """Ask for the name of what is to be done."""
        self.start(self._command_flow.ask, "command")

    def action_jump(self) -> None:
        """Put letters at whatever can be gone to, and go where they are typed."""
        places = jump_places(self.screen, self.name_of) if self.main is not None else []
        if places and not isinstance(self.screen, ModalScreen):
            self.push_screen(JumpScreen(places), lambda place: place and place.go())

    def action_own_command(self, name: str) -> None:
        """Run a program of the person's own."""
        if self.main is not None:
            self._own_commands.run(name)

    def action_help(self) -> None:
        if isinstance(self.screen, HelpScreen):
            return
        own = key_group(self._environment.commands)
        here = [*groups_here(self.screen), *([own] if own.keys else [])]
        self.push_screen(HelpScreen(here, self.main.own_relay if self.main is not None else ""))

    def on_open_copies(self, message: OpenCopies) -> None:
        if self.main is not None:
            self.push_screen(CopiesScreen(self.main.client, message.note))

    def on_open_picture(self, message: OpenPicture) -> None:
        if self.main is not None:
            graphics = self._environment.graphics
            self.push_screen(PictureScreen(self.main.client, message.note, graphics))

    def on_make_backup(self) -> None:
        main, account = self.main, self._session.account
        if main is None or account is None:
            return

        async def make() -> None:
            accounts = self._environment.accounts
            if made := await self.ask(BackupScreen(main.client, accounts, account)):
                self.say(made)
            if isinstance(self.screen, SurvivalScreen):
                await self.screen.show()

        self.start(make, "backup")

    def action_sent(self) -> None:
        """What each relay answered to the note that was sent last."""
        if self.main is None or isinstance(self.screen, ModalScreen):
            return
        if self.news.sending is None:
            self.say("Nothing was sent since the start.")
        else:
            self.push_screen(SentScreen(self.main.client, self.news.sending))

    def action_log(self) -> None:
        """What was said."""
        if not isinstance(self.screen, ModalScreen):
            self.push_screen(LogScreen(tuple(self.news.log.kept)))

    def action_survival(self) -> None:
        """What the account would survive."""
        account = self._session.account
        if self.main is None or account is None or isinstance(self.screen, SurvivalScreen):
            return
        label = safe_line(account.label, 40)
        self.push_screen(SurvivalScreen(self.main.client, label))

    def action_auth_question(self) -> None:
        """A relay wants to know who asks (NIP-42): answer it."""
        main = self.main
        if main is None or main.client.authenticator is None:
            return
        self.start(partial(self._answer_auth, main, main.client.authenticator), "auth")

    async def _answer_auth(self, main: MainScreen, authenticator: Authenticator) -> None:
        question = authenticator.questions.current
        if question is None or isinstance(self.screen, ModalScreen):
            return
        account = self._session.account
        label = account.label if account is not None else ""
        dialog = AuthQuestionDialog(authenticator, question, label, main.names.label)
        answer = await self.ask(dialog)
        if answer is not None and authenticator.questions.current is question:
            await authenticator.answer(question.url, answer.allowed, lasting=answer.lasting)

    # Acting

    def on_act_request(self, message: ActRequest) -> None:
        account = self._session.account
        watched = account is not None and not account.can_sign
        free = not message.signs or (watched and message.watched_too)
        if self.main is not None and (free or self._session.may_write(message)):
            self.start(partial(self._perform, message, self.main), "action")

    async def _perform(self, message: ActRequest, main: MainScreen) -> None:
        screen = self.screen
        await message.action(Actions(main.client, self))
        if isinstance(screen, TargetScreen) and screen.is_attached:
            await screen.refresh_target()

    async def hold(self, act: HeldAct) -> None:
        """Do an act once it was not taken back for a moment."""
        await self._session.hold(act)

    def action_take_back(self) -> None:
        """Take back what was held last."""
        self._session.take_back()

    def action_write(self) -> None:
        self.post_message(Write())

    def on_write(self, message: Write) -> None:
        if self._session.may_write(message):
            self._compose(Purpose.of(message.reply_to, message.quote))

    def on_write_on(self, message: WriteOn) -> None:
        if self._session.may_write(message) and self.main is not None:
            self.start(partial(self._write_on, message, self.main), "action")

    async def _write_on(self, message: WriteOn, main: MainScreen) -> None:
        self._compose(
            await Purpose.again(main.client, message.reply_to, message.quote, message.text)
        )

    def _compose(self, purpose: Purpose) -> None:
        if self.main is not None and not isinstance(self.screen, ComposeScreen):
            self.push_screen(self._composer.screen(self.main, purpose))

    # Leaving

    async def action_quit(self) -> None:
        """Leave; what is being written is kept."""
        await self.leave(0)

    def action_ask_quit(self) -> None:
        """Leave if that is meant: ctrl+c copies in a field, and is pressed by mistake in a list."""

        async def ask() -> None:
            if await self.ask(QuitDialog()):
                await self.leave(0)

        self.start(ask, "quit")

    def _handle_exception(self, error: Exception) -> None:
        """While everything is taken down, a screen that is put up finds no widgets in it, and a key
        no screen: that is no error, and nothing that the person is told of."""
        too_late = isinstance(error, GONE)
        if too_late and (self._exit or not self.is_running):
            log.debug("it came too late", exc_info=error)
            return
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """An error that nobody expected: Textual would print every local variable, keys too."""
        if self._exit_renderables:
            return
        log.critical("the terminal client stopped", exc_info=self._exception)
        kind = type(self._exception).__name__
        words = f"nostr-client stopped because of an error in it ({kind}). Drafts are kept."
        self.panic(Text(words))

    def exit_on_signal(self, number: int) -> None:
        """A signal came: end as soon as may be, with the code that shells expect."""
        self.call_later(self.leave, 128 + number)

    async def on_exit_app(self) -> None:
        """The end, however it was asked for: a driver may do it unasked, as for a tab that is
        closed in a browser."""
        if not self._exit:
            await self._session.keep_drafts()
            await self._session.finish_held()

    async def leave(self, code: int) -> None:
        """End with an exit code, after putting every open draft on disk."""
        problem = await self._session.keep_drafts()
        if problem and code == 0:
            self.say(f"The draft is not kept, so we stay: {problem}", "error")
            return
        await self._session.finish_held()
        await self._session.keep_place()
        self.exit(code, return_code=code)
