"""The account moves from relays that are lost: the plan, a question, and how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.client import NostrClient
from nostr_client.errors import NostrError
from nostr_client.resilience.evacuation import EvacuationProgress
from nostr_client.resilience.evacuation_journal import BegunEvacuation
from nostr_client.resilience.evacuation_plan import EvacuationPlan
from nostr_client.resilience.evacuation_words import plan_lines, progress_line, report_lines
from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import Key, KeyGroup, keyed, with_keys
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.workers import start_worker

_CLOSE = (("evacuation.close", "close"),)
_GO = (("evacuation.go", "do it"), ("evacuation.close", "leave all as it is"))


KEYS: Final = KeyGroup(
    "Moving to other relays",
    (
        Key("y", "go", "Do it"),
        Key("escape,q,n", "dismiss", "Close; what has begun goes on later", name="close"),
    ),
    "evacuation",
)


class EvacuationScreen(ModalScreen[None]):
    """Plans, asks, and carries out. Closing it stops where it is; what is under way is on disk.

    `retire` names relays that leave in any case, and why.
    """

    BINDINGS: ClassVar[list[BindingType]] = KEYS.bindings()

    def __init__(self, client: NostrClient, retire: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._client = client
        self._retire = retire or {}
        self._plan: EvacuationPlan | None = None

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="evacuation"):
            yield Static("Moving to other relays", markup=False, classes="card-title")
            with VerticalScroll():
                yield Static(
                    "Trying your relays, and others ...",
                    markup=False,
                    classes="card-text",
                    id="what",
                )
            yield Static("", markup=False, classes="card-text", id="progress")
            yield Static(key_words(keyed(*_CLOSE)), markup=False, classes="card-keys", id="keys")

    def on_mount(self) -> None:
        start_worker(self, self._look, "evacuation")

    def action_go(self) -> None:
        """The person wants it."""
        if self._plan is not None:
            start_worker(self, self._begin, "evacuation")

    # Off the keys' path

    async def _look(self) -> None:
        try:
            begun = await self._client.evacuation.journal.unfinished()
            if begun is not None and self._retire.keys() <= begun.plan.leaving.keys():
                self._tell("what", "\n".join(plan_lines(begun.plan)))
                await self._run(begun)
                return
            plan = await self._client.evacuation_survey.plan(retire=self._retire)
        except NostrError as error:
            self._fail(error)
            return
        if plan.problem or not plan.is_needed:
            self._tell("what", safe_line(plan.problem, 300) or "\n".join(plan_lines(plan)))
            return
        self._tell("what", "\n".join(plan_lines(plan)))
        self._plan = plan
        self.query_one("#keys", Static).update(key_words(keyed(*_GO)))

    async def _begin(self) -> None:
        plan, self._plan = self._plan, None
        if plan is None:  # y was pressed twice
            return
        try:
            await self._run(await self._client.evacuation.begin(plan))
        except NostrError as error:
            self._fail(error)

    async def _run(self, begun: BegunEvacuation) -> None:
        keys = self.query_one("#keys", Static)
        stop = with_keys("stop here; {relays.evacuate} goes on")
        keys.update(key_words(keyed(("evacuation.close", stop))))
        report = await self._client.evacuation.run(begun, self._show)
        self._tell("what", "\n".join(report_lines(report)))
        done = report.is_complete
        self._tell("progress", "Done." if done else "What waits follows by itself.")
        keys.update(key_words(keyed(*_CLOSE)))

    def _show(self, progress: EvacuationProgress) -> None:
        self._tell("progress", progress_line(progress))

    def _tell(self, where: str, words: str) -> None:
        self.query_one(f"#{where}", Static).update(words)

    def _fail(self, error: NostrError) -> None:
        words = Content.styled(safe_line(str(error), 300), "$text-error")
        self.query_one("#progress", Static).update(words)
        self.query_one("#keys", Static).update(key_words(keyed(*_CLOSE)))
