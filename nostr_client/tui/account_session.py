"""The account that is open: coming in, what is held back, locking and unlocking, and leaving.

Leaving and locking keep what is being written first.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from textual.message import Message

from nostr_client.accounts.account import Account
from nostr_client.accounts.keyfiles import Protection
from nostr_client.client import NostrClient
from nostr_client.errors import NostrError, StoreError
from nostr_client.safe_text import safe_text
from nostr_client.tui import garbage
from nostr_client.tui.actions import Actions
from nostr_client.tui.acts.registry import ACT_BY_ID
from nostr_client.tui.alerts import Alerts
from nostr_client.tui.client_holder import ClientHolder
from nostr_client.tui.composer import Composer
from nostr_client.tui.environment import Environment
from nostr_client.tui.held_acts import HOLD, HeldAct, HeldActs
from nostr_client.tui.keymap import with_keys
from nostr_client.tui.login_flow import LoggedIn, LoginFlow
from nostr_client.tui.navigation import Navigation
from nostr_client.tui.news import News
from nostr_client.tui.panes.registry import PANES
from nostr_client.tui.preferences import load_preferences
from nostr_client.tui.rings import InFront, open_ring
from nostr_client.tui.screens.compose import ComposeScreen
from nostr_client.tui.screens.dialogs import ConfirmDialog
from nostr_client.tui.screens.main import MainScreen
from nostr_client.tui.screens.note_compose import Purpose
from nostr_client.tui.session_lock import IdleTime, Reopen, way_back
from nostr_client.tui.thrifty_app import ThriftyApp
from nostr_client.tui.user_interface import UserInterface
from nostr_client.tui.workers import start_worker

log = logging.getLogger(__name__)

DRAFT_LIMIT: Final = 3.0
"""Seconds for what is being written to reach the disk when the app is told to end, or locks."""
HELD_LIMIT: Final = 2.0
"""Seconds in which acts that are held back are done when their person leaves."""
RESTS_AFTER: Final = 1
"""Minutes without a key after which is looked more rarely at what changes by itself."""
ASKING: Final = ("enter", "action", "auth", "quit", "backup", "find", "command")
"""Work that may wait for an answer of the person's: the question goes when the account locks."""
Login = Callable[[], Awaitable[LoggedIn | None]]


