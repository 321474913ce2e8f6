"""What is taken, and what changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from nostr_client.errors import InvalidData, NostrError, ReleaseRefused, StoreError
from nostr_client.nips.nip82 import Release
from nostr_client.paths import FolderLock
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.releases import bundle_installer, installation, origin
from nostr_client.releases.evidence import SignedFile, events_in, lines_of, signed_files
from nostr_client.releases.installation import Installation, Installed
from nostr_client.releases.key_change import KeyChange
from nostr_client.releases.offers import FileOffer, ReleaseOffer
from nostr_client.releases.origin import ReleaseKeys
from nostr_client.releases.remembered import MOST_REMEMBERED, remembered
from nostr_client.releases.updating import prove, update
from tests.releases.made import (
    APP,
    AT,
    KEYS,
    NEXT,
    OFFLINE,
    RELEASER,
    STRANGER,
    bundle,
    digest_of,
    events_of,
    key_change,
    tree_of,
    with_sidecar,
    without_pip,
)

__all__ = ["without_pip"]

pytestmark = pytest.mark.usefixtures("without_pip")


@pytest.fixture
def here(tmp_path: Path, without_pip: None, monkeypatch: pytest.MonkeyPatch) -> Installation:
    """An installation of 0.2.0, born with `KEYS`."""
    monkeypatch.setattr(origin, "ORIGIN", tmp_path / "nowhere.json")
    keys = {"app": APP, "release_key": KEYS.release_key, "offline_key": KEYS.offline_key}
    bundle_installer.install(bundle(tmp_path / "first", "0.2.0", keys=keys), tmp_path / "root")
    return Installation(tmp_path / "root")


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    return bundle(tmp_path / "newer", "0.3.0")


def nobody(changes: Sequence[KeyChange]) -> bool:
    raise AssertionError("nobody was to be asked")


async def take(
    here: Installation, *offers: ReleaseOffer, agree: Callable[[Sequence[KeyChange]], bool] = nobody
) -> Installed:
    return (await update(here, offers, agree))[1]


async def refused(
    here: Installation,
    why: str,
    *offers: ReleaseOffer,
    agree: Callable[[Sequence[KeyChange]], bool] = nobody,
) -> str:
    """Nothing has changed; gives the words."""
    before = tree_of(here.root)
    with pytest.raises(ReleaseRefused) as caught:
        await take(here, *offers, agree=agree)
    assert caught.value.why == why, caught.value
    assert tree_of(here.root) == before
    return str(caught.value)


async def test_a_newer_release_is_taken_and_given_back(here: Installation, newer: Path) -> None:
    file = with_sidecar(newer, events_of(newer, "0.3.0"))
    assert (here.version, here.previous) == ("0.2.0", "")
    done = await take(here, FileOffer(file))
    assert (done.version, done.before) == ("0.3.0", "0.2.0")
    assert (here.version, here.previous) == ("0.3.0", "0.2.0")
    assert bundle_installer.works(
        here.root / "versions" / bundle_installer.read_current(here.root)[0], "0.3.0"
    )
    await refused(here, "downgrade", FileOffer(file))
    back = here.roll_back()
    assert (back.version, back.before, here.version) == ("0.2.0", "0.3.0", "0.2.0")
    assert here.roll_back().version == "0.3.0"
    here.roll_back()
    assert (await take(here, FileOffer(file))).before == "0.2.0"  # again, and it is there still
    assert len(list((here.root / "versions").glob("0*"))) == 2


async def test_the_last_three_versions_stay_for_programs_that_run_still(
    here: Installation, tmp_path: Path
) -> None:
    def there() -> list[str]:
        return sorted(each.name[:5] for each in (here.root / "versions").glob("0*"))

    for version in ("0.3.0", "0.4.0"):
        file = bundle(tmp_path / version, version)
        await take(here, FileOffer(with_sidecar(file, events_of(file, version))))
    assert there() == ["0.2.0", "0.3.0", "0.4.0"]
    file = bundle(tmp_path / "0.5.0", "0.5.0")
    await take(here, FileOffer(with_sidecar(file, events_of(file, "0.5.0"))))
    assert there() == ["0.3.0", "0.4.0", "0.5.0"]


@pytest.mark.parametrize("why", ["stale", "key-change", "withdrawn"])
async def test_what_another_process_learned_meanwhile_counts(
    why: str, here: Installation, newer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = events_of(newer, "0.3.0")
    with_sidecar(newer, said)
    if why == "stale":
        newest = bundle(tmp_path / "newest", "0.4.0")
        learned = events_of(newest, "0.4.0")
    elif why == "key-change":
        learned = key_change(RELEASER, OFFLINE)
    else:
        release = next(event for event in said if event.kind == kinds.SOFTWARE_RELEASE)
        learned = [Draft(kinds.DELETION, "", (("e", release.id),)).sign(RELEASER, AT + 5)]
    check = installation.check_bundle

    def meanwhile(data: bytes, file: SignedFile) -> object:
        """The last step before the lock."""
        Installation(here.root).remember(learned)
        return check(data, file)

    monkeypatch.setattr(installation, "check_bundle", meanwhile)
    with pytest.raises(ReleaseRefused) as caught:
        await take(here, FileOffer(newer))
    assert caught.value.why == why
    assert here.version == "0.2.0"


async def test_what_is_not_proven_changes_nothing(here: Installation, newer: Path) -> None:
    assert "nobody" in await refused(here, "unsigned", FileOffer(newer))
    with_sidecar(newer, events_of(newer, "0.3.0", key=STRANGER))
    assert "npub1" in await refused(here, "other-key", FileOffer(newer))
    good = events_of(newer, "0.3.0")
    forged = good[1].json.replace(good[1].sig.encode(), good[0].sig.encode())
    newer.with_name(f"{newer.name}.jsonl").write_bytes(good[0].json + b"\n" + forged)
    await refused(here, "forged", FileOffer(newer))
    changed = good[0].json.replace(b"0.3.0", b"0.4.0")
    newer.with_name(f"{newer.name}.jsonl").write_bytes(changed)
    await refused(here, "damaged", FileOffer(newer))
    with_sidecar(newer, good)
    newer.write_bytes(newer.read_bytes()[:-100])
    await refused(here, "unsigned", FileOffer(newer))


class Half:
    """A server that gives half of every file."""

    given = ""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def events(self, keys: ReleaseKeys) -> list[Event]:
        return events_of(self._file, "0.3.0")

    async def bytes_of(self, file: object) -> bytes:
        data = self._file.read_bytes()
        return data[: len(data) // 2]


class Cut(FileOffer):
    """A file of which half comes, with its events beside it."""

    async def bytes_of(self, file: object) -> bytes:
        return self.data[: len(self.data) // 2]


class Silent(Half):
    async def events(self, keys: ReleaseKeys) -> list[Event]:
        raise InvalidData("there was no answer")


async def test_half_of_a_file_changes_nothing(here: Installation, newer: Path) -> None:
    await refused(here, "damaged", Half(newer), Silent(newer))
    before = tree_of(here.root)
    with pytest.raises(InvalidData, match="no answer"):
        await take(here, Silent(newer), Silent(newer))
    assert tree_of(here.root) == before
    whole = FileOffer(newer)
    assert (await take(here, Silent(newer), Half(newer), whole)).version == "0.3.0"


async def test_an_older_one_is_stale_and_a_withdrawn_one_is_none(
    here: Installation, newer: Path, tmp_path: Path
) -> None:
    newest = bundle(tmp_path / "newest", "0.4.0")
    known = events_of(newest, "0.4.0")
    own = events_of(newer, "0.3.0")
    with_sidecar(newer, [*own, *known])
    await refused(here, "stale", FileOffer(newer))
    here.remember(known)  # said by somebody else before
    with_sidecar(newer, own)
    await refused(here, "stale", FileOffer(newer))
    deletion = Draft(5, "", (("e", known[1].id),)).sign(RELEASER, AT)
    by_stranger = Draft(5, "", (("e", own[1].id),)).sign(STRANGER, AT)
    with_sidecar(newer, [*own, deletion, by_stranger])
    assert (await take(here, FileOffer(newer))).version == "0.3.0"
    with_sidecar(newest, [*known, deletion])
    await refused(here, "withdrawn", FileOffer(newest))


async def test_a_release_that_is_replaced_names_its_file_no_more(
    here: Installation, newer: Path, tmp_path: Path
) -> None:
    better = bundle(tmp_path / "better", "0.3.0", says="0.3.0 ")
    bad = events_of(newer, "0.3.0")
    with_sidecar(newer, [*bad, *events_of(better, "0.3.0", at=AT + 1)])
    await refused(here, "withdrawn", FileOffer(newer))
    by_address = Draft(5, "", (("a", f"30063:{KEYS.release_key}:{APP}@0.3.0"),)).sign(RELEASER, AT)
    with_sidecar(newer, [*bad, by_address])
    await refused(here, "withdrawn", FileOffer(newer))


@pytest.mark.parametrize(
    ("why", "platform", "said"),
    [
        ("mixed-up", "", "0.5.0"),
        ("platform", "windows-x86_64", ""),
        ("downgrade", "", "0.1.0"),
    ],
)
async def test_mixed_up_files_are_refused(
    why: str, platform: str, said: str, here: Installation, newer: Path
) -> None:
    """The hash is right, and signed; but it is not what is said of it."""
    with_sidecar(newer, events_of(newer, "0.3.0", platform=platform, said=said))
    await refused(here, why, FileOffer(newer))


async def test_a_file_of_another_release_is_refused(
    here: Installation, newer: Path, tmp_path: Path
) -> None:
    """Its event is genuine, but the release that is newer names another one."""
    asset, _ = events_of(newer, "0.3.0")
    release = Release(app=APP, version="0.5.0", assets=(asset.id,)).draft().sign(RELEASER, AT)
    with_sidecar(newer, [asset, release])
    await refused(here, "withdrawn", FileOffer(newer))
    other = Release(app="other", version="0.3.0", assets=(asset.id,)).draft().sign(RELEASER, AT)
    with_sidecar(newer, [asset, other])
    await refused(here, "withdrawn", FileOffer(newer))


async def test_a_bundle_for_another_python_is_refused(here: Installation, tmp_path: Path) -> None:
    file = bundle(tmp_path, "0.3.0", pythons=["3.99"])
    with_sidecar(file, events_of(file, "0.3.0"))
    assert "3.99" in await refused(here, "platform", FileOffer(file))


async def test_whoever_was_born_without_a_key_takes_nothing(
    tmp_path: Path, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(origin, "ORIGIN", tmp_path / "origin.json")
    here = Installation(tmp_path / "root")
    with_sidecar(newer, events_of(newer, "0.3.0"))
    with pytest.raises(ReleaseRefused, match="born without") as caught:
        await take(here, FileOffer(newer))
    assert caught.value.why == "keyless"
    assert not here.root.exists()
    here.trust(KEYS)
    assert (await take(here, FileOffer(newer))).before == ""  # what runs is no environment of it


async def test_a_first_update_keeps_the_keys_that_were_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And takes none from the new version, whatever that was born with."""
    origin.write_keys(tmp_path / "origin.json", KEYS)
    monkeypatch.setattr(origin, "ORIGIN", tmp_path / "origin.json")
    others = {"app": APP, "release_key": STRANGER.public_key.hex}
    file = bundle(tmp_path / "new", "0.3.0", keys=others)
    with_sidecar(file, events_of(file, "0.3.0"))
    here = Installation(tmp_path / "root")
    await take(here, FileOffer(file))
    (tmp_path / "origin.json").unlink()
    assert here.keys() == KEYS


