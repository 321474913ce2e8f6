"""A filter from the options of a command (NIP-01): `-k 1 -a npub1... -t t=nostr --since 2d`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

from nostr_client.cli import times
from nostr_client.command_line.tree import Option
from nostr_client.exits import CommandError, Exit

if TYPE_CHECKING:
    from nostr_client.protocol.filters import Filter

_PEOPLE: Final = frozenset("pP")
"""Tags whose values are public keys."""
_EVENTS: Final = frozenset("eqE")
"""Tags whose values are ids of events."""
SHOWN: Final = 40
"""Characters of a value that is said back: no key is as short."""


class FilterOptions(NamedTuple):
    """What an event has to be like; several values of one option mean any of them."""

    ids: Annotated[
        list[str] | None,
        Option("--id", "EVENT", "This event: hex, note1 or nevent1.", short="-i"),
    ] = None
    authors: Annotated[
        list[str] | None,
        Option("--author", "WHO", "By whom: npub, nprofile, hex or name@domain.", short="-a"),
    ] = None
    kinds: Annotated[
        list[str] | None,
        Option("--kind", "N", "Of this kind; 0,3 means either.", short="-k"),
    ] = None
    tags: Annotated[
        list[str] | None,
        Option("--tag", "NAME=VALUE", "With this tag, of one letter: t=nostr.", short="-t"),
    ] = None
    e: Annotated[list[str] | None, Option("-e", "EVENT", "As --tag e=EVENT.")] = None
    p: Annotated[list[str] | None, Option("-p", "WHO", "As --tag p=WHO.")] = None
    d: Annotated[list[str] | None, Option("-d", "NAME", "As --tag d=NAME.")] = None
    since: Annotated[
        str,
        Option("--since", "WHEN", "Nothing older: 2d, 2026-01-31, or seconds.", short="-s"),
    ] = ""
    until: Annotated[
        str, Option("--until", "WHEN", "Nothing newer: as --since, or now.", short="-u")
    ] = ""
    limit: Annotated[
        int | None, Option("--limit", "N", "At most so many.", least=0, short="-l")
    ] = None
    search: Annotated[str, Option("--search", "WORDS", "What to search for (NIP-50).")] = ""

    @property
    def given(self) -> bool:
        """Is any of them there?"""
        return any(value not in (None, "", []) for value in self._asdict().values())

    def names(self) -> Iterator[str]:
        """The names at a domain (NIP-05) among the people: whom they mean is asked elsewhere."""
        tagged = (value for _, name, value in self._tagged() if name in _PEOPLE)
        return (who for who in (*(self.authors or ()), *tagged) if is_name(who))

    def build(self, now: float, people: Mapping[str, str] | None = None) -> Filter:
        """The filter; `now` in seconds since 1970, `people` the pubkeys of `names`.

        Raises CommandError, InvalidCode, InvalidKey, InvalidFilter.
        """
        from nostr_client.protocol.filters import Filter

        return Filter.from_dict(self.conditions(now, people))

    def conditions(self, now: float, people: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The same as a JSON object has it, for whoever puts it over another filter."""
        known = people or {}
        found: dict[str, Any] = {}
        if self.ids:
            found["ids"] = [of_option("--id", text, event_id) for text in self.ids]
        if self.authors:
            read = partial(pubkey, people=known)
            found["authors"] = [of_option("--author", text, read) for text in self.authors]
        if self.kinds:
            found["kinds"] = kind_numbers(self.kinds)
        for spelled, name, value in self._tagged():
            read = partial(tag_value, name, people=known)
            found.setdefault(f"#{name}", []).append(of_option(spelled, value, read))
        for bound in ("since", "until"):
            if (at := times.since(getattr(self, bound), now)) is not None:
                found[bound] = at
        if self.limit is not None:
            found["limit"] = self.limit
        if self.search:
            found["search"] = self.search
        return found

    def _tagged(self) -> list[tuple[str, str, str]]:
        """The option, the name of the tag and its value."""
        tagged = [("--tag", *name_and_value(text)) for text in self.tags or ()]
        for _, name, _ in tagged:
            if len(name) != 1 or not (name.isascii() and name.isalpha()):
                words = "a filter knows tags of one letter alone, as in --tag t=nostr"
                raise CommandError(words, Exit.USAGE)
        for name in ("e", "p", "d"):
            tagged += [(f"-{name}", name, value) for value in getattr(self, name) or ()]
        return tagged


def of_option(option: str, text: str, read: Callable[[str], str]) -> str:
    """What `read` makes of the value `text` of `option`; what is wrong with it is said with both.

    Raises CommandError. What is as long as a key is not said back: it may be one, misspelled.
    """
    from nostr_client.errors import InvalidData
    from nostr_client.safe_text import safe_line

    try:
        return read(text)
    except InvalidData as error:
        shown = f" {safe_line(text)!r}" if len(text) <= SHOWN else ""
        raise CommandError(f"{option}{shown}: {error}", Exit.USAGE) from None


def name_and_value(text: str) -> tuple[str, str]:
    """Of `NAME=VALUE`. Raises CommandError."""
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise CommandError("a tag is given as NAME=VALUE, as in --tag t=nostr", Exit.USAGE)
    return name, value


def kind_numbers(texts: Sequence[str]) -> list[int]:
    """The numbers of `1` and `0,3`. Raises CommandError."""
    from nostr_client.protocol.kinds import MAX_KIND

    words = f"a kind is a whole number from 0 to {MAX_KIND}; 0,3 means either"
    found: list[int] = []
    for part in (part.strip() for text in texts for part in text.split(",")):
        if not (part.isascii() and part.isdigit() and len(part) < 6 and int(part) <= MAX_KIND):
            raise CommandError(words, Exit.USAGE)
        found.append(int(part))
    return found


def tag_value(name: str, value: str, people: Mapping[str, str] | None = None) -> str:
    """What stands in a tag where a person wrote a code: hex for people and events, `kind:author:d`
    for an address. Raises InvalidCode, InvalidKey, CommandError."""
    if name in _PEOPLE:
        return pubkey(value, people or {})
    if name in _EVENTS:
        return event_id(value) if ":" not in value.removeprefix("nostr:") else value
    if name in ("a", "A") and value.removeprefix("nostr:").startswith("naddr1"):
        from nostr_client.nips import nip19

        code = nip19.decode(value)
        if isinstance(code, nip19.Naddr):
            return f"{code.kind}:{code.pubkey}:{code.identifier}"
    return value


def event_id(text: str) -> str:
    """The id that a code or hex digits name. Raises InvalidCode."""
    from nostr_client.nips import nip19

    return nip19.event_of(text).id


def pubkey(text: str, people: Mapping[str, str]) -> str:
    """The public key of a code, of hex digits or of one of `people`. Raises InvalidCode, InvalidKey
    and CommandError for a name that is not among them."""
    from nostr_client.nips import nip19

    if text in people:
        return people[text]
    if is_name(text):
        words = "whom a name at a domain means is not known here: give an npub"
        raise CommandError(words, Exit.USAGE)
    return nip19.pubkey_of(text)


def is_name(text: str) -> bool:
    """Is it a name at a domain (NIP-05), or a domain?"""
    bare = text.removeprefix("nostr:")
    return "@" in bare or "." in bare
