"""Who may know who you are (NIP-42): the question about a relay, and the list of what was said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from nostr_client.errors import NostrError
from nostr_client.net.session.pending import Purpose
from nostr_client.routing.auth_policy import purpose_words
from nostr_client.routing.auth_questions import LIMIT, AuthQuestion
from nostr_client.routing.authentication import Authenticator
from nostr_client.safe_text import safe_line
from nostr_client.tui.keymap import Key, KeyGroup, hints
from nostr_client.tui.screens.dialogs import key_words
from nostr_client.tui.widgets.items import FixedItems, ItemRenderer, Styles
from nostr_client.tui.widgets.static_text import StillText
from nostr_client.tui.widgets.windowed_list import WindowedList
from nostr_client.tui.workers import start_worker

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at whether the time for an answer is over, and at names."""
MOST_SAID: Final = 3
"""Purposes that a question names."""


@dataclass(frozen=True, slots=True)
class AuthAnswer:
    """May the relay know? `lasting`: beyond this session."""

    allowed: bool
    lasting: bool


QUESTION_KEYS: Final = KeyGroup(
    "A relay wants to know who you are",
    (
        Key("y", "answer(True,False)", "Yes, for now", "yes", name="yes"),
        Key("n", "answer(False,False)", "No, for now", "no", name="no"),
        Key("a", "answer(True,True)", "Always", "always", name="always"),
        Key("v", "answer(False,True)", "Never", "never", name="never"),
        Key("escape,q", "dismiss(None)", "Later", "later", name="later"),
    ),
    "who_are_you",
)


