"""Drafts on disk."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from nostr_client.errors import SignerUnavailable, SigningRefused, StoreError
from nostr_client.paths import Paths
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.social import drafts
from nostr_client.social.drafts import LONGEST, DraftFile, DraftSaver, SealedDraftSaver

ME = "ab" * 32


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "config", tmp_path / "data", tmp_path / "state")


def draft(where: Paths, name: str = drafts.NEW_NOTE) -> DraftFile:
    return DraftFile(where, ME, name)


def test_a_draft_is_private_and_comes_back(where: Paths) -> None:
    one = draft(where)
    assert one.read() == ""
    one.write("half a\nthought 日本")
    assert one.read() == "half a\nthought 日本"
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(one.path.parent.stat().st_mode) == 0o700
    assert draft(where, drafts.name_of("cd" * 32)).read() == "", "each has its own"


def test_nothing_but_blanks_leaves_no_file(where: Paths) -> None:
    one = draft(where)
    one.write("something")
    one.write("  \n")
    assert not one.path.exists()
    one.drop()


@pytest.mark.parametrize("data", [b"half \xf0\x9f", b"w" * (LONGEST + 5)], ids=["broken", "long"])
def test_what_cannot_be_read_whole_is_kept_beside(where: Paths, data: bytes) -> None:
    one = draft(where)
    for number in (1, 2):
        one.write("x")
        one.path.write_bytes(data)
        text = one.read()
        one.write(f"{text[:100]} more")
        assert one.path.with_suffix(f".damaged-{number}").read_bytes() == data
    assert one.read()[:4] == data[:4].decode()


async def test_a_draft_that_cannot_be_read_at_all_is_never_overwritten(where: Paths) -> None:
    one = draft(where)
    one.path.mkdir(parents=True)
    (one.path / "inside").write_text("not lost")
    saver = DraftSaver(one)
    with pytest.raises(StoreError, match=r"kept as .*damaged-1"):
        await saver.load()
    saver.typed("another")
    await saver.flush()
    assert one.read() == "another"
    aside = one.path.with_suffix(".damaged-1")
    assert saver.aside == aside
    assert (aside / "inside").read_text() == "not lost"


async def test_what_cannot_even_be_set_aside_stays(
    where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = draft(where)
    one.path.mkdir(parents=True)
    saver = DraftSaver(one)
    with monkeypatch.context() as patch:
        patch.setattr(drafts, "MOST_ASIDE", 1)
        with pytest.raises(StoreError):
            await saver.load()
        for text in ("another", ""):
            saver.typed(text)
            with pytest.raises(StoreError, match="move it away"):
                await saver.flush()
        assert one.path.is_dir()
    saver.typed("another")
    await saver.flush()
    assert one.read() == "another"
    assert one.path.with_suffix(".damaged-1").is_dir()


def test_a_name_leads_nowhere_else(where: Paths) -> None:
    with pytest.raises(ValueError, match="named by"):
        draft(where, "../../escape")


async def test_the_last_text_is_the_one_kept(where: Paths) -> None:
    saver = DraftSaver(draft(where))
    saver.typed("one")
    saver.typed("two")
    await saver.flush()
    assert await saver.load() == "two"
    await saver.sent(" two\n")
    assert await saver.load() == ""


async def test_a_sent_text_is_no_draft_and_takes_no_other_with_it(where: Paths) -> None:
    first = DraftSaver(draft(where))
    first.typed("first")
    await first.flush()
    second = DraftSaver(draft(where))
    with first.sending("first"):
        assert await second.load() == "", "it is on its way: not offered again"
    assert await second.load() == "first"
    second.typed("second")
    await second.flush()
    await first.sent("first")
    assert draft(where).read() == "second"
    await first.put_back("first")
    assert draft(where).read() == "first\n\nsecond", "it was not sent after all"


@pytest.mark.parametrize("sealed", [False, True])
async def test_what_is_on_its_way_is_not_lost_to_what_is_begun_since(
    where: Paths, sealed: bool
) -> None:
    """A signer may take minutes, and we may be killed meanwhile."""

    def saver() -> DraftSaver:
        if not sealed:
            return DraftSaver(draft(where))
        return SealedDraftSaver(draft(where), LocalSigner(SecretKey(b"\x01" * 32)))

    async def begin(first: DraftSaver, second: DraftSaver) -> None:
        """The second one is written twice while the first is on its way."""
        await first.flush()
        for text in ("beg", "begun"):
            second.typed(text)
            await second.flush()

    first, second = saver(), saver()
    first.typed("first")
    with first.sending("first"):
        await begin(first, second)
        assert await saver().load() == "begun", "it is on its way: not offered again"
        await first.sent("first")
    assert await saver().load() == "begun"
    files = list(draft(where).path.parent.iterdir())
    assert files == [draft(where).path], "nothing else is left of it"

    await second.sent("begun")
    first, second = saver(), saver()
    first.typed("first")
    with first.sending("first"):
        await begin(first, second)
    assert await saver().load() == "first\n\nbegun", "we were killed, and it was not sent"
    assert await saver().load() == "first\n\nbegun"
    assert list(draft(where).path.parent.iterdir()) == files


def test_what_comes_back_twice_stands_there_once_and_goes_again(where: Paths) -> None:
    file = draft(where)
    file.write("begun")
    assert file.put_back("first") == "begun"
    both = "first\n\nbegun"
    assert file.put_back("first") == both
    assert file.read() == both, "we were ended before it was taken from where it lay"
    file.take_out("first", "begun")
    assert file.read() == "begun"
    file.put_back("begun, and more")
    file.take_out("begun, and more", "begun")
    assert file.read() == "begun"
    file.put_back("first")
    file.write("first\n\nbegun and written on")
    file.take_out("first", "begun")
    assert file.read() == "first\n\nbegun and written on"
    file.drop()
    file.put_back("first")
    file.take_out("first", "")
    assert not file.path.exists()


@pytest.mark.parametrize("sealed", [False, True])
async def test_what_was_kept_of_it_before_was_not_begun_since(where: Paths, sealed: bool) -> None:
    def saver() -> DraftSaver:
        if not sealed:
            return DraftSaver(draft(where))
        return SealedDraftSaver(draft(where), LocalSigner(SecretKey(b"\x01" * 32)))

    first = saver()
    first.typed("one")  # then the disk was full
    await first.flush()
    await saver().put_back("one, two")
    assert await saver().load() == "one, two"


async def test_a_draft_that_could_not_be_written_is_not_forgotten(where: Paths) -> None:
    one = draft(where)
    where.data.parent.mkdir(parents=True, exist_ok=True)
    where.data.write_text("no room here")
    saver = DraftSaver(one)
    saver.typed("still here")
    for _ in range(2):
        with pytest.raises(StoreError):
            await saver.flush()
    where.data.unlink()
    await saver.flush()
    assert one.read() == "still here"


async def test_a_disk_that_is_full_is_said(where: Paths, tmp_path: Path) -> None:
    (where.data).parent.mkdir(parents=True, exist_ok=True)
    where.data.write_text("a file where the folder should be")
    saver = DraftSaver(draft(where))
    saver.typed("text")
    with pytest.raises(StoreError):
        await saver.flush()


async def test_a_private_draft_that_does_not_open_is_kept_beside_the_next(where: Paths) -> None:
    one, other = (LocalSigner(SecretKey(bytes([n]) * 32)) for n in (1, 2))
    file = draft(where, "room-1")
    saver = SealedDraftSaver(file, one)
    saver.typed("for your eyes only")
    await saver.flush()
    sealed = file.path.read_bytes()
    assert b"eyes" not in sealed
    with pytest.raises(StoreError, match="kept as"):
        await SealedDraftSaver(file, other).load()
    stranger = SealedDraftSaver(file, other)
    stranger.typed("another")
    await stranger.flush()
    (aside,) = file.path.parent.glob("room-1.damaged-*")
    assert aside.read_bytes() == sealed


class Away(LocalSigner):
    """One that opens nothing at the moment."""

    problem: type[Exception] | None = None

    async def nip44_decrypt(self, peer: str, payload: str) -> str:
        if self.problem is not None:
            raise self.problem("not now")
        return await super().nip44_decrypt(peer, payload)


@pytest.mark.parametrize("problem", [SignerUnavailable, SigningRefused])
async def test_a_private_draft_waits_for_a_signer_that_is_away(
    where: Paths, problem: type[Exception]
) -> None:
    signer = Away(SecretKey(b"\x01" * 32))
    file = draft(where, "room-1")
    saver = SealedDraftSaver(file, signer)
    saver.typed("still to be sent")
    await saver.flush()
    signer.problem = problem
    again = SealedDraftSaver(file, signer)
    with pytest.raises(problem):
        await again.load()
    signer.problem = None
    assert await again.load() == "still to be sent"
    assert list(file.path.parent.iterdir()) == [file.path]


async def test_a_private_draft_begun_meanwhile_is_not_taken_along(where: Paths) -> None:
    signer = LocalSigner(SecretKey(b"\x01" * 32))
    first, second = (SealedDraftSaver(draft(where, "room-1"), signer) for _ in range(2))
    first.typed("being sent")
    await first.flush()
    second.typed("begun since")
    await second.flush()
    await first.sent("being sent")
    assert await second.load() == "begun since"
    await second.sent("begun since")
    assert await first.load() == ""


async def test_a_private_text_that_was_not_sent_comes_before_what_was_begun(where: Paths) -> None:
    signer = LocalSigner(SecretKey(b"\x01" * 32))
    saver = SealedDraftSaver(draft(where, "room-1"), signer)
    saver.typed("begun since")
    await saver.flush()
    again = SealedDraftSaver(draft(where, "room-1"), signer)
    await again.put_back("not sent")
    assert await again.load() == "not sent\n\nbegun since"
