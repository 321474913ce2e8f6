"""Draws the README's pictures from the demo: real screens, real relays, nobody's real data.

Run it by `make screenshots`. Each picture is an SVG beside this file.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
import time
from pathlib import Path

from textual.pilot import Pilot

from nostr_client.config import ClientConfig
from nostr_client.nips import nip59
from nostr_client.nips.nip59 import Rumor
from nostr_client.paths import Paths
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft
from nostr_client.protocol.keys import SecretKey
from nostr_client.signing.local_signer import LocalSigner
from nostr_client.tui.app import NostrApp
from nostr_client.tui.client_holder import ClientHolder, client_opener
from nostr_client.tui.run import environment_in
from nostr_client.tui.screens.main import MainScreen

HERE = Path(__file__).parent
SIZE = (116, 32)
LIMIT = 90.0
NOTE = "Just moved in. Five relays took me within a second, and nobody asked for a phone number."

MESSAGES = (
    ("Shall we meet at the library on Thursday?", 5400),
    ("I have found the old plans, and there is something in them about the cellar.", 5340),
)
ANSWER = "Thursday is fine. I bring a lamp, and nobody else needs to know."


async def seen(app: NostrApp, text: str) -> None:
    """Wait until the screen shows `text`."""
    async with asyncio.timeout(LIMIT):
        while text not in screen_text(app):  # noqa: ASYNC110 - only the screen can tell
            await asyncio.sleep(0.1)


def screen_text(app: NostrApp) -> str:
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def keep(app: NostrApp, name: str) -> None:
    (HERE / f"{name}.svg").write_text(app.export_screenshot(title="nostr-client"))


async def draw(app: NostrApp, pilot: Pilot[int]) -> None:
    """From the first look at home to a note of one's own."""
    await seen(app, "The library roof is fixed")
    await pilot.press("c")
    await pilot.press(*NOTE)
    await seen(app, "phone number.")
    keep(app, "writing")
    await pilot.press("ctrl+s")
    await seen(app, "5 of 5")
    await pilot.press("D")
    await seen(app, "5 of 5 have it")
    await pilot.pause(0.5)
    keep(app, "sent")
    await pilot.press("escape", "G")
    await seen(app, "bring the strings")
    await seen(app, "♥")
    await pilot.pause(0.5)
    keep(app, "home")
    if app.main is not None:
        await draw_messages(app, app.main, pilot)


async def draw_messages(app: NostrApp, main: MainScreen, pilot: Pilot[int]) -> None:
    """A conversation with somebody who is no member of the demo: their key must be ours."""
    client, now = main.client, int(time.time())
    mara = LocalSigner(SecretKey.generate())
    relay = next(row.url for row in await client.relays.rows() if not row.own)
    await client.messages.set_relays([relay])
    known = (
        Draft(kinds.METADATA, json.dumps({"name": "Mara"})),
        Draft(kinds.DM_RELAYS, "", (("relay", relay),)),
    )
    events = [await mara.sign(draft) for draft in known]
    for text, before in MESSAGES:
        tags = (("p", client.pubkey), ("subject", "The old plans"))
        rumor = Rumor.of(Draft(kinds.CHAT_MESSAGE, text, tags), mara.pubkey, now - before)
        sealed = await mara.nip44_encrypt(client.pubkey, rumor.json)
        seal = await mara.sign(nip59.seal_draft(sealed, now))
        events.append(nip59.wrap(seal, client.pubkey, now))
    await client.store.save(events)
    await client.messages.accept([mara.pubkey])
    app.action_section("messages")
    await seen(app, "Mara")
    await pilot.press("enter")
    await seen(app, "about the cellar")
    sent = await client.messages.send([mara.pubkey], ANSWER)
    await client.messages.delivered(sent.id)
    await seen(app, "✓✓ sent")
    await pilot.pause(0.5)
    keep(app, "messages")


async def main() -> None:
    os.environ.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = Paths(folder / "config", folder / "data", folder / "state")
        config = ClientConfig(own_relay=False)
        environment = environment_in(paths, config)
        async with ClientHolder(client_opener(paths, config)) as holder:
            app = NostrApp(environment, holder, demo=True)
            async with app.run_test(size=SIZE) as pilot:
                await draw(app, pilot)


if __name__ == "__main__":
    asyncio.run(main())
