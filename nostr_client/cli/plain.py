"""`nostr-client --plain`: read and write line by line, for screen readers, a slow line, a pipe.

Nothing moves a cursor and nothing is drawn over: what was printed stays, each note with its number,
and a line of input says what comes next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.command_line.tree import Group
from nostr_client.command_line.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.social.views import Cursor, NoteView, Posted

PAGE: Final = 10
"""Notes that are printed at once."""
MOST_LINES: Final = 20
"""Lines of one note; a thread shows all."""
LONGEST: Final = 65_536
"""Bytes of one line of input."""
HELP: Final = """\
n          the next notes of this list
t          home, from the newest on
o NUMBER   open: the thread of a note
r NUMBER   reply to a note: then a line with the text, an empty one leaves it
f NUMBER   like a note
w          write a note: then a line with the text, an empty one leaves it
m          notifications
/ WORDS    search what is here
s          status: relays, what is unsent
h          this help
q          leave"""


def plain(context: ClientContext) -> None:
    """Read and write line by line, for screen readers and pipes: h lists its commands."""
    account = context.must_act()
    signer = context.signer() if account.can_sign else None

    async def work() -> None:
        opening = context.reading(account) if signer is None else context.writing(signer)
        async with opening as client:
            client.start_reading()
            await PlainSession(context, client).run()

    wait_for(work())


class PlainSession:
    """One person reading and writing by lines."""

    def __init__(self, context: ClientContext, client: NostrClient) -> None:
        self._context = context
        self._client = client
        self._notes: list[NoteView] = []
        """What was printed last, by its numbers."""
        self._cursor: Cursor | None = None

    async def run(self) -> None:
        """Until q, or the end of the input."""
        await self._home()
        self._say("h lists the commands")
        while (line := await _line()) is not None:
            command, _, rest = line.strip().partition(" ")
            if command.startswith("/"):
                command, rest = "/", line.strip()[1:]
            if command == "q":
                return
            await self._guarded(command, rest.strip())

    async def _guarded(self, command: str, rest: str) -> None:
        from nostr_client.errors import NostrError

        try:
            await self._do(command, rest)
        except NostrError as error:
            self._context.out.note(str(error))

    async def _do(self, command: str, rest: str) -> None:
        match command:
            case "n" | "t":
                await self._home(self._cursor if command == "n" else None)
            case "o" | "r" | "f":
                note = self._numbered(rest)
                if note is None:
                    self._say(f"{command} wants the number of a note, as in: {command} 3")
                else:
                    await self._about(command, note)
            case "w":
                if text := await self._asked("Your note:"):
                    await self._tell(await self._client.post(text))
            case "m":
                await self._notifications()
            case "/":
                self._print((await self._client.search.find(rest, limit=PAGE, ask=False)).notes)
            case "s":
                await self._status()
            case "h" | "":
                self._say(HELP)
            case _:
                self._say("No such command. h lists them")

    # Reading

    async def _home(self, until: Cursor | None = None) -> None:
        notes = await self._client.timeline.home(until=until, limit=PAGE)
        if notes:
            self._cursor = notes[-1].cursor
            self._print(notes, go_on=until is not None)
        else:
            self._say("Nothing more is here." if until else "Nothing is here yet.")

    def _print(self, notes: Sequence[NoteView], *, go_on: bool = False) -> None:
        if not go_on:
            self._notes = []
        if not notes:
            self._say("Nothing was found.")
        for note in notes:
            self._notes.append(note)
            self._show(note, len(self._notes))

    def _show(self, note: NoteView, number: int, depth: int = 0, most: int = MOST_LINES) -> None:
        from nostr_client.cli.json_records import note_record
        from nostr_client.cli.plain_lines import note_lines

        lines = note_lines(note, depth, self._context.width, most)
        self._context.out.emit({"number": number, **note_record(note)}, f"{number}. {lines}")

    def _numbered(self, text: str) -> NoteView | None:
        number = int(text) if text.isdecimal() and len(text) < 6 else 0
        return self._notes[number - 1] if 0 < number <= len(self._notes) else None

    async def _about(self, command: str, note: NoteView) -> None:
        if command == "o":
            thread = await self._client.threads.fetch(note.event.id)
            self._notes = [item for _, item in thread.items]
            for number, (depth, item) in enumerate(thread.items, 1):
                self._show(item, number, depth, most=0)
        elif command == "f":
            await self._tell(await self._client.react(note.event.id, "+"))
        elif text := await self._asked("Your answer:"):
            await self._tell(await self._client.reply(note.event.id, text))

    async def _notifications(self) -> None:
        from nostr_client.cli.json_records import notification_record
        from nostr_client.cli.plain_lines import notification_line
        from nostr_client.social.notification_views import NotificationTab, unfolded

        page = await self._client.notifications.page(NotificationTab.ALL)
        rows = list(unfolded(page.rows))[:PAGE]
        people = await self._client.profiles.get_many({row.people[0] for row, _ in rows})
        seen = self._client.notifications.seen_until
        for row, strange in rows:
            record = notification_record(row, stranger=strange, new=row.at > seen)
            line = notification_line(row, people[row.people[0]], strange)
            self._context.out.emit(record, line)
        if not rows:
            self._say("Nothing has come for you yet.")

    async def _status(self) -> None:
        rows = [row for row in await self._client.relays.rows() if not row.own]
        up, unsent = sum(row.is_up for row in rows), await self._client.replication.pending()
        record = {"up": up, "relays": len(rows), "unsent": unsent}
        self._context.out.emit(record, f"{up} of {len(rows)} relays are up, {unsent} unsent")

    # Writing

    async def _asked(self, question: str) -> str:
        self._say(question)
        return (await _line() or "").strip()

    async def _tell(self, posted: Posted) -> None:
        from nostr_client.cli.json_records import posted_record
        from nostr_client.cli.plain_lines import posted_lines
        from nostr_client.cli.publish import own_url

        own = await own_url(self._client)
        self._context.out.emit(posted_record(posted, own), posted_lines(posted, own))

    def _say(self, words: str) -> None:
        if not self._context.json:
            self._context.out.emit({}, words)


async def _line() -> str | None:
    """The next line of standard input; None at its end. Whoever ends the program does not wait for
    it, as for a thread of the loop's own."""
    import asyncio
    import contextlib
    import sys
    from threading import Thread

    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def give(line: str) -> None:
        if not found.done():
            found.set_result(line)

    def read() -> None:
        line = sys.stdin.buffer.readline(LONGEST).decode(errors="replace")
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(give, line)

    Thread(target=read, daemon=True).start()
    return await found or None


def add_to(root: Group) -> None:
    """It stands at the top level; `--plain` means it, too."""
    add_command(root, "plain", plain, CLIENT)
