"""The app: which screen follows which, and what the person's wishes set going.

It owns no state of the network: the engine's client does, and screens are handed that. Leaving in
any way, also by SIGTERM and SIGHUP, keeps what is being written and gives the terminal back.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, ClassVar, TypeVar

import msgspec
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.css.query import NoMatches
from textual.driver import Driver
from textual.filter import LineFilter, Monochrome, NoColor
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.theme import Theme
from textual.widgets import Static

from nostr_client.accounts.account import Account
from nostr_client.accounts.keyfiles import Protection
from nostr_client.client import NostrClient
from nostr_client.errors import NostrError, StoreError
from nostr_client.routing.authentication import Authenticator
from nostr_client.safe_text import safe_line, safe_text
from nostr_client.tui import session_lock, themes
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.registry import ACT_BY_ID
from nostr_client.tui.app_messages import (
    ActRequest,
    AddAccount,
    Open,
    OpenCopies,
    OpenPicture,
    Say,
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
from nostr_client.tui.held_acts import HOLD, HeldAct, HeldActs
from nostr_client.tui.input_queue import InputQueue
from nostr_client.tui.keymap import bind_own
from nostr_client.tui.login_flow import LoggedIn, LoginFlow
from nostr_client.tui.navigation import Navigation
from nostr_client.tui.news import News
from nostr_client.tui.own_command_flow import OwnCommandFlow
from nostr_client.tui.own_commands import key_group
from nostr_client.tui.own_keys import textual_keymap
from nostr_client.tui.panes.registry import EVERYWHERE, PANES
from nostr_client.tui.posix_signals import tolerant_driver
from nostr_client.tui.preferences import load_preferences, save_theme
from nostr_client.tui.screens.auth import AuthQuestionDialog
from nostr_client.tui.screens.backup import BackupScreen
from nostr_client.tui.screens.bunker import VisitDialog
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.copies import CopiesScreen
from nostr_client.tui.screens.dialogs import ConfirmDialog, QuitDialog
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
from nostr_client.tui.session_lock import IdleTime, Reopen, way_back
from nostr_client.tui.targets import SectionTarget, Target, WebTarget
from nostr_client.tui.thrifty_app import ThriftyApp
from nostr_client.tui.web_browser import open_page
from nostr_client.tui.widgets.send_progress import Sending
from nostr_client.tui.workers import Work, start_worker

T = TypeVar("T")
log = logging.getLogger(__name__)

DRAFT_LIMIT = 3.0
"""Seconds for what is being written to reach the disk when the app is told to end, or locks."""
HELD_LIMIT = 2.0
"""Seconds in which acts that are held back are done when their person leaves."""
RESTS_AFTER = 1
"""Minutes without a key after which is looked more rarely at what changes by itself."""
NO_COLOR = NoColor()
"""One: lines remember what a filter made of them."""
INPUT = (events.InputEvent, events.Paste)
ASKING = ("enter", "action", "auth", "quit", "backup", "find", "command")
"""Work that may wait for an answer of the person's: the question goes when the account locks."""