class AccountSession:
    """One account is open in `app` at a time, or none yet.

    `ui` is the app too, as what speaks and asks. `write` opens the composer for a newcomer.
    `demo`: begin as a guest of the demo's community.
    """

    def __init__(
        self,
        app: ThriftyApp[int],
        ui: UserInterface,
        environment: Environment,
        holder: ClientHolder,
        *,
        composer: Composer,
        navigation: Navigation,
        news: News,
        write: Callable[[Purpose], None],
        demo: bool,
    ) -> None:
        self._app = app
        self._ui = ui
        self._environment = environment
        self._composer = composer
        self._navigation = navigation
        self._news = news
        self._write = write
        self._demo = demo
        self._login_flow = LoginFlow(environment, holder, ui)
        self._held: HeldActs | None = None
        self._locking = False
        self._ways_back: list[Reopen] = []
        self.idle = IdleTime(environment.clocks)
        self.account: Account | None = None

    @property
    def main(self) -> MainScreen | None:
        """The main screen, if an account is open."""
        found = [screen for screen in self._app.screen_stack if isinstance(screen, MainScreen)]
        return found[0] if found else None

    # Coming in

    async def begin(self) -> None:
        """Open the account last used, lead through the first run, or enter the demo."""
        await self._enter(partial(self._login_flow.begin, demo=self._demo))

    async def add_account(self) -> None:
        """Lead through the first run once more; the way back is the account that is open."""
        await self._enter(partial(self._login_flow.first_run, back=True))

    async def switch_to(self, account: Account) -> None:
        """Open another account."""

        async def switch() -> LoggedIn | None:
            chosen = await self._environment.accounts.switch(account.pubkey)
            return await self._login_flow.use(chosen)

        if self.account is None or account.pubkey != self.account.pubkey:
            await self._enter(switch)

    async def _enter(self, login: Login) -> None:
        """Show the main screen of whoever comes in; say what prevents it, and try again."""
        await self.finish_held()
        await self.keep_place()
        try:
            logged_in = await login()
        except NostrError as error:
            await self._ui.show_only(with_keys("{app.quit} leaves."))
            trouble = ConfirmDialog("This cannot be opened", safe_text(str(error)), yes="try again")
            if await self._ui.ask(trouble):
                await self.begin()
            return
        if logged_in is not None:
            await self._show_main(logged_in)

    async def _show_main(self, logged_in: LoggedIn) -> None:
        await self._ui.show_only("")
        account, paths = logged_in.account, self._environment.paths
        self.account = account
        self._ways_back = []
        self._navigation.forget()
        if account.can_sign:
            self._held = HeldActs(paths, account.pubkey, partial(self._finish, logged_in.client))
        main = MainScreen(
            logged_in.client,
            account,
            self._environment,
            load_preferences(paths).places.get(account.pubkey),
            rests=lambda: self.idle.minutes >= RESTS_AFTER,
            held=self._held,
        )
        await self._app.push_screen(main)
        if self._environment.config.notify != "off":
            self._start_alerts(main)
        if self._held is not None:
            self._ui.start(partial(self._say_left_over, self._held), "held")
        if logged_in.fresh:
            self._write(Purpose())

    def _start_alerts(self, main: MainScreen) -> None:
        """Tell outside of the client what comes, while this account is open."""
        config, app, ui = self._environment.config, self._app, self._ui
        alerts = Alerts(
            main.client,
            main.names,
            partial(open_ring, config.notify, app.tell_terminal, app.bell),
            in_front=InFront(app, self.idle),
            say=ui.say,
            with_names=config.notify_names,
        )
        start_worker(main, alerts.keep, "alerts")

    # Writing

    def may_write(self, message: Message) -> bool:
        """May the account write now? If not, why is said; or its key is asked for, and then
        `message`, which wanted to know, is posted again."""
        main, account = self.main, self.account
        if main is None or account is None:
            return False
        if main.client.signer is not None and account.can_sign:
            return True
        if not account.can_sign:
            self._ui.say(
                "This account is watched only: its secret key is not here, so nothing can be "
                "written. The section accounts shows what is here.",
                "warning",
            )
        else:
            self._ui.start(partial(self._unlock, account, message), "enter")
        return False

    async def hold(self, act: HeldAct) -> None:
        """Do an act once it was not taken back for a moment."""
        held = self._held
        if held is None:
            return
        back = with_keys("{app.take_back} takes it back")
        if any((one.act, one.event) == (act.act, act.event) for one in held.waiting):
            self._ui.say(f"This is about to be done · {back}")
        else:
            self._ui.say(f"{act.words}, in {HOLD:g} s · {back}")
            await held.hold(act)

    def take_back(self) -> None:
        """Take back what was held last."""
        back = self._held.take_back() if self._held is not None else None
        nothing = "There is nothing to take back."
        self._ui.say(nothing if back is None else f"Taken back: {back.words}")

    async def _finish(self, client: NostrClient, act: HeldAct) -> bool:
        """Do what was held; is it done?"""
        actions = Actions(client, self._ui)
        finish = ACT_BY_ID[act.act].finish if act.act in ACT_BY_ID else None
        if finish is None:
            self._ui.say(f"Nothing here can do this any more: {act.words}", "warning")
            return False
        return await actions.tell(act.words, finish(actions, act))

    async def finish_held(self) -> None:
        """Do what is held: its person is leaving, and meant it."""
        held, self._held = self._held, None
        if held is not None:
            await held.finish_all(HELD_LIMIT)

    async def _say_left_over(self, held: HeldActs) -> None:
        if left := await held.left_over():
            words = "; ".join(act.words for act in list(left.values())[:3])
            where = "the section drafts has it"
            self._ui.say(f"Not done when the program ended: {words}; {where}.", "warning")

    # Locking

    def toggle_lock(self) -> None:
        """Lock the account, or ask for its key again."""
        main, account = self.main, self.account
        if main is None or account is None:
            return
        if main.client.signer is None and account.can_sign:
            self._ui.start(partial(self._unlock, account), "enter")
        elif not self._has_password:
            nothing = "There is nothing to lock: no password of this account is asked for here."
            self._ui.say(nothing)
        else:
            self._start_lock()

    def lock_if_due(self) -> bool:
        """Lock if nobody was there for too long. Is it being locked?"""
        limit = self._environment.config.lock_after
        if limit and self.idle.minutes >= limit:
            self._start_lock()
        return self._locking

    @property
    def _has_password(self) -> bool:
        return self.account is not None and self.account.protection is Protection.PASSWORD

    def _start_lock(self) -> None:
        unlocked = self.main is not None and self.main.client.signer is not None
        if unlocked and self._has_password and not self._locking:
            self._locking = True
            self._ui.start(self._lock, "lock")

    async def _lock(self) -> None:
        """Keep what is being written, then close the client, which wipes the key, and open one that
        only reads. It sends on what was signed already."""
        if problem := await self.keep_drafts():
            self._locking = False
            self.idle.touch()
            self._ui.say(f"Not locked, for the draft is not kept: {problem}", "error")
            return
        account = self.account
        if self.main is None or account is None:
            self._locking = False
            return
        ways_back = way_back(self._app.screen_stack, self._composer)
        section = self.main.pane.name
        await self.finish_held()
        for group in ASKING:
            self._app.workers.cancel_group(self._app, group)
        self._news.hush()

        async def only_read() -> LoggedIn:
            try:
                return await self._login_flow.open(account, None)
            finally:
                self._locking = False

        await self._enter(only_read)
        self._ways_back = ways_back
        if self.main is not None:
            self.main.go_to(section)
        garbage.collect_all()  # what was decrypted hangs in circles; full rounds are rare

    async def _unlock(self, account: Account, message: Message | None = None) -> None:
        """The account was opened for reading, or locked: ask for its key after all, go back to
        where one was, and do what needs it."""
        section = self.main.pane.name if self.main is not None else PANES[0].name
        ways_back = self._ways_back or way_back(self._app.screen_stack, self._composer)
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
                await self._app.push_screen(screen)
        if message is not None:
            self._ui.post_message(message)

    # Leaving

    async def keep_place(self) -> None:
        """Where the account was, for the next time."""
        if self.main is None:
            return
        try:
            async with asyncio.timeout(DRAFT_LIMIT):
                await self.main.keep_place()
        except TimeoutError:
            log.warning("where the account was is not written within %g s", DRAFT_LIMIT)

    async def keep_drafts(self) -> str:
        """Put every open draft on disk; why one of them is not there."""
        problem = ""
        screens = self._app.screen_stack
        open_ones = [each.saver for each in screens if isinstance(each, ComposeScreen)]
        for flush in (self._composer.flush, *(saver.flush for saver in open_ones)):
            try:
                async with asyncio.timeout(DRAFT_LIMIT):
                    await flush()
            except StoreError as error:
                problem = str(error)
            except TimeoutError:
                problem = f"it was not written within {DRAFT_LIMIT:g} s"
        return problem
