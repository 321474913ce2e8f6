"""Drafts of messages: what stands in a text, or points to a file, before it has a room. Pure."""

from __future__ import annotations

from nostr_client.errors import InvalidData
from nostr_client.nips import nip19, nip27
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Draft, Tag
from nostr_client.signing.gate import refuse_codes
from nostr_client.social.messages.views import MessageFile


def text_draft(
    text: str, *, reply_to: str = "", subject: str = "", created_at: int | None = None
) -> Draft:
    """A chat message (kind 14). Raises InvalidData for one without any text; SecretFound."""
    if not text.strip():
        raise InvalidData("there is nothing to send")
    refuse_codes(text, subject)
    tags: list[Tag] = [("e", reply_to)] if reply_to else []
    tags += [("subject", subject)] if subject else []
    return Draft(kinds.CHAT_MESSAGE, text, (*tags, *_quotes(text)), created_at)


def file_draft(file: MessageFile, *, reply_to: str = "", subject: str = "") -> Draft:
    """A file message (kind 15) for a file that lies, encrypted, at `file.url`."""
    if file.algorithm != "aes-gcm" or not (file.key and file.nonce and file.sha256):
        raise InvalidData("a file is encrypted by aes-gcm, with key, nonce and hash")
    if not file.url.startswith("https://"):
        raise InvalidData("a file lies at an https address")
    tags: list[Tag] = [("e", reply_to, "", "reply")] if reply_to else []
    named = (
        ("subject", subject),
        ("file-type", file.mime_type),
        ("encryption-algorithm", file.algorithm),
        ("decryption-key", file.key.hex()),
        ("decryption-nonce", file.nonce.hex()),
        ("x", file.sha256),
        ("ox", file.sha256_plain),
        ("size", str(file.size or "")),
        ("dim", file.dimensions),
        ("blurhash", file.blurhash),
        ("thumbhash", file.thumbhash),
        *(("fallback", url) for url in file.fallbacks),
    )
    return Draft(kinds.FILE_MESSAGE, file.url, (*tags, *(tag for tag in named if tag[1])))


def _quotes(text: str) -> list[Tag]:
    """`q` tags for the events that a text cites (NIP-21)."""
    quotes: dict[str, Tag] = {}
    for part in nip27.parts(text):
        if isinstance(part, nip27.MentionPart):
            match part.code:
                case nip19.Note(id=id):
                    quotes[id] = ("q", id)
                case nip19.Nevent(id=id, author=author):
                    quotes[id] = ("q", id, "", author) if author else ("q", id)
                case nip19.Naddr() as code:
                    quotes[code.address] = ("q", code.address)
    return list(quotes.values())
