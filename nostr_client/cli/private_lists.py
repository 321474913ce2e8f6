"""`nostr-client mute`, `bookmark`, `private-relay`, `search-relay`: lists with a private part.

NIP-51, 37, 50.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.people import AllowEmpty, Without
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.protocol.event import Tag
    from nostr_client.routing.list_reading import Waiver
    from nostr_client.social.lists import EntryList
    from nostr_client.social.views import Posted

Muted = Annotated[
    str,
    Argument(
        metavar="WHAT",
        help="npub, nprofile, hex or name@domain; #hashtag; word:TEXT; a note's code: its thread.",
    ),
]
Kept = Annotated[str, Argument(metavar="NOTE", help="note1, nevent1 or hex.")]
Url = Annotated[str, Argument(metavar="URL", help="A relay's address.")]
Public = Annotated[bool, Option("--public", help="For everybody to see; else encrypted.")]


def mute(
    context: ClientContext,
    what: Muted,
    *,
    public: Public = False,
    start_empty: AllowEmpty = False,
    without: Without = None,
) -> None:
    """Put somebody, a hashtag, a word or a thread on your mute list: feeds leave it out.

    Only you can see what is on it, unless it is --public.
    """
    _add(
        context, _mutes, lambda client: _muted(client, what), public, _waiver(without, start_empty)
    )


def unmute(context: ClientContext, what: Muted, without: Without = None) -> None:
    """Take it off your mute list, public or private."""
    _remove(context, _mutes, lambda client: _muted(client, what), without)


def list_mutes(context: ClientContext) -> None:
    """List what is on your mute list."""
    _list(context, _mutes, "no list of mutes was found")


def keep(
    context: ClientContext,
    note: Kept,
    *,
    public: Public = False,
    start_empty: AllowEmpty = False,
    without: Without = None,
) -> None:
    """Bookmark a note; only you can see that, unless it is --public."""
    _add(context, _bookmarks, lambda _: _note(note), public, _waiver(without, start_empty))


def drop(context: ClientContext, note: Kept, without: Without = None) -> None:
    """Take a note out of your bookmarks, public or private."""
    _remove(context, _bookmarks, lambda _: _note(note), without)


def list_bookmarks(context: ClientContext) -> None:
    """List your bookmarks."""
    _list(context, _bookmarks, "no list of bookmarks was found")


def add_relay(
    context: ClientContext,
    url: Url,
    *,
    start_empty: AllowEmpty = False,
    without: Without = None,
) -> None:
    """Name a relay for what only you can read, as drafts; only you can see that."""
    waiver = _waiver(without, start_empty)
    _add(context, _private_relays, lambda _: _relay(url), False, waiver)


def remove_relay(context: ClientContext, url: Url, without: Without = None) -> None:
    """Take a relay out of that list."""
    _remove(context, _private_relays, lambda _: _relay(url), without)


def list_relays(context: ClientContext) -> None:
    """List your private relays (kind 10013)."""
    _list(context, _private_relays, "no list of private relays was found")


def add_search(
    context: ClientContext,
    url: Url,
    *,
    public: Public = False,
    start_empty: AllowEmpty = False,
    without: Without = None,
) -> None:
    """Have this relay search for you; only you can see that, unless it is --public."""
    waiver = _waiver(without, start_empty)
    _add(context, _search_relays, lambda _: _relay(url), public, waiver)


def remove_search(context: ClientContext, url: Url, without: Without = None) -> None:
    """Take a relay out of that list, public or private."""
    _remove(context, _search_relays, lambda _: _relay(url), without)


def list_search(context: ClientContext) -> None:
    """List the relays that search for you (kind 10007)."""
    _list(context, _search_relays, "no list of search relays was found")


def block(
    context: ClientContext,
    url: Url,
    *,
    public: Public = False,
    start_empty: AllowEmpty = False,
    without: Without = None,
) -> None:
    """Never dial a relay again; only you can see that, unless it is --public."""

    async def entry(client: NostrClient) -> Tag:
        chosen = client.blocked_relays.entry(url)
        mine = await client.book.relays_of(client.pubkey)
        inboxes = (await client.book.dm_relays([client.pubkey])).get(client.pubkey, ())
        if chosen[1] in (*mine.write, *mine.read, *inboxes):
            context.out.note(
                f"{chosen[1]} is on a list of your own relays still: others look for you there, and"
                " you do not any more"
            )
        return chosen

    _add(context, _blocked_relays, entry, public, _waiver(without, start_empty))


def unblock(context: ClientContext, url: Url, without: Without = None) -> None:
    """Dial a relay again where it is named."""

    async def entry(client: NostrClient) -> Tag:
        return client.blocked_relays.entry(url)

    _remove(context, _blocked_relays, entry, without)


def list_blocked(context: ClientContext) -> None:
    """List the relays that are never dialled."""
    _list(context, _blocked_relays, "no list of blocked relays was found")


def _blocked_relays(client: NostrClient) -> EntryList:
    return client.blocked_relays


def _search_relays(client: NostrClient) -> EntryList:
    return client.search.relays


def _private_relays(client: NostrClient) -> EntryList:
    return client.private_relays


async def _relay(url: str) -> Tag:
    from nostr_client.social.private_relays import PrivateRelays

    return PrivateRelays.entry(url)


def _mutes(client: NostrClient) -> EntryList:
    return client.mutes


def _bookmarks(client: NostrClient) -> EntryList:
    return client.bookmarks


async def _muted(client: NostrClient, what: str) -> Tag:
    from nostr_client.nips import nip19
    from nostr_client.social.mutes import muted_thread, muted_topic, muted_word

    if what.startswith("#"):
        return muted_topic(what)
    if what.startswith("word:"):
        return muted_word(what[5:])
    if what.removeprefix("nostr:").startswith(("note1", "nevent1")):
        note = nip19.event_of(what)
        return muted_thread(await client.notes.find(note.id, near=note.relays))
    return ("p", await client.profiles.resolve(what))


async def _note(text: str) -> Tag:
    from nostr_client.cli.note_refs import note_ref

    note = note_ref(text)
    return ("e", note.id, note.relays[0]) if note.relays else ("e", note.id)


def _waiver(without: list[str] | None, start_empty: bool = False) -> Waiver:
    from nostr_client.routing.list_reading import Waiver

    return Waiver(start_empty, without or ())


def _add(
    context: ClientContext,
    chosen: Callable[[NostrClient], EntryList],
    entry: Callable[[NostrClient], Awaitable[Tag]],
    public: bool,
    waiver: Waiver,
) -> None:
    from nostr_client.cli.publish import publish

    async def act(client: NostrClient) -> Posted | None:
        return await chosen(client).add(await entry(client), public=public, waiver=waiver)

    publish(context, act, unchanged="there already")


def _remove(
    context: ClientContext,
    chosen: Callable[[NostrClient], EntryList],
    entry: Callable[[NostrClient], Awaitable[Tag]],
    without: list[str] | None,
) -> None:
    from nostr_client.cli.publish import publish

    async def act(client: NostrClient) -> Posted | None:
        return await chosen(client).remove(await entry(client), waiver=_waiver(without))

    publish(context, act, unchanged="not there anyway")


def _list(context: ClientContext, chosen: Callable[[NostrClient], EntryList], nothing: str) -> None:
    from nostr_client.cli.outcomes import conclude
    from nostr_client.social.lists import CLOSED

    signer = context.signer()

    async def work() -> None:
        async with context.writing(signer) as client:
            held = chosen(client)
            asked = await held.fetch()
            entries = await held.entries()
            for public, tags in ((True, entries.public), (False, entries.private)):
                for tag in tags:
                    side = "public" if public else "private"
                    context.out.emit({"public": public, "entry": list(tag)}, _line(side, tag))
            if entries.closed:
                context.out.note(CLOSED)
            shown = await held.event() is not None
            await conclude(context, client, asked.ends, shown=shown, nothing=nothing)

    wait_for(work())


def _line(side: str, tag: Tag) -> str:
    from nostr_client.nips import nip19
    from nostr_client.protocol.keys import is_hex64
    from nostr_client.safe_text import safe_line

    name, value = tag[0], tag[1] if len(tag) > 1 else ""
    if name == "p" and is_hex64(value):
        value = nip19.encode_npub(value)
    elif name == "e" and is_hex64(value):
        value = nip19.encode_note(value)
    return f"{side:7}  {safe_line(name)}  {safe_line(value)}"


def add_to(root: Group) -> None:
    """A group for each list."""
    mutes = root.group("mute", "Your mute list (NIP-51): what feeds leave out.")
    add_command(mutes, "list", list_mutes, CLIENT)
    add_command(mutes, "add", mute, CLIENT)
    add_command(mutes, "remove", unmute, CLIENT)
    bookmarks = root.group("bookmark", "What you keep for later.")
    add_command(bookmarks, "list", list_bookmarks, CLIENT)
    add_command(bookmarks, "add", keep, CLIENT)
    add_command(bookmarks, "remove", drop, CLIENT)
    private = root.group("private-relay", "Where you keep what only you can read (NIP-37).")
    add_command(private, "list", list_relays, CLIENT)
    add_command(private, "add", add_relay, CLIENT)
    add_command(private, "remove", remove_relay, CLIENT)
    searches = root.group("search-relay", "Relays that search for you (NIP-50).")
    add_command(searches, "list", list_search, CLIENT)
    add_command(searches, "add", add_search, CLIENT)
    add_command(searches, "remove", remove_search, CLIENT)
