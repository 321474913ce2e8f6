"""Reading as somebody, without their key."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial

from textual.widget import Widget

from nostr_client.nips import nip19
from nostr_client.protocol.bech32 import unfolded
from nostr_client.routing.address_policy import AddressPolicy
from nostr_client.routing.saved_relays import remember_found
from nostr_client.tui.environment import Environment
from nostr_client.tui.screens.form import FormScreen, field, prose
from nostr_client.tui.screens.key_setup import AddedAccount


class WatchAccountScreen(FormScreen[AddedAccount]):
    """Watches an account: everything can be read, nothing written. Dismissed with the account."""

    HEADING = "Just look"
    KEYS = (("form.go", "look"), ("form.leave", "back"))

    def __init__(self, environment: Environment) -> None:
        super().__init__()
        self._environment = environment
        self._accounts = environment.accounts
        self._resolve = environment.resolve

    def body(self) -> Iterable[Widget]:
        yield prose(
            "Read what somebody reads: you, from another machine, or anybody else. "
            "There is no secret in it, and nothing can be written."
        )
        yield field("Who", "who", hint="npub1…, nprofile1…, or name@domain")

    def on_mount(self) -> None:
        self.query_one("#who").focus()

    def go(self) -> None:
        who = self.value("who").strip()
        if unfolded(who).removeprefix("nostr:").startswith(("nsec1", "ncryptsec1")):
            self.problem("That is a secret key. Go back and choose “I have a key”.")
        elif who:
            self.start(partial(self._watch, who), "Looking them up …")
        else:
            self.problem("Whose eyes? An npub, or a name@domain.")

    async def _watch(self, who: str) -> None:
        pubkey, near = nip19.pubkey_in(who), nip19.relays_in(who)
        if pubkey is None:
            pubkey, near = await self._resolve(who)
        account = await self._accounts.add_watch_only(pubkey, switch=True)
        await asyncio.to_thread(self._remember, pubkey, near)
        self.dismiss(AddedAccount(account, None))

    def _remember(self, pubkey: str, near: Sequence[str]) -> None:
        """The relays in a code are a stranger's word: they open no private address."""
        policy = AddressPolicy(self._environment.config.allow_private_relays)
        urls = [url for text in near if (url := policy.from_stranger(text))]
        remember_found(self._environment.paths.data, pubkey, urls)
