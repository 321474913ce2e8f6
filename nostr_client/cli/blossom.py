"""`nostr-client blossom`: pictures and other files on media servers (Blossom, NIP-B7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from nostr_client.cli.command import CLIENT, add_command
from nostr_client.cli.people import AllowEmpty, Without
from nostr_client.command_line.tree import Argument, Group, Option
from nostr_client.command_line.waiting import wait_for
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nostr_client.cli.context import ClientContext
    from nostr_client.client import NostrClient
    from nostr_client.nips.nipb7 import BlobDescriptor
    from nostr_client.social.media.finding import FoundFile
    from nostr_client.social.media.uploads import UploadFile, UploadProgress, UploadReport
    from nostr_client.social.views import Posted

Server = Annotated[str, Argument(metavar="URL", help="A media server: https://HOST.")]
File = Annotated[str, Argument(metavar="FILE", help="A file on this machine.")]
What = Annotated[str, Argument(metavar="WHAT", help="A file's URL, or its SHA-256 in hex.")]
To = Annotated[
    list[str] | None,
    Option("--to", metavar="URL", help="This media server, in place of those in your list."),
]
At = Annotated[
    list[str] | None,
    Option("--at", metavar="URL", help="This media server, in place of those in your list."),
]
NO_SERVER: Final = "no media server is named: `nostr-client blossom add URL`"
By = Annotated[
    str, Option("--by", metavar="WHO", help="Who named it: their media servers may have it.")
]


def list_servers(context: ClientContext) -> None:
    """List your media servers (kind 10063), the most trusted first."""
    from nostr_client.cli.outcomes import conclude

    account = context.must_act()

    async def work() -> None:
        async with context.reading(account) as client:
            asked = await client.media.servers.fetch()
            for url in await client.media.servers.urls():
                context.out.emit({"server": url}, url)
            shown = await client.media.servers.event() is not None
            nothing = "no list of media servers was found"
            await conclude(context, client, asked.ends, shown=shown, nothing=nothing)

    wait_for(work())


def add(
    context: ClientContext,
    url: Server,
    *,
    first: Annotated[bool, Option("--first", help="The one to be asked before others.")] = False,
    start_empty: AllowEmpty = False,
    without: Without = None,
) -> None:
    """Name a media server: your files go there, and others look for them there."""
    from nostr_client.cli.publish import publish

    async def act(client: NostrClient) -> Posted | None:
        from nostr_client.routing.list_reading import Waiver

        waiver = Waiver(start_empty, without or ())
        return await client.media.servers.add(url, first=first, waiver=waiver)

    publish(context, act, unchanged="there already")


def remove(context: ClientContext, url: Server, without: Without = None) -> None:
    """Name a media server no more. What lies there stays there."""
    from nostr_client.cli.publish import publish

    async def act(client: NostrClient) -> Posted | None:
        from nostr_client.routing.list_reading import Waiver

        return await client.media.servers.remove(url, waiver=Waiver(without=without or ()))

    publish(context, act, unchanged="not there anyway")


def upload(
    context: ClientContext,
    file: File,
    *,
    alt: Annotated[str, Option("--alt", help="What is on it, for whoever does not see it.")] = "",
    to: To = None,
    as_it_is: Annotated[
        bool, Option("--as-it-is", help="It may say where, when and by whom it was made.")
    ] = False,
) -> None:
    """Have a file served by two media servers, and print its address and `imeta` tag.

    What a JPEG, PNG, WebP or GIF says of its maker is left out. What is served was read back.
    """
    from pathlib import Path

    from nostr_client.social.media.uploads import MetadataUnknown, read_file

    try:
        ready = read_file(Path(file), alt=alt, as_it_is=as_it_is)
    except MetadataUnknown as error:
        raise CommandError(f"{error}: --as-it-is says so", Exit.USAGE) from error
    _put(context, ready, to)


def mirror(context: ClientContext, what: What, *, by: By = "", to: To = None) -> None:
    """Have a file that is somewhere already served by your media servers, too."""
    from nostr_client.social.media.blossom import Blob
    from nostr_client.social.media.file_form import type_of
    from nostr_client.social.media.uploads import UploadFile

    signer = context.signer()

    async def work() -> None:
        async with context.writing(signer) as client:
            found = await _find(client, what, by)
            file = UploadFile(Blob.of(found.data, type_of(found.data)))
            servers = to or await client.media.servers.urls()
            report = await client.media.upload(file, servers, wanted=len(servers))
            _conclude(context, report)

    wait_for(work())


def check(context: ClientContext, what: What, *, by: By = "", to: To = None) -> None:
    """Read a file back from each of your media servers, and look whether it is the same."""
    from nostr_client.social.media.blossom import Blob
    from nostr_client.social.media.file_form import type_of

    account = context.must_act()

    async def work() -> None:
        async with context.reading(account) as client:
            found = await _find(client, what, by)
            blob = Blob.of(found.data, type_of(found.data))
            answers = await client.media.check(blob, to or await client.media.servers.urls())
            for answer in answers:
                record = {"server": answer.server, "served": answer.served, "url": answer.url}
                context.out.emit({**record, "words": answer.words}, str(answer))
            if not answers:
                context.out.note(NO_SERVER)
            if not answers or not all(answer.served for answer in answers):
                context.exit_code = Exit.INCOMPLETE

    wait_for(work())


def get(
    context: ClientContext,
    what: What,
    file: Annotated[
        str, Argument(metavar="FILE", help="Where it goes; must not exist. - is standard output.")
    ],
    *,
    by: By = "",
) -> None:
    """Fetch a file and check its hash; where its address is dead, by its hash from others."""
    import asyncio
    import sys
    from pathlib import Path

    from nostr_client.paths import write_private

    target = Path(file)
    if file == "-" and sys.stdout.isatty():
        raise CommandError("the bytes of a file are nothing for a terminal", Exit.USAGE)
    if file != "-" and target.exists():
        raise CommandError(f"{target} is there already", Exit.USAGE)

    async def work() -> None:
        async with context.reading(context.acting()) as client:
            found = await _find(client, what, by)
            size = len(found.data)
            words = f"{size} bytes saved, {'checked' if found.checked else 'of no known hash'}"
            record = {"file": file, "bytes": size, "url": found.url, "checked": found.checked}
            if file == "-":
                await asyncio.to_thread(sys.stdout.buffer.write, found.data)
                context.out.note(words, record)
                return
            await asyncio.to_thread(write_private, target, found.data)
            context.out.emit(record, words)

    wait_for(work())


def files(context: ClientContext, at: At = None) -> None:
    """List the files that your media servers say you have there; not every server tells."""
    signer = context.signer_at_hand()

    async def work() -> None:
        from nostr_client.errors import InvalidData, RelayError

        opened = context.reading(context.must_act()) if signer is None else context.writing(signer)
        async with opened as client:
            servers = at or await client.media.servers.urls()
            shown, refused, silent = 0, 0, 0
            for server in servers:
                try:
                    found = await client.media.files_at(server)
                except InvalidData as error:
                    refused += 1
                    context.out.fault(f"{server}: {error}", _untold(server, str(error)))
                    continue
                except RelayError as error:
                    silent += 1
                    context.out.fault(f"{server}: {error.message}", _untold(server, error.message))
                    continue
                for one in found:
                    _show_file(context, server, one)
                shown += len(found)
            if shown:
                context.exit_code = Exit.INCOMPLETE if refused or silent else Exit.DONE
            elif not servers:
                raise CommandError(NO_SERVER, Exit.NOT_FOUND)
            elif silent == len(servers):
                raise CommandError("no media server answered", Exit.NO_ANSWER)
            elif refused + silent == len(servers):
                raise CommandError("no media server says what it has", Exit.NOT_ALLOWED)
            else:
                raise CommandError("no file of yours is there", Exit.NOT_FOUND)

    wait_for(work())


def _untold(server: str, why: str) -> dict[str, Any]:
    return {"server": server, "problem": why}


def _show_file(context: ClientContext, server: str, file: BlobDescriptor) -> None:
    from nostr_client.cli.plain_lines import when
    from nostr_client.nips.nipb7 import blob_url
    from nostr_client.safe_text import safe_line

    url = file.url or blob_url(server, file.sha256)
    record = {
        "server": server,
        "sha256": file.sha256,
        "size": file.size,
        "type": file.type,
        "uploaded": file.uploaded,
        "url": url,
    }
    at = f"  {when(file.uploaded)}" if file.uploaded else ""
    context.out.emit(record, f"{safe_line(url, 200)}  {file.size} bytes{at}")


def delete(
    context: ClientContext,
    what: What,
    *,
    at: At = None,
    yes: Annotated[bool, Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Have your media servers delete a file of yours; the copy that is kept here stays.

    Whoever has it has it still, and a note that names it names it still.
    """
    from nostr_client.cli import secret_input
    from nostr_client.nips.nipb7 import hash_in

    digest = hash_in(what)
    if not digest:
        raise CommandError("which file? Its URL has its hash in it, or give that", Exit.USAGE)
    signer = context.signer()
    where = ", ".join(at) if at else "all of your media servers"
    if not yes and not secret_input.ask_yes(f"Delete {digest} from {where}?"):
        raise CommandError("nothing was deleted", Exit.USAGE)

    async def work() -> None:
        async with context.writing(signer) as client:
            answers = await client.media.delete(digest, at or await client.media.servers.urls())
        if not answers:
            raise CommandError(NO_SERVER, Exit.NOT_FOUND)
        for answer in answers:
            record = {"server": answer.server, "sha256": digest, "deleted": answer.deleted}
            context.out.emit({**record, "words": answer.words}, str(answer))
        if not any(answer.deleted for answer in answers):
            gone = all(answer.state is ServerState.MISSING for answer in answers)
            context.exit_code = Exit.NOT_FOUND if gone else Exit.NOT_ACCEPTED
        elif not all(answer.deleted or answer.state is ServerState.MISSING for answer in answers):
            context.exit_code = Exit.INCOMPLETE

    from nostr_client.social.media.blossom import ServerState

    wait_for(work())


