"""`nostr-client outbox`: where somebody writes and reads, and how that is known (NIP-65)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from nostr_client.cli.command import ASKING, add_command
from nostr_client.command_line.tree import Argument, Group
from nostr_client.command_line.waiting import wait_for

if TYPE_CHECKING:
    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.protocol.event import Event
    from nostr_client.routing.planner import PersonRelays


def outbox(
    context: ClientContext,
    who: Annotated[
        str, Argument(metavar="[WHO]", help="npub, nprofile, hex or name@domain. Default: you.")
    ] = "",
) -> None:
    """Say where somebody writes, reads and gets messages, and from where that is known."""
    account = context.acting() if who else context.must_act()

    async def work() -> None:
        from nostr_client.cli.outcomes import conclude
        from nostr_client.protocol import kinds
        from nostr_client.routing.fetch_results import FetchReport

        async with context.asking() as client:
            pubkey = await client.profiles.resolve(who or (account.pubkey if account else ""))
            asked = FetchReport()
            for kind in (kinds.RELAY_LIST, kinds.DM_RELAYS):
                asked.add(
                    await client.courier.fetch_lists(
                        [pubkey], kind=kind, limit=context.timeout, again=True
                    )
                )
            known = await client.book.relays_of(pubkey)
            record = await _record(client, known)
            context.out.emit(record, "\n".join(_lines(record)))
            shown = bool(known.source != "fallback" or record["messages"])
            nothing = "it is not known where they write"
            await conclude(context, client, asked.ends, shown=shown, nothing=nothing)

    wait_for(work())


async def _record(client: NostrClient, known: PersonRelays) -> dict[str, Any]:
    from nostr_client.nips import nip19
    from nostr_client.protocol import kinds
    from nostr_client.protocol.event import event_address

    pubkey = known.pubkey
    listed = await client.store.get_address(event_address(kinds.RELAY_LIST, pubkey))
    boxes = await client.book.dm_relays([pubkey])
    return {
        "pubkey": pubkey,
        "npub": nip19.encode_npub(pubkey),
        "source": known.source,
        "write": list(known.write),
        "read": list(known.read),
        "messages": list(boxes.get(pubkey, ())),
        "hints": list(known.hints),
        "list": listed.id if listed else None,
        "list_at": listed.created_at if listed else None,
        "list_from": await _seen_at(client, listed),
    }


async def _seen_at(client: NostrClient, event: Event | None) -> list[str]:
    """The relays that have the list."""
    from nostr_client.store.contract import CopyState

    copies = await client.copies.copies(event.id) if event else []
    return [copy.url for copy in copies if copy.state is CopyState.CONFIRMED]


def _lines(record: dict[str, Any]) -> list[str]:
    from nostr_client.cli.plain_lines import when

    sources = {
        "list": "says their relay list",
        "hint": "as others say: no relay list of theirs was found",
        "fallback": "nobody says where they write",
    }
    listed = f" of {when(record['list_at'])}" if record["list_at"] else ""
    lines = [f"{record['npub']}: {sources[record['source']]}{listed}"]
    names = {"write": "writes", "read": "reads", "messages": "messages", "list_from": "list from"}
    for name, word in names.items():
        lines += [f"  {word:<9} {url}" for url in record[name]]
    return lines


def add_to(root: Group) -> None:
    """It stands at the top level."""
    add_command(root, "outbox", outbox, ASKING)
