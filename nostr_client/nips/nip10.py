"""Threads of text notes: which note answers which (NIP-10).

Marked `e` tags say what they mean. Older notes used positions instead: one `e` tag is what is
answered; of several the first is the root, the last what is answered, and the rest are mentions.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from nostr_client.errors import InvalidData
from nostr_client.protocol.event import Event, Tag, Tags
from nostr_client.protocol.keys import is_hex64
from nostr_client.protocol.urls import host_of, is_private_host, normalize_relay_url


class Ref(NamedTuple):
    """An event that another one names: its id, and the hints that came with it, or "".

    What is replaced may be named by its `address` alone, and has no id then.
    """

    id: str
    relay: str = ""
    pubkey: str = ""
    address: str = ""

    @property
    def key(self) -> str:
        """What it is known by while it is not here: its id, or else its address."""
        return self.id or self.address


class ThreadRefs(NamedTuple):
    """`root` began the thread, `reply` is what is answered directly: equal in a reply to the root.

    Both are None for a note that begins a thread. `mentions` are merely cited.
    """

    root: Ref | None
    reply: Ref | None
    mentions: tuple[Ref, ...]


@functools.lru_cache(1024)  # of a thread each note is asked again and again
def thread_refs(event: Event) -> ThreadRefs:
    """What `event` answers and cites. Malformed tags are passed over."""
    tags = [tag for tag in event.tags if len(tag) > 1 and tag[0] == "e" and is_hex64(tag[1])]
    marked = {_marker(tag) for tag in tags} & {"root", "reply"}
    return _marked(tags) if marked else _positional(tags)


def names_root(event: Event) -> bool:
    """Does `event` say which note began its thread, and not merely which one it answers?

    One `e` tag without a marker, or marked `reply` alone, says no more than that.
    """
    refs = thread_refs(event)
    if refs.root is None or refs.reply is None:
        return False
    marked = any(tag[0] == "e" and _marker(tag) == "root" for tag in event.tags)
    return marked or refs.root.id != refs.reply.id


def refs_of(event: Event, name: str) -> list[Ref]:
    """The events that the tags called `name` point to. Malformed tags are passed over."""
    tags = (tag for tag in event.tags if len(tag) > 1 and tag[0] == name)
    return [_ref(tag) for tag in tags if is_hex64(tag[1])]


def people_of(event: Event) -> list[str]:
    """The pubkeys that `event` tags. Malformed tags are passed over."""
    return list(filter(is_hex64, event.values("p")))


def reply_tags(parent: Event, relay_hint: str = "", root: Ref | None = None) -> Tags:
    """The tags of an answer to `parent`: root and reply markers, and everybody who took part.

    `relay_hint` is where `parent` can be found. `root` is the note that began the thread, where
    that is known better than `parent` says. The hint to the root is the parent's, if it leads
    into the public network: what a stranger wrote goes out under our name.
    """
    root = root or thread_refs(parent).root
    root = None if root and root.id == parent.id else root
    people = [parent.pubkey, *people_of(parent)]
    if root is None:
        tags: list[Tag] = [("e", parent.id, relay_hint, "root", parent.pubkey)]
    else:
        tags = [
            trimmed(("e", root.id, public_hint(root.relay), "root", root.pubkey)),
            ("e", parent.id, relay_hint, "reply", parent.pubkey),
        ]
        people += filter(None, [root.pubkey])
    return (*tags, *(("p", pubkey) for pubkey in dict.fromkeys(people)))


def _marked(tags: list[Tag]) -> ThreadRefs:
    root = next((_ref(tag) for tag in tags if _marker(tag) == "root"), None)
    reply = next((_ref(tag) for tag in reversed(tags) if _marker(tag) == "reply"), None)
    mentions = tuple(_ref(tag) for tag in tags if _marker(tag) not in ("root", "reply"))
    return ThreadRefs(root or reply, reply or root, mentions)


def _positional(tags: list[Tag]) -> ThreadRefs:
    refs = [_ref(tag) for tag in tags if _marker(tag) != "mention"]
    mentions = [_ref(tag) for tag in tags if _marker(tag) == "mention"]
    if not refs:
        return ThreadRefs(None, None, tuple(mentions))
    return ThreadRefs(refs[0], refs[-1], (*refs[1:-1], *mentions))


def _marker(tag: Tag) -> str:
    return tag[3] if len(tag) > 3 else ""


def _ref(tag: Tag) -> Ref:
    # NIP-01 has the pubkey where NIP-10 has the marker; then there is no marker.
    pubkey = tag[4] if len(tag) > 4 else _marker(tag)
    return Ref(tag[1], tag[2] if len(tag) > 2 else "", pubkey if is_hex64(pubkey) else "")


def public_hint(url: str) -> str:
    """The relay's one spelling, or "" for what strangers should not be led to."""
    try:
        return "" if is_private_host(host_of(url)) else normalize_relay_url(url)
    except InvalidData:
        return ""


def trimmed(tag: Tag) -> Tag:
    """Without empty strings at the end."""
    end = len(tag)
    while end and not tag[end - 1]:
        end -= 1
    return tag[:end]
