"""An account with something of everything, and its kit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from nostr_client.accounts.account import Account, Accounts
from nostr_client.accounts.keyring_store import KeyringStore
from nostr_client.bunker.files import BunkerFiles
from nostr_client.bunker.state import BunkerClient
from nostr_client.config import ClientConfig
from nostr_client.kit.account_parts import start_of
from nostr_client.kit.file_format import KitReader, read_head
from nostr_client.kit.making import KitDraft
from nostr_client.kit.records import KitCounts
from nostr_client.kit.restoring import RestoreReport, read_start, restore
from nostr_client.kit.secret import KitSecret, Passphrase
from nostr_client.nips.nip46 import Permission
from nostr_client.paths import Paths, private_folder, write_private
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.routing.auth_choices import auth_choices
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social.drafts import NEW_NOTE, DraftFile
from nostr_client.social.messages.archive import MessageArchive
from nostr_client.social.messages.records import KeptRumor
from nostr_client.social.scheduled import ScheduledNote
from nostr_client.social.writing import Writing
from nostr_client.store.contract import ClientStore, CopyGrade, StoreOptions
from nostr_client.store.opening import open_store
from tests.routing.rooms import ANA, BEN, CY, START, relay_list, signed

ME = ANA.public_key.hex
PASSWORD = "correct horse battery staple"
SECRET = Passphrase("a passphrase of some length", 4)
RELAY, OTHER = "wss://relay.example", "wss://other.example"
OWN_RELAY = "ws://127.0.0.1:4869"


def paths_in(folder: Path) -> Paths:
    return Paths(folder / "config", folder / "data", folder / "state")


async def account_in(paths: Paths) -> tuple[Accounts, Account]:
    accounts = Accounts(paths, work=4)
    return accounts, await accounts.import_key(ANA, "ana", password=PASSWORD)


def follows(*people: str, at: int = START) -> Event:
    return signed(kind=kinds.FOLLOWS, tags=tuple(("p", name) for name in people), at=at)


NOTES = [signed(content=f"note {n}", at=START + n) for n in range(5)]
VERSIONS = [follows(at=START + 1), follows(BEN.public_key.hex, at=START + 2)]
DELETED = signed(content="never mind")
ARTICLE = signed(kind=30023, tags=(("d", "gone"),), at=START)
LIST = follows(BEN.public_key.hex, CY.public_key.hex, at=START + 3)
OWN = [
    *NOTES,
    LIST,
    relay_list(ANA, RELAY),
    signed(kind=kinds.MUTES, content="sealed to itself"),
    signed(kind=30000, tags=(("d", "friends"),)),
    signed(
        kind=kinds.DELETION,
        tags=(("e", DELETED.id), ("a", ARTICLE.address or "")),
        at=START + 9,
    ),
]
WRAP = signed(CY, kinds.GIFT_WRAP, "sealed", (("p", ME),))
MESSAGES = [WRAP, signed(BEN, kinds.DIRECT_MESSAGE, "old?iv=x", (("p", ME),))]
SENT_WRAP = signed(CY, kinds.GIFT_WRAP, "to ben", (("p", BEN.public_key.hex),))
CONTACTS = [relay_list(BEN, OTHER), signed(CY, kinds.METADATA, "{}")]
STRANGE = signed(BEN, content="somebody's note")
DRAFT = "not sent yet"
LATER = ScheduledNote(id="0123456789abcdef", at=START + 500, writing=Writing(text="later"))
PROGRAM = BunkerClient("d" * 64, START, (RELAY,)).ruled([Permission("sign_event", "1")])
SAID = "what a wrap held " * 100_000


def scheduled_file(data: Path) -> Path:
    return private_folder(data / "scheduled" / ME) / f"{LATER.id}.json"


async def fill(store: ClientStore, data: Path) -> None:
    """Something of everything."""
    await store.keep_history_of([ME])
    await store.save([DELETED, ARTICLE, *VERSIONS])
    await store.save([*OWN, *MESSAGES, SENT_WRAP, *CONTACTS, STRANGE])
    ledger = store.ledger
    await ledger.want(NOTES[0].id, [RELAY, OTHER])
    await ledger.confirm([(NOTES[0].id, RELAY)], CopyGrade.READ_BACK)
    await ledger.refuse(NOTES[0].id, OTHER, "blocked", "no", final=True, next_try=0)
    await ledger.want(NOTES[1].id, [RELAY])
    await ledger.refuse(NOTES[1].id, RELAY, "error", "later", final=False, next_try=START + 99)
    await ledger.confirm([(CONTACTS[0].id, OTHER), (CONTACTS[0].id, OWN_RELAY)])
    await ledger.want(NOTES[0].id, [OWN_RELAY])
    await ledger.want(SENT_WRAP.id, [OTHER])
    DraftFile(Paths(data, data, data), ME, NEW_NOTE).write(DRAFT)
    write_private(scheduled_file(data), msgspec.json.encode(LATER))
    await auth_choices(data, ME).choose(RELAY, False)
    (data / f"reserves-{ME[:16]}.json").write_bytes(b'{"chosen":[]}')
    async with LocalSigner(ANA) as signer:
        bunker = BunkerFiles(data, ME)
        await bunker.key(signer, (RELAY,))
        await bunker.change(lambda state: state.with_client(PROGRAM))
        archive = MessageArchive(data / f"messages-{ME[:16]}.sealed", ME)
        await archive.unlock(signer)
        await archive.keep(
            [KeptRumor(WRAP.id, WRAP.id, CY.public_key.hex, START, 14, (("p", ME),), SAID)]
        )


async def make_kit(
    paths: Paths,
    path: Path,
    *,
    secret: KitSecret = SECRET,
    store: ClientStore | None = None,
    replace: bool = False,
    before_check: Callable[[KitDraft], None] = lambda draft: None,
) -> KitCounts:
    """The kit of the account in `paths`, made as the command makes it."""
    accounts = Accounts(paths, work=4, keyring=KeyringStore())
    account = accounts.find(ME)
    start = await start_of(accounts, account, secret, ClientConfig(), START, password=PASSWORD)
    with KitDraft(paths, path, ME, replace=replace) as draft:
        if store is not None:
            counts = await draft.write(start, secret, store)
        else:
            async with open_store(paths.data / "events.db") as opened:
                counts = await draft.write(start, secret, opened)
        before_check(draft)
        await draft.check()
        draft.finish()
    return counts


async def restore_kit(
    path: Path, store: ClientStore, data: Path, secret: KitSecret = SECRET
) -> RestoreReport:
    with path.open("rb") as file:
        header, head = read_head(file)
        reader = KitReader(file, header, head, secret.master(header))
        _, following = await read_start(reader)
        return await restore(following, ME, store, data)


KEEPING = StoreOptions(keep_history_of=[ME])