class NostrApp(ThriftyApp[int]):
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
        self._demo = demo
        choose_glyphs(environment.config.glyphs)
        self._ascii = ascii_filter()
        self._account: Account | None = None
        self._idle = IdleTime(environment.clocks)
        self._locking = False
        self._ways_back: list[Reopen] = []
        self.input_queue = InputQueue(self)
        self.news = News(self)
        self._login_flow = LoginFlow(environment, holder, self)
        self._composer = Composer(self)
        self._navigation = Navigation(self, self._cannot_open)
        self._own_commands = OwnCommandFlow(self, self, environment.commands)
        self._command_flow = CommandFlow(self, self, self._client, self._own_commands.named)
        self._held: HeldActs | None = None
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
        self.set_keymap(textual_keymap(self._environment.keys))
        self.news.begin()
        self.start(self.input_queue.run, "input")
        chosen = (
            load_preferences(self._environment.paths).theme or self._environment.config.theme or ""
        )
        self.theme = chosen if chosen in self.available_themes else themes.DEFAULT
        self.theme_changed_signal.subscribe(self, self._theme_changed)
        self.set_interval(session_lock.LOOK_EVERY, self._lock_if_due)
        self.start(partial(self._enter, partial(self._login_flow.begin, demo=self._demo)), "enter")

    async def on_event(self, event: events.Event) -> None:
        """Keys and pastes wait for their turn; nothing else does. Who comes after the time in which
        the account locks has to unlock it: what they typed or clicked does nothing."""
        if isinstance(event, INPUT) and not event.is_forwarded:
            if self._lock_if_due():
                return
            self._idle.touch()
            if isinstance(event, events.Key):
                self.news.key()
        if not self.input_queue.holds(event):
            await super().on_event(event)

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

        async def guarded() -> None:
            try:
                await work()
            except NostrError as error:
                self.say(str(error), "error")

        # A task that is begun on a screen would hold that screen, and all it shows, to its own end.
        self._outside.copy().run(start_worker, self, guarded, group)

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

    # Logging in

    @property
    def main(self) -> MainScreen | None:
        """The main screen, if an account is open."""
        found = [screen for screen in self.screen_stack if isinstance(screen, MainScreen)]
        return found[0] if found else None

    async def _enter(self, login: Callable[[], Coroutine[Any, Any, LoggedIn | None]]) -> None:
        """Show the main screen of whoever comes in; say what prevents it, and try again."""
        await self._finish_held()
        await self._keep_place()
        try:
            logged_in = await login()
        except NostrError as error:
            await self.show_only("ctrl+q leaves.")
            trouble = ConfirmDialog("This cannot be opened", safe_text(str(error)), yes="try again")
            if await self.ask(trouble):
                await self._enter(partial(self._login_flow.begin, demo=self._demo))
            return
        if logged_in is None:
            return
        await self.show_only("")
        self._account = logged_in.account
        self._ways_back = []
        self._navigation.forget()
        places = load_preferences(self._environment.paths).places
        if logged_in.account.can_sign:
            paths, pubkey = self._environment.paths, logged_in.account.pubkey
            self._held = HeldActs(paths, pubkey, partial(self._finish, logged_in.client))
        main = MainScreen(
            logged_in.client,
            logged_in.account,
            self._environment,
            places.get(logged_in.account.pubkey),
            rests=lambda: self._idle.minutes >= RESTS_AFTER,
            held=self._held,
        )
        await self.push_screen(main)
        if self._held is not None:
            self.start(partial(self._say_left_over, self._held), "held")
        if logged_in.fresh:
            self._compose(Purpose())

    def on_add_account(self, message: AddAccount) -> None:
        self.start(partial(self._enter, partial(self._login_flow.first_run, back=True)), "enter")

    def on_use_account(self, message: UseAccount) -> None:
        async def switch() -> LoggedIn | None:
            account = await self._environment.accounts.switch(message.account.pubkey)
            return await self._login_flow.use(account)

        if self._account is None or message.account.pubkey != self._account.pubkey:
            self.start(partial(self._enter, switch), "enter")

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
            target = await self.ask(FindScreen(main.client, main.client.search.kept.typed))
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
        main, account = self.main, self._account
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
        if self.main is None or self._account is None or isinstance(self.screen, SurvivalScreen):
            return
        label = safe_line(self._account.label, 40)
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
        account = self._account.label if self._account is not None else ""
        dialog = AuthQuestionDialog(authenticator, question, account, main.names.label)
        answer = await self.ask(dialog)
        if answer is not None and authenticator.questions.current is question:
            await authenticator.answer(question.url, answer.allowed, lasting=answer.lasting)

    # Acting

    def on_act_request(self, message: ActRequest) -> None:
        watched = self._account is not None and not self._account.can_sign
        free = not message.signs or (watched and message.watched_too)
        if self.main is not None and (free or self._may_write(message)):
            self.start(partial(self._perform, message, self.main), "action")

    async def _perform(self, message: ActRequest, main: MainScreen) -> None:
        screen = self.screen
        await message.action(Actions(main.client, self))
        if isinstance(screen, TargetScreen) and screen.is_attached:
            await screen.refresh_target()

    async def hold(self, act: HeldAct) -> None:
        """Do an act once it was not taken back for a moment."""
        held = self._held
        if held is None:
            return
        if any((one.act, one.event) == (act.act, act.event) for one in held.waiting):
            self.say("This is about to be done · u takes it back")
        else:
            self.say(f"{act.words}, in {HOLD:g} s · u takes it back")
            await held.hold(act)

    async def _finish(self, client: NostrClient, act: HeldAct) -> bool:
        """Do what was held; is it done?"""
        actions = Actions(client, self)
        finish = ACT_BY_ID[act.act].finish if act.act in ACT_BY_ID else None
        if finish is None:
            self.say(f"Nothing here can do this any more: {act.words}", "warning")
            return False
        return await actions.tell(act.words, finish(actions, act))

    def action_take_back(self) -> None:
        """Take back what was held last."""
        back = self._held.take_back() if self._held is not None else None
        self.say("There is nothing to take back." if back is None else f"Taken back: {back.words}")

    async def _say_left_over(self, held: HeldActs) -> None:
        if left := await held.left_over():
            words = "; ".join(act.words for act in list(left.values())[:3])
            where = "the section drafts has it"
            self.say(f"Not done when the program ended: {words}; {where}.", "warning")

    def action_write(self) -> None:
        self.post_message(Write())

    def on_write(self, message: Write) -> None:
        if self._may_write(message):
            self._compose(Purpose.of(message.reply_to, message.quote))

    def on_write_on(self, message: WriteOn) -> None:
        if self._may_write(message) and self.main is not None:
            self.start(partial(self._write_on, message, self.main), "action")

    async def _write_on(self, message: WriteOn, main: MainScreen) -> None:
        self._compose(
            await Purpose.again(main.client, message.reply_to, message.quote, message.text)
        )

    def _compose(self, purpose: Purpose) -> None:
        if self.main is not None and not isinstance(self.screen, ComposeScreen):
            self.push_screen(self._composer.screen(self.main, purpose))

    def _may_write(self, message: Message) -> bool:
        """May the account write now? If not, why is said; or its key is asked for, and then
        `message`, which wanted to know, is posted again."""
        main, account = self.main, self._account
        if main is None or account is None:
            return False
        if main.client.signer is not None and account.can_sign:
            return True
        if not account.can_sign:
            self.say(
                "This account is watched only: its secret key is not here, so nothing can be "
                "written. The section accounts shows what is here.",
                "warning",
            )
        else:
            self.start(partial(self._unlock, account, message), "enter")
        return False

    async def _unlock(self, account: Account, message: Message | None = None) -> None:
        """The account was opened for reading, or locked: ask for its key after all, go back to
        where one was, and do what needs it."""
        section = self.main.pane.name if self.main is not None else PANES[0].name
        ways_back = self._ways_back or way_back(self.screen_stack, self._composer)
        signer = await self._login_flow.unlock(account)
        if signer is None:
            return
        await self._enter(partial(self._login_flow.open, account, signer))
        if self.main is None or self.main.client.signer is None:
            return
        self.main.go_to(section)
        await self.main.client.signer_is_back()
        for again in ways_back:
            if (screen := again(self.main)) is not None:
                await self.push_screen(screen)
        if message is not None:
            self.post_message(message)

    # Locking

    def action_lock(self) -> None:
        """Lock the account, or ask for its key again."""
        main, account = self.main, self._account
        if main is None or account is None:
            return
        if main.client.signer is None and account.can_sign:
            self.start(partial(self._unlock, account), "enter")
        elif not self._has_password:
            self.say("There is nothing to lock: no password of this account is asked for here.")
        else:
            self._start_lock()

    @property
    def _has_password(self) -> bool:
        return self._account is not None and self._account.protection is Protection.PASSWORD

    def _lock_if_due(self) -> bool:
        """Lock if nobody was there for too long. Is it being locked?"""
        limit = self._environment.config.lock_after
        if limit and self._idle.minutes >= limit:
            self._start_lock()
        return self._locking

    def _start_lock(self) -> None:
        unlocked = self.main is not None and self.main.client.signer is not None
        if unlocked and self._has_password and not self._locking:
            self._locking = True
            self.start(self._lock, "lock")

    async def _lock(self) -> None:
        """Keep what is being written, then close the client, which wipes the key, and open one that
        only reads. It sends on what was signed already."""
        if problem := await self._keep_drafts():
            self._locking = False
            self._idle.touch()
            self.say(f"Not locked, for the draft is not kept: {problem}", "error")
            return
        account = self._account
        if self.main is None or account is None:
            self._locking = False
            return
        ways_back, section = way_back(self.screen_stack, self._composer), self.main.pane.name
        await self._finish_held()
        for group in ASKING:
            self.workers.cancel_group(self, group)
        self.news.hush()

        async def only_read() -> LoggedIn:
            try:
                return await self._login_flow.open(account, None)
            finally:
                self._locking = False

        await self._enter(only_read)
        self._ways_back = ways_back
        if self.main is not None:
            self.main.go_to(section)
        gc.collect()  # what was decrypted hangs in circles; full rounds are rare (`run.warm_up`)

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
        """A screen that is put up while everything is taken down finds no widgets in it: that is
        no error, and nothing that the person is told of."""
        if isinstance(error, NoMatches) and (self._exit or not self.is_running):
            log.debug("a screen came too late", exc_info=error)
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
            await self._keep_drafts()
            await self._finish_held()

    async def leave(self, code: int) -> None:
        """End with an exit code, after putting every open draft on disk."""
        problem = await self._keep_drafts()
        if problem and code == 0:
            self.say(f"The draft is not kept, so we stay: {problem}", "error")
            return
        await self._finish_held()
        await self._keep_place()
        self.exit(code, return_code=code)

    async def _finish_held(self) -> None:
        """Do what is held: its person is leaving, and meant it."""
        held, self._held = self._held, None
        if held is not None:
            await held.finish_all(HELD_LIMIT)

    async def _keep_place(self) -> None:
        """Where the account was, for the next time."""
        if self.main is None:
            return
        try:
            async with asyncio.timeout(DRAFT_LIMIT):
                await self.main.keep_place()
        except TimeoutError:
            log.warning("where the account was is not written within %g s", DRAFT_LIMIT)

    async def _keep_drafts(self) -> str:
        """Put every open draft on disk; why one of them is not there."""
        problem = ""
        open_ones = [each.saver for each in self.screen_stack if isinstance(each, ComposeScreen)]
        for flush in (self._composer.flush, *(saver.flush for saver in open_ones)):
            try:
                async with asyncio.timeout(DRAFT_LIMIT):
                    await flush()
            except StoreError as error:
                problem = str(error)
            except TimeoutError:
                problem = f"it was not written within {DRAFT_LIMIT:g} s"
        return problem
