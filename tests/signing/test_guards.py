"""Guards: what one objects to is signed with a person's word alone, whatever road it comes."""

from __future__ import annotations

import pytest

from nostr_client.errors import NotConfirmed, SecretFound
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.guards import (
    FRESH,
    Confirmation,
    Consent,
    Guarded,
    Objection,
    consent_to,
)
from nostr_client.signing.local_signer import LocalSigner

KEY = SecretKey.from_hex("1" * 64)
OBJECTION = "it takes all of its entries out of the follow list"


async def no_empty_lists(draft: Draft) -> Objection | None:
    return Objection(OBJECTION) if draft.kind == 3 and not draft.tags else None


async def grave(draft: Draft) -> Objection | None:
    return Objection("all of it goes", "vanish") if draft.kind == 62 else None


async def test_nothing_is_signed_against_a_guard_without_a_word() -> None:
    signer = Guarded(LocalSigner(KEY), [no_empty_lists])
    with pytest.raises(NotConfirmed, match="all of its entries"):
        await signer.sign(Draft(3))
    assert (await signer.sign(Draft(1, "a note"))).verify()
    signed = await signer.sign_many([Draft(1, "one"), Draft(3), Draft(1, "two")])
    assert [each.content if isinstance(each, Event) else "no" for each in signed] == [
        "one",
        "no",
        "two",
    ]


async def test_the_person_hears_what_speaks_against_it_and_the_gate_hears_nobody() -> None:
    heard: list[str] = []

    async def consent(draft: Draft, objection: Objection) -> bool:
        heard.append(str(objection))
        return True

    signer = Guarded(LocalSigner(KEY), [no_empty_lists]).asking(consent)
    assert (await signer.sign(Draft(3))).verify()
    assert heard == [OBJECTION]
    with pytest.raises(SecretFound):
        await signer.sign(Draft(1, bytes(KEY).hex()))


@pytest.mark.parametrize("age", [None, FRESH + 1, -5, 60])
async def test_what_is_grave_takes_its_word_and_a_fresh_backup(age: float | None) -> None:
    heard: list[Objection] = []

    async def typed(draft: Draft, objection: Objection) -> bool:
        heard.append(objection)
        return objection.phrase == "vanish"

    confirmation = Confirmation(typed, lambda: age)
    signer = Guarded(LocalSigner(KEY), [grave], confirmation)
    if age == 60:
        assert (await signer.sign(Draft(62))).verify()
        assert str(heard[0]) == "all of it goes"
        return
    with pytest.raises(NotConfirmed, match=r"no backup .* `nostr-client backup FILE`"):
        await signer.sign(Draft(62))
    assert heard[0].phrase == "vanish without a backup"


async def test_a_script_consents_to_what_it_names_and_to_nothing_else() -> None:
    async def may(consent: Consent, age: float | None = 60) -> bool:
        signer = Guarded(
            LocalSigner(KEY), [grave, no_empty_lists], Confirmation(consent, lambda: age)
        )
        try:
            return (await signer.sign(Draft(62))).verify()
        except NotConfirmed:
            return False

    assert await may(consent_to("follows", "vanish"))
    assert not await may(consent_to("follows"))
    assert not await may(consent_to())
    assert not await may(consent_to("vanish"), None)
    assert await may(consent_to("vanish", without_backup=True), None)
    plain = Guarded(LocalSigner(KEY), [no_empty_lists], Confirmation(consent_to("", "vanish")))
    with pytest.raises(NotConfirmed):
        await plain.sign(Draft(3))
