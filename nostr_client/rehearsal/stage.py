"""Scenes as signed events: who is named and what is quoted gets its code, and its tags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from string import Formatter

from nostr_client.nips import nip10, nip19, nip22
from nostr_client.protocol import kinds
from nostr_client.protocol.bech32 import encode_bech32
from nostr_client.protocol.event import Draft, Event, Tag, Tags
from nostr_client.protocol.keys import SecretKey
from nostr_client.rehearsal.scenes import Scene


@dataclass
class Stage:
    """Where scenes are played: `keys` by author, `now` in seconds, the `relays` where all is said
    to be. `events` by the names of their scenes."""

    keys: Mapping[str, SecretKey]
    now: int
    relays: Sequence[str]
    events: dict[str, Event] = field(default_factory=dict)

    def play(self, scenes: Iterable[Scene]) -> list[Event]:
        """The events of these scenes, in their order."""
        played = []
        for scene in scenes:
            self.events[scene.name] = self._event(scene)
            played.append(self.events[scene.name])
        return played

    def _event(self, scene: Scene) -> Event:
        at, key = self.now - scene.ago, self.keys[scene.author]
        named = [name for _, name, _, _ in Formatter().parse(scene.text) if name]
        tags = [*self._about(scene), *self._filled(scene.tags), *map(self._tag_of, named)]
        if scene.kind == kinds.POLL:  # votes are expected there
            tags += [("relay", url) for url in self.relays]
        text = scene.text.format_map({name: f"nostr:{self._code_of(name)}" for name in named})
        if scene.kind == kinds.REPOST:
            text = self.events[scene.about].json.decode()
        if scene.kind != kinds.ZAP_RECEIPT:
            return Draft(scene.kind, text, tuple(tags)).sign(key, at)
        request = Draft(kinds.ZAP_REQUEST, text, tuple(tags)).sign(key, at)
        return claimed_zap(request, SecretKey.generate())

    def _filled(self, tags: Tags) -> list[Tag]:
        """Tags with keys, ids and addresses in the place of names."""
        values = {name: key.public_key.hex for name, key in self.keys.items()}
        values |= {name: event.address or event.id for name, event in self.events.items()}
        return [tuple(item.format_map(values) for item in tag) for tag in tags]

    def _tag_of(self, name: str) -> Tag:
        """Of somebody who is named, or something that is quoted."""
        event = self.events.get(name)
        if event is None:
            return ("p", self.keys[name].public_key.hex)
        return ("q", event.address or event.id, self.relays[0], event.pubkey)

    def _code_of(self, name: str) -> str:
        event = self.events.get(name)
        if event is None:
            return nip19.encode_npub(self.keys[name].public_key.hex)
        return nip19.encode_event(event, self.relays[:1])

    def _about(self, scene: Scene) -> Tags:
        """What says which event this one is about."""
        if not scene.about:
            return ()
        event, hint = self.events[scene.about], self.relays[0]
        if scene.kind == kinds.NOTE:
            return nip10.reply_tags(event, hint)
        if scene.kind == kinds.COMMENT:
            return nip22.comment_tags(event, hint)
        address = [("a", event.address, hint)] if event.address else []
        return (
            ("e", event.id, hint, event.pubkey),
            *address,
            ("p", event.pubkey, hint),
            ("k", str(event.kind)),
        )


def claimed_zap(request: Event, by: SecretKey) -> Event:
    """The receipt (NIP-57) of a zap `request` that names its `amount` in millisatoshi, signed `by`
    somebody whom the recipient names nowhere: a claim, as anybody can make it."""
    described = request.json.decode()
    msat = int(request.value("amount") or 0)
    tags = [tag for tag in request.tags if tag[0] in ("p", "e", "a")]
    tags += [("P", request.pubkey), ("bolt11", unpaid_invoice(msat, described.encode()))]
    receipt = Draft(kinds.ZAP_RECEIPT, "", (*tags, ("description", described)))
    return receipt.sign(by, request.created_at)


def unpaid_invoice(msat: int, described: bytes) -> str:
    """An invoice (BOLT 11) for what is `described`, without the signature of anybody who could be
    paid. Of five bits each: 7 words of time, the hash, a description that fills up whole bytes,
    and 104 of signature."""
    nothing = f"{0:05b}"
    hashed = f"{23:05b}{1:05b}{20:05b}{int(sha256(described).hexdigest(), 16):0256b}0000"
    filling = f"{13:05b}{0:05b}{7:05b}{nothing * 7}"
    bits = f"{nothing * 7}{hashed}{filling}{nothing * 104}"
    words = int(bits, 2).to_bytes(len(bits) // 8, "big")
    return encode_bech32(f"lnbc{msat * 10}p", words)