async def _find(client: NostrClient, what: str, by: str) -> FoundFile:
    """Raises CommandError where it is nowhere, as `FileFinder.find` else."""
    from nostr_client.errors import RelayError
    from nostr_client.nips.nip92 import MediaItem
    from nostr_client.nips.nipb7 import blob_url
    from nostr_client.protocol.keys import is_hex64
    from nostr_client.social.media.uploads import MOST_BYTES

    author = await client.profiles.resolve(by) if by else client.pubkey
    url, digest = what, ""
    if is_hex64(what):
        servers = await client.media.servers.of(author) if author else ()
        url, digest = blob_url(next(iter(servers), "https://nowhere.invalid"), what), what
    try:
        item = MediaItem(url=url, sha256=digest)
        return await client.media.find(item, author, most_bytes=MOST_BYTES)
    except RelayError as error:
        raise CommandError(f"it was not found: {error}", Exit.NO_ANSWER) from error


def _put(context: ClientContext, file: UploadFile, to: Sequence[str] | None) -> None:
    signer = context.signer()

    at: list[UploadProgress] = []

    def tell(upload: UploadProgress) -> None:
        at[:] = [upload]
        if upload.step == "done" and upload.answer is not None:
            context.out.note(str(upload.answer))

    def words() -> str:
        return "".join(f"{one.server}: {one.step}, {one.sent:,} of {one.size:,}" for one in at)

    async def work() -> None:
        from nostr_client.cli.progress import progress

        async with context.writing(signer) as client, progress(context, words):
            if not to:
                await client.media.servers.fetch()
            _conclude(context, await client.media.upload(file, to or (), on_progress=tell))

    wait_for(work())


def _conclude(context: ClientContext, report: UploadReport) -> None:
    """Raises UploadFailed where nobody serves it."""
    from nostr_client.nips.nip92 import imeta_tag

    item = report.item()
    tag = imeta_tag(item)
    servers = [
        {"server": each.server, "served": each.served, "words": each.words}
        for each in report.answers
    ]
    record: dict[str, Any] = {
        "url": item.url,
        "sha256": item.sha256,
        "imeta": list(tag),
        "servers": servers,
        "kept": report.kept,
    }
    context.out.emit(record, f"{item.url}\n{report}")
    if report.lacking:
        context.exit_code = Exit.INCOMPLETE


def add_to(root: Group) -> None:
    """One group."""
    group = root.group("blossom", "Your pictures and files on media servers (Blossom, NIP-B7).")
    for name, function in (
        ("list", list_servers),
        ("add", add),
        ("remove", remove),
        ("upload", upload),
        ("get", get),
        ("check", check),
        ("mirror", mirror),
        ("files", files),
        ("delete", delete),
    ):
        add_command(group, name, function, CLIENT)