def by(*keys: SecretKey) -> list[Event]:
    return key_change(*keys)


@pytest.mark.parametrize(
    "statements",
    [
        by(RELEASER),
        by(OFFLINE),
        by(RELEASER, STRANGER),
        by(STRANGER, NEXT),
        [*key_change(RELEASER), *key_change(OFFLINE, offline=STRANGER.public_key.hex)],
        key_change(RELEASER, OFFLINE, new=RELEASER),
        key_change(RELEASER, OFFLINE, new=OFFLINE),
    ],
    ids=["release", "offline", "stranger", "others", "two-things", "itself", "one-key"],
)
async def test_one_key_alone_changes_no_key(
    statements: Sequence[Event], here: Installation, newer: Path
) -> None:
    with_sidecar(newer, [*events_of(newer, "0.3.0", key=NEXT), *statements])
    await refused(here, "other-key", FileOffer(newer))


async def test_two_keys_and_a_person_change_a_key(
    here: Installation, newer: Path, tmp_path: Path
) -> None:
    both = key_change(RELEASER, OFFLINE)
    with_sidecar(newer, [*events_of(newer, "0.3.0", key=NEXT), *both])
    asked: list[KeyChange] = []

    def says(answer: bool) -> Callable[[Sequence[KeyChange]], bool]:
        return lambda changes: asked.extend(changes) or answer  # type: ignore[func-returns-value]

    await refused(here, "key-change", FileOffer(newer), agree=says(False))
    assert [(each.old, each.new.release_key) for each in asked] == [
        (KEYS.release_key, NEXT.public_key.hex)
    ]
    # The old key is trusted no more by whoever knows of the change, person or not.
    old = bundle(tmp_path / "old", "0.3.1")
    with_sidecar(old, [*events_of(old, "0.3.1"), *both])
    await refused(here, "other-key", FileOffer(old), agree=says(True))
    assert (await take(here, FileOffer(newer), agree=says(True))).version == "0.3.0"
    assert here.keys() == ReleaseKeys(release_key=NEXT.public_key.hex, offline_key=KEYS.offline_key)
    with_sidecar(old, events_of(old, "0.3.1"))
    await refused(here, "other-key", FileOffer(old))


