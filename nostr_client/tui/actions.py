"""What acts do it with, and changes to the relay list.

Each asks first where it cannot be taken back, runs off the keys' path, and ends in one sentence.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from textual.message import Message
from textual.screen import Screen

from nostr_client.client import NostrClient
from nostr_client.errors import InvalidData, ListNotRead, NostrError
from nostr_client.net.report import OVERTAKEN, PublishReport
from nostr_client.resilience.audit_report import write_report
from nostr_client.resilience.inquiry import AuditEvidence
from nostr_client.routing.list_reading import Waiver, name_of
from nostr_client.social.messages.dm_relays import MOST_OWN
from nostr_client.social.views import Posted, RelayRow
from nostr_client.tui.held_acts import HeldAct
from nostr_client.tui.screens.dialogs import ConfirmDialog, PromptDialog
from nostr_client.tui.screens.evacuation import EvacuationScreen
from nostr_client.tui.targets import Target
from nostr_client.tui.user_interface import UserInterface
from nostr_client.tui.widgets.inputs import relay_url, typed_path
from nostr_client.tui.widgets.send_progress import here

MERGED = 3
"""Versions that take part in a merge: two, and what both were made from."""
T = TypeVar("T")
Edit = Callable[[bool], Awaitable[Posted | None]]
"""Changes a list; told whether it may begin with an empty one."""


class Actions:
    """Does things for one account, `client`."""

    def __init__(self, client: NostrClient, ui: UserInterface) -> None:
        self._client = client
        self._ui = ui
        self._say = ui.say
        self._ask = ui.ask

    # What acts use

    @property
    def client(self) -> NostrClient:
        return self._client

    @property
    def ui(self) -> UserInterface:
        return self._ui

    def say(self, text: str, severity: str = "information") -> None:
        """A short word to the person, as it is."""
        self._ui.say(text, severity)

    async def ask(self, screen: Screen[T]) -> T | None:
        """Show a screen and wait for what it is dismissed with."""
        return await self._ui.ask(screen)

    def open(self, target: Target) -> None:
        """Show what `target` points at."""
        self._ui.open(target)

    def post(self, message: Message) -> None:
        """Ask the app for something."""
        self._ui.post_message(message)

    async def hold(self, act: HeldAct) -> None:
        """Do an act after a moment in which it can be taken back (`u`)."""
        await self._ui.hold(act)

    # Relays and lists

    async def add_relay(self) -> bool:
        """Ask for a relay, and put it into the list, for reading and writing."""
        text = await self._ask(PromptDialog("Add a relay", "wss://…", yes="add"))
        if not text:
            return False
        try:
            url = relay_url(text)
        except InvalidData as error:
            self._say(str(error), "error")
            return False
        relays = self._client.relays
        if self._client.signer is None:
            new = await relays.read_from(url)
            self._say(f"{url} is read {'now, ' if new else ''}on this machine.", "information")
            return new
        return await self.edit(
            f"{url} is in your list",
            lambda empty: relays.add(url, allow_empty=empty),
            "relay list",
            begin=lambda: relays.add(url, begin=True),
        )

    async def remove_relay(self, row: RelayRow) -> bool:
        """Take a relay out of the list, after asking."""
        if row.own:
            self._say("Your own relay is not in the list: only this machine uses it.", "warning")
            return False
        question = ConfirmDialog(
            f"Remove {row.url} from your relays?",
            "Notes that it holds stay there; it gets no new ones.",
            yes="remove",
        )
        if not await self._ask(question):
            return False
        relays = self._client.relays
        return await self.edit(
            f"{row.url} is out of your list",
            lambda empty: relays.remove(row.url, allow_empty=empty),
            "relay list",
        )

    async def evacuate(self, row: RelayRow | None) -> None:
        """Move from relays that are lost to others; from that of `row` too, if it has ended."""
        retire = {row.url: row.gone} if row is not None and row.gone else {}
        await self._ask(EvacuationScreen(self._client, retire))

    async def retire(self, row: RelayRow) -> None:
        """Leave a relay that works still: what only it has is fetched, another takes its place."""
        if row.own or not (row.read or row.write):
            self._say("Only a relay of your list is left.", "warning")
            return
        why = row.gone or "you retire it"
        await self._ask(EvacuationScreen(self._client, {row.url: why}))

    async def block(self, row: RelayRow) -> bool:
        """Never dial a relay again (kind 10006), or dial it again; after asking."""
        if row.own:
            self._say("Your own relay is not blocked: `nostr-client own-relay stop` ends it.")
            return False
        blocked = self._client.blocked_relays
        entry = blocked.entry(row.url)
        if row.url in self._client.book.policy.blocked:
            if not await self._ask(ConfirmDialog(f"Dial {row.url} again?", yes="unblock")):
                return False
            return await self.edit(
                f"{row.url} is not blocked any more",
                lambda empty: blocked.remove(entry, waiver=Waiver(allow_empty=empty)),
                "list of blocked relays",
            )
        stays = (
            " It stays in your list: others look for you there." if row.read or row.write else ""
        )
        question = ConfirmDialog(
            f"Never dial {row.url} again?",
            f"By no road, whoever names it. Only you can see that you blocked it.{stays}",
            yes="block",
        )
        if not await self._ask(question):
            return False
        return await self.edit(
            f"{row.url} is blocked",
            lambda empty: blocked.add(entry, waiver=Waiver(allow_empty=empty)),
            "list of blocked relays",
        )

    async def report_audit(self, evidence: AuditEvidence) -> None:
        """Sign what an audit found, and write it into a file, after a typed word."""
        signer = self._client.signer
        if signer is None:
            return
        question = ConfirmDialog(
            "Sign what was found, as yourself?",
            "It says whom you audited, and when. It is written here, and published by nobody.",
            yes="sign",
            word="sign it",
        )
        if not await self._ask(question):
            return
        path = await self._ask(PromptDialog("Into which new file?", "audit.json", yes="write"))
        if path:
            try:
                await write_report(evidence, signer, typed_path(path))
            except NostrError as error:
                self._say(str(error), "error")
            else:
                self._say("The report is signed and written: anybody can repeat it.")

    async def change_mode(self, row: RelayRow) -> bool:
        """The next of: read and write, read, write."""
        if row.own:
            self._say("Your own relay holds whatever you write; there is no mode.", "warning")
            return False
        read, write = _next_mode(row.read, row.write)
        words = "reading and writing" if read and write else "reading" if read else "writing"
        relays = self._client.relays
        return await self.edit(
            f"{row.url} is for {words} now",
            lambda empty: relays.add(row.url, read=read, write=write, allow_empty=empty),
            "relay list",
        )

    async def restore_list(self, kind: int, ids: Sequence[str], seen: str) -> bool:
        """Undo a list of this kind to the version of the first id; with three ids, put the first
        two together, which were made from the third. `seen` is the newest that was shown."""
        lists = self._client.lists
        name = name_of(kind)
        chosen = [await lists.version(kind, each) for each in ids]
        newest = await lists.version(kind, seen)
        merges = len(chosen) == MERGED
        one = chosen[0]
        question = f"Publish your {name} as version {one.number} had it?"
        if merges:
            question = f"Put versions {one.number} and {chosen[1].number} of your {name} together?"
        detail = "What another device changed meanwhile stays, and so does every version here."
        if not await self._ask(ConfirmDialog(question, detail, yes="publish it")):
            return False
        gave_way = 0

        async def edit(empty: bool) -> Posted | None:
            nonlocal gave_way
            waiver = Waiver(allow_empty=empty)
            if merges:
                mine, theirs, base = chosen
                done = await lists.merge(mine, theirs, base, newest, waiver=waiver)
            else:
                done = await lists.restore(one, newest, waiver=waiver)
            gave_way = len(done.conflicts)
            return done.posted

        done = await self.edit(f"Your {name} is as you wanted", edit, name)
        if done and gave_way:
            first = "yours" if merges else "that version's"
            self._say(f"Both sides changed {gave_way} entries: {first} stand.", "warning")
        return done

    async def message_relays(self) -> bool:
        """Ask where private messages are read, and publish that list (kind 10050)."""
        messages = self._client.messages
        offered = await messages.relays.own()
        if not offered:
            rows = await self._client.relays.rows()
            offered = tuple(row.url for row in rows if row.read and not row.own)
        dialog = PromptDialog(
            "Where do you read private messages?",
            f"wss://…; 1 to {MOST_OWN}, with spaces",
            yes="publish",
            offered=" ".join(offered[:MOST_OWN]),
        )
        text = await self._ask(dialog)
        if not text:
            return False
        try:
            urls = [relay_url(each) for each in text.split()]
        except InvalidData as error:
            self._say(str(error), "error")
            return False
        return await self.edit(
            "People can write to you there now",
            lambda empty: messages.set_relays(urls, Waiver(allow_empty=empty)),
            "list of message relays",
        )

    async def edit(
        self,
        done: str,
        edit: Edit,
        name: str,
        begin: Callable[[], Awaitable[Posted | None]] | None = None,
    ) -> bool:
        """Change a list; where no version of it was found, ask before beginning a new one, and
        where that is not known, before it is begun with the relay that is added (`begin`)."""
        try:
            posted = await edit(False)
        except ListNotRead as error:
            if not error.none_found and not (error.may_begin and begin):
                self._say(str(error), "error")
                return False
            question = ConfirmDialog(
                f"Begin a new {name}{'' if error.none_found else ' with this one'}?",
                f"{error}. If you have one elsewhere, it would be replaced.",
                yes="begin a new one",
            )
            if not await self._ask(question):
                return False
            try:
                posted = await (edit(True) if error.none_found or not begin else begin())
            except NostrError as failed:
                self._say(str(failed), "error")
                return False
        except NostrError as error:
            self._say(str(error), "error")
            return False
        self._say(
            done if posted is None else f"{done}: {self._outcome(posted.report)}", "information"
        )
        return True

    async def tell(self, done: str, action: Awaitable[Posted]) -> bool:
        """Wait for what publishes something, and say in one sentence how it went; is it done?"""
        try:
            posted = await action
        except NostrError as error:
            self._say(str(error), "error")
            return False
        self._say(f"{done}: {self._outcome(posted.report)}", "information")
        return True

    def _outcome(self, report: PublishReport) -> str:
        if report.overtaken:
            return OVERTAKEN
        own = self._client.book.policy.own_relay
        others = [answer for answer in report.answers if answer.url != own]
        kept = here(own in report.accepted)
        if not others:
            return f"kept {kept}; there is no relay to send it to yet"
        taken = sum(bool(answer.accepted) for answer in others)
        words = f"{taken} of {len(others)} relays have it, and the copy {kept}"
        if report.left_out:
            words += f"; {len(report.left_out)} of those addressed left out"
        if report.instead:
            instead = len(report.instead)
            words += f"; relays of your list are down, so it was sent to others too: {instead}"
        return words


def _next_mode(read: bool, write: bool) -> tuple[bool, bool]:
    if read and write:
        return True, False
    return (False, True) if read else (True, True)
