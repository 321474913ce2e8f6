"""Messages exchanged with nostr-sdk (Rust), both ways."""

from __future__ import annotations

from pathlib import Path

import nostr_sdk

from nostr_client.protocol.event import Event
from nostr_client.protocol.keys import SecretKey
from tests.routing.rooms import ANA, Relay
from tests.social.messages.people import dm_list, eventually, person

A = ANA.public_key.hex


async def test_each_reads_what_the_other_wrote(tmp_path: Path) -> None:
    keys = nostr_sdk.Keys.generate()
    rust = SecretKey.from_hex(keys.secret_key().to_hex())
    them = rust.public_key.hex
    async with Relay() as relay:
        lists = dm_list(ANA, relay.url), dm_list(rust, relay.url)
        async with person(tmp_path / "ana", ANA, *lists) as ana:
            theirs = nostr_sdk.nip17_make_private_msg(
                keys, nostr_sdk.PublicKey.parse(A), "from rust"
            )
            await relay.tell(Event.parse(theirs.as_json()))
            heard = await ana.hears("from rust", them)
            sent = await ana.messages.send([them], "from python", reply_to=heard.id)

            async def arrived() -> Event | None:
                return next((e for e in relay.held if e.value("p") == them), None)

            wrap = nostr_sdk.Event.from_json((await eventually(arrived)).json.decode())
            gift = nostr_sdk.UnwrappedGift.from_gift_wrap(keys, wrap)
            rumor = gift.rumor()
            assert gift.sender().to_hex() == A
            assert rumor.content() == "from python"
            assert rumor.id() is not None
            assert rumor.id().to_hex() == sent.id  # type: ignore[union-attr]