async def test_two_different_successors_are_trusted_neither(
    here: Installation, newer: Path
) -> None:
    more = key_change(RELEASER, OFFLINE, new=STRANGER)
    with_sidecar(
        newer, [*events_of(newer, "0.3.0", key=NEXT), *key_change(RELEASER, OFFLINE), *more]
    )
    await refused(here, "key-change", FileOffer(newer))


def no(changes: Sequence[KeyChange]) -> bool:
    return False


@pytest.mark.parametrize("why", ["key-change", "verified", "downgrade", "stale", "damaged"])
async def test_what_was_refused_once_is_not_believed_when_less_is_said(
    why: str, here: Installation, newer: Path, tmp_path: Path
) -> None:
    """Whoever stole the release key leaves out that another one follows."""
    file = newer
    more: list[Event] = []
    if why == "downgrade":
        file = bundle(tmp_path / "same", "0.2.0")
    elif why == "stale":
        newest = bundle(tmp_path / "newest", "0.4.0")
        more = events_of(newest, "0.4.0", key=NEXT)
    version = "0.2.0" if why == "downgrade" else "0.3.0"
    said = [*events_of(file, version, key=NEXT), *key_change(RELEASER, OFFLINE), *more]
    if why == "verified":
        await prove(here, [FileOffer(with_sidecar(file, said))])
    elif why == "damaged":
        with_sidecar(file, said)
        await refused(here, why, Cut(file), agree=no)
    else:
        await refused(here, why, FileOffer(with_sidecar(file, said)), agree=no)
    stolen = bundle(tmp_path / "stolen", "0.5.0")
    with_sidecar(stolen, events_of(stolen, "0.5.0", at=AT + 9))
    await refused(here, "other-key", FileOffer(stolen))