class AuthQuestionDialog(ModalScreen[AuthAnswer]):
    """Asks about one relay. `y` and `n` for now, `a` and `v` for good; esc leaves it open."""

    BINDINGS: ClassVar[list[BindingType]] = QUESTION_KEYS.bindings()

    def __init__(
        self,
        authenticator: Authenticator,
        question: AuthQuestion,
        account: str,
        name: Callable[[str], str],
    ) -> None:
        super().__init__()
        self._questions = authenticator.questions
        self._question = question
        self._account = account
        self._name_of = name

    @property
    def _wanted(self) -> str:
        asked = self._question
        why = dict.fromkeys(say_purpose(one, asked.pubkey, self._name_of) for one in asked.purposes)
        named = "; ".join(list(why)[:MOST_SAID]) + ("; and more" if len(why) > MOST_SAID else "")
        return (
            f"Account: {safe_line(self._account, 40)}. It is wanted {named}. The relay then "
            "knows that all you read there over this connection is read by this account."
        )

    def compose(self) -> ComposeResult:
        with Vertical(classes="card"):
            yield Static(
                f"May {safe_line(self._question.url, 120)} know who you are?",
                markup=False,
                classes="card-title",
            )
            yield StillText(self._wanted, classes="card-text")
            yield Static(
                f"Without an answer it is no, after {LIMIT / 60:.0f} minutes.",
                markup=False,
                classes="card-text",
            )
            yield Static(key_words(hints(QUESTION_KEYS)), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        self._questions.seen(self._question)
        self.set_interval(LOOK_EVERY, self._look)

    def _look(self) -> None:
        if self._questions.current is not self._question:
            self.dismiss(None)
        else:  # somebody's name may have come
            self.query_one(StillText).update(self._wanted)

    def action_answer(self, allowed: bool, lasting: bool) -> None:
        self.dismiss(AuthAnswer(allowed, lasting))


@dataclass(frozen=True, slots=True)
class AuthRow:
    """A relay about which something was said, or that wanted to know and was not told."""

    url: str
    word: str
    style: str
    why: str


class AuthRenderer(ItemRenderer[AuthRow]):
    """A relay and what was said on one line, what it was wanted for on another."""

    def key(self, item: AuthRow) -> str:
        return item.url

    def lines(self, item: AuthRow, width: int, style: Styles) -> list[Content]:
        first = Content.assemble(
            (safe_line(item.url, 120), style("list--strong")), (f"  {item.word}", style(item.style))
        )
        lines = [first.truncate(width, ellipsis=True)]
        if item.why:
            why = Content.styled(f"  {safe_line(item.why, 200)}", style("list--dim"))
            lines.append(why.truncate(width, ellipsis=True))
        return lines


AUTH_KEYS: Final = KeyGroup(
    "Who may know who you are",
    (
        Key("y", "say(True)", "The relay may know, always", "may know", name="may_know"),
        Key("n", "say(False)", "It may never know", "never", name="never"),
        Key("x", "take_back", "Take back what was said about it", "take back"),
        Key("escape,q", "dismiss", "Close", "close"),
    ),
    "who_knows",
)


class AuthListScreen(ModalScreen[None]):
    """What was said about relays, and which ones wanted to know."""

    BINDINGS: ClassVar[list[BindingType]] = AUTH_KEYS.bindings()

    def __init__(
        self, authenticator: Authenticator, owner: str, name: Callable[[str], str]
    ) -> None:
        super().__init__()
        self._authenticator = authenticator
        self._owner = owner
        self._name_of = name
        self._drawn: Sequence[AuthRow] | None = None
        self.rows: WindowedList[AuthRow] = WindowedList(AuthRenderer(), gap=0)

    def compose(self) -> ComposeResult:
        with Vertical(classes="card", id="auth"):
            yield Static("Who may know who you are", markup=False, classes="card-title")
            yield Static(
                "Your own relays, and where people read to whom you write. Beside those:",
                markup=False,
                classes="card-text",
                id="said",
            )
            yield self.rows
            yield Static(key_words(hints(AUTH_KEYS)), markup=False, classes="card-keys")

    def on_mount(self) -> None:
        start_worker(self, self._draw, "auth")
        self.set_interval(LOOK_EVERY, lambda: start_worker(self, self._draw, "auth"))
        self.rows.focus()

    def action_say(self, allowed: bool) -> None:
        if (row := self.rows.selected) is not None:
            start_worker(self, partial(self._change, row.url, allowed), "auth")

    def action_take_back(self) -> None:
        if (row := self.rows.selected) is not None:
            start_worker(self, partial(self._change, row.url, None), "auth")

    async def _change(self, url: str, allowed: bool | None) -> None:
        try:
            if allowed is None:
                await self._authenticator.forget(url)
            else:
                await self._authenticator.answer(url, allowed, lasting=True)
        except NostrError as error:
            self._say(str(error))
            return
        await self._draw()

    async def _draw(self) -> None:
        try:
            rows = auth_rows(self._authenticator, self._owner, self._name_of)
        except NostrError as error:
            self._say(str(error))
            return
        if rows == self._drawn:
            return
        self._drawn = rows
        self.rows.renew(FixedItems(rows, self.rows.renderer.key))
        if not rows:
            self._say("Your own relays, and where people read to whom you write; nobody else.")

    def _say(self, words: str) -> None:
        self.query_one("#said", Static).update(safe_line(words, 400))


def auth_rows(
    authenticator: Authenticator, owner: str, name: Callable[[str], str]
) -> Sequence[AuthRow]:
    """What was said, and then who wanted to know and was not told. Raises StoreError."""
    rows: dict[str, AuthRow] = {}
    for choice in authenticator.choices.all():
        words = "may know" if choice.allowed else "never" if choice.lasting else "no"
        words += "" if choice.lasting else ", for now"
        style = "list--good" if choice.allowed else "list--bad"
        rows[choice.url] = AuthRow(choice.url, words, style, "")
    for url, purpose in authenticator.untold.items():
        why = f"wanted to know, {say_purpose(purpose, owner, name)}"
        said = rows.get(url)
        rows[url] = AuthRow(
            url, said.word if said else "not told", said.style if said else "list--dim", why
        )
    return list(rows.values())


def say_purpose(purpose: Purpose, owner: str, name: Callable[[str], str]) -> str:
    """`purpose_words`, with names fit for a line."""
    return purpose_words(purpose, owner, lambda pubkey: safe_line(name(pubkey), 24))