async def test_that_two_different_ones_follow_is_not_forgotten(
    here: Installation, newer: Path
) -> None:
    said = [*key_change(RELEASER, OFFLINE), *key_change(RELEASER, OFFLINE, new=STRANGER)]
    own = events_of(newer, "0.3.0")
    with_sidecar(newer, [*own, *said])
    await refused(here, "key-change", FileOffer(newer))
    with_sidecar(newer, own)
    await refused(here, "key-change", FileOffer(newer))


async def test_the_halves_of_a_change_may_come_one_after_the_other(
    here: Installation, newer: Path
) -> None:
    for each in (RELEASER, OFFLINE):
        with_sidecar(newer, key_change(each))
        await refused(here, "unsigned", FileOffer(newer))
    with_sidecar(newer, events_of(newer, "0.3.0"))
    await refused(here, "other-key", FileOffer(newer))


async def test_who_follows_later_is_told_of_a_change_that_was_taken(
    here: Installation, newer: Path
) -> None:
    """It leads to the keys that are trusted here by now, so that nothing here asks for it."""
    both = key_change(RELEASER, OFFLINE)
    with_sidecar(newer, [*events_of(newer, "0.3.0", key=NEXT), *both])
    await take(here, FileOffer(newer), agree=lambda changes: True)
    here.remember(key_change(RELEASER, OFFLINE, new=STRANGER))  # too late to be anybody's word
    proven = await prove(here, [FileOffer(newer)])
    assert {event.id for event in both} == {
        event.id for event in proven.evidence if event.kind == kinds.APPLICATION_DATA
    }


@pytest.mark.parametrize("named", ["release", "file", "address"])
async def test_what_was_withdrawn_stays_withdrawn(
    named: str, here: Installation, newer: Path
) -> None:
    """Its deletion alone is known; then comes a stick with the rest."""
    asset, release = events_of(newer, "0.3.0")
    tag = {
        "release": ("e", release.id),
        "file": ("e", asset.id),
        "address": ("a", f"30063:{KEYS.release_key}:{APP}@0.3.0"),
    }[named]
    deletion = Draft(kinds.DELETION, "", (tag,)).sign(RELEASER, AT)
    ours = Draft(kinds.DELETION, "", (("e", "f" * 64), ("k", "1"))).sign(RELEASER, AT)
    theirs = Draft(kinds.DELETION, "", (tag,)).sign(STRANGER, AT)
    with_sidecar(newer, [ours, theirs, deletion])
    await refused(here, "unsigned", FileOffer(newer))
    assert [event.id for event in here.known()] == [deletion.id]
    with_sidecar(newer, [asset, release])
    await refused(here, "withdrawn", FileOffer(newer))


def test_an_empty_address_withdraws_nothing(newer: Path) -> None:
    empty = Draft(kinds.DELETION, "", (("a", ""),)).sign(RELEASER, AT)
    assert signed_files([*events_of(newer, "0.3.0"), empty], KEYS)


async def test_a_stranger_pushes_nothing_out(here: Installation, newer: Path) -> None:
    """Nor does who has one of the keys push out what two of them say, by dates in the future."""
    good = [*events_of(newer, "0.3.0", key=NEXT), *key_change(RELEASER, OFFLINE)]
    change = KeyChange(KEYS.release_key, ReleaseKeys(release_key=STRANGER.public_key.hex))
    tags = change.draft().tags
    far = 4_000_000_000
    junk = [
        Draft(kinds.APPLICATION_DATA, str(n), tags).sign(STRANGER, far + n)
        for n in range(MOST_REMEMBERED + 1)
    ]
    thieves = [
        Draft(kinds.APPLICATION_DATA, str(n), tags).sign(RELEASER, far + n) for n in range(9)
    ]
    here.remember(good)
    kept = here.remember([*junk, *thieves])
    assert {event.id for event in good} <= {event.id for event in kept}
    assert len(kept) == len(good) + 1  # what one key says is known once, however often it says so
    with_sidecar(newer, [*good, *junk[:9]])
    proven = await prove(here, [FileOffer(newer)])
    assert not {STRANGER.public_key.hex} & {event.pubkey for event in proven.evidence}


def test_a_date_ahead_counts_as_now(newer: Path) -> None:
    """What is dated ahead is not before everything that will be signed in a hundred years."""
    ahead = Draft(kinds.DELETION, "", (("e", "0" * 64),)).sign(RELEASER, 4_000_000_000)
    many = [
        Draft(kinds.DELETION, "", (("e", f"{n:064x}"),)).sign(RELEASER, AT)
        for n in range(1, MOST_REMEMBERED + 2)
    ]
    kept = remembered(KEYS, [ahead], many, AT)
    assert len(kept) == MOST_REMEMBERED
    ids = [event.id for event in kept]
    assert ids == sorted(ids)  # all of one date
    assert remembered(KEYS, kept, many, AT) == kept


@pytest.mark.parametrize("step", ["make_environment", "write_launcher", "switch"])
async def test_whatever_fails_leaves_the_old_one(
    step: str, here: Installation, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_sidecar(newer, events_of(newer, "0.3.0"))
    before = bundle_installer.read_current(here.root)

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle_installer, step, full)
    with pytest.raises(StoreError, match="the disk is full"):
        await take(here, FileOffer(newer))
    assert bundle_installer.read_current(here.root) == before
    assert bundle_installer.works(here.root / "versions" / before[0], "0.2.0")
    monkeypatch.undo()
    assert here.version == "0.2.0"


async def test_there_is_room_or_nothing_changes(
    here: Installation, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_sidecar(newer, events_of(newer, "0.3.0"))
    before = tree_of(here.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    with pytest.raises(StoreError, match="there is no room"):
        await take(here, FileOffer(newer))
    assert tree_of(here.root) == before


async def test_two_at_once_are_one_after_the_other(
    here: Installation, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "_WAIT", 0.0)
    events = events_of(newer, "0.3.0")
    with_sidecar(newer, events)
    with FolderLock(here.root / "app.lock"):
        with pytest.raises(NostrError, match="in use"):
            here.remember(events)  # it reads the whole file, and writes it
        here.remember([])  # nothing is written
        with pytest.raises(NostrError, match="in use"):
            await take(here, FileOffer(newer))
    assert len(here.remember(events)) == 2
    with FolderLock(here.root / "app.lock"):
        here.remember(events)
        with pytest.raises(NostrError, match="in use"):
            await take(here, FileOffer(newer))
    with FolderLock(here.root / "app.lock"), pytest.raises(NostrError, match="in use"):
        await take(here, FileOffer(newer))


def test_there_is_no_way_back_to_what_does_not_work(here: Installation) -> None:
    with pytest.raises(ReleaseRefused, match="no version before"):
        here.roll_back()


def test_what_is_known_is_bounded_and_checked(here: Installation, newer: Path) -> None:
    events = events_of(newer, "0.3.0")
    here.remember(events)
    here.remember(events)
    assert {event.id for event in here.known()} == {event.id for event in events}
    many = lines_of(Draft(1, str(n)).sign(RELEASER, AT) for n in range(3)) * 200
    with pytest.raises(ReleaseRefused, match="more events"):
        events_in(many)
    (here.root / "releases.jsonl").write_text("nonsense\n")
    with pytest.raises(StoreError, match=r"releases\.jsonl"):
        here.known()


def test_the_keys_in_a_tree_are_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from nostr_client.nips.nip19 import encode_npub

    monkeypatch.setattr(origin, "ORIGIN", tmp_path / "origin.json")
    npubs = [encode_npub(key) for key in (KEYS.release_key, KEYS.offline_key)]
    assert origin.main([npubs[0], "--offline", npubs[0]]) == 1
    assert origin.born_with() is None
    assert origin.main([npubs[0], "--offline", npubs[1]]) == 0
    assert origin.read_keys(tmp_path / "origin.json") == KEYS
    (tmp_path / "origin.json").write_text('{"release_key": "nonsense"}')
    with pytest.raises(StoreError, match="hex"):
        origin.born_with()
    assert digest_of(tmp_path / "origin.json")
    capsys.readouterr()
