"""What events say of files: read whoever wrote it, and however."""

from __future__ import annotations

from nostr_client.nips.nip92 import (
    LONGEST_URL,
    MOST_FALLBACKS,
    MOST_ITEMS,
    MediaItem,
    imeta_tag,
    media_of,
    type_of_ending,
)
from nostr_client.protocol.event import Draft, Event
from nostr_client.protocol.keys import SecretKey

KEY = SecretKey.from_hex("1" * 64)
HASH = "b1674191a88ec5cdd733e4240a81803105dc412d6c6708d53ab94fc248f4f553"
URL = "https://nostr.build/i/my-image.jpg"


def event(kind: int = 1, content: str = "", *tags: tuple[str, ...]) -> Event:
    return Draft(kind, content, tags, created_at=1).sign(KEY, 1)


def test_the_example_of_the_nip() -> None:
    tag = (
        "imeta",
        f"url {URL}",
        "m image/jpeg",
        "blurhash eVF$^OI:${M{o#*0-nNFxakD-?xVM}WEWB%iNKxvR-oetmo#R-aen$",
        "dim 3024x4032",
        "alt A scenic photo overlooking the coast of Costa Rica",
        f"x {HASH}",
        "fallback https://nostrcheck.me/alt1.jpg",
        "fallback https://void.cat/alt1.jpg",
    )
    (item,) = media_of(event(1, f"More image metadata tests don't mind me {URL}", tag))
    assert (item.form, item.type, item.width, item.height) == ("picture", "image/jpeg", 3024, 4032)
    assert item.alt == "A scenic photo overlooking the coast of Costa Rica"
    assert item.hash == HASH
    assert item.fallbacks == ("https://nostrcheck.me/alt1.jpg", "https://void.cat/alt1.jpg")
    assert media_of(event(1, "", imeta_tag(item))) == (item,)


def test_each_kind_names_its_files_in_its_own_way() -> None:
    bare = f"https://b.example/{HASH}"
    (voice,) = media_of(event(1222, f"{bare}.m4a"))
    assert (voice.form, voice.hash) == ("audio", HASH)
    (voice,) = media_of(event(1222, bare, ("imeta", f"url {bare}", "duration 8.5")))
    assert (voice.form, voice.duration) == ("audio", 8.5)
    (film,) = media_of(
        event(21, "", ("imeta", f"url {bare}", f"image {URL}", "m application/x-mpegURL"))
    )
    assert (film.form, film.preview) == ("file", URL)
    assert media_of(event(22, "", ("imeta", f"url {bare}")))[0].form == "video"
    assert media_of(event(20, "", ("imeta", f"url {bare}")))[0].form == "picture"
    (file,) = media_of(
        event(1063, "a caption", ("url", bare), ("m", "application/pdf"), ("size", "12"),
              ("x", HASH.upper()), ("thumb", URL, "hash"))
    )  # fmt: skip
    assert (file.form, file.size, file.sha256, file.preview) == ("file", 12, HASH, URL)
    note = event(1, f"See {URL}, (https://a.example/film.MP4?x=1#t) or https://a.example/page.")
    assert [(item.url, item.form) for item in media_of(note)] == [
        (URL, "picture"),
        ("https://a.example/film.MP4?x=1#t", "video"),
    ]
    assert media_of(event(30023, URL)) == ()


def test_what_is_malformed_is_passed_over() -> None:
    (item,) = media_of(
        event(
            20,
            "",
            ("imeta",),
            ("imeta", "alt no url"),
            ("imeta", "url javascript:alert(1)"),
            ("imeta", "url file:///etc/passwd"),
            ("imeta", f"url https://a.example/{'x' * LONGEST_URL}"),
            ("imeta", "url https://a.example/\x1b[2J x"),
            ("imeta", f"url {URL}", "dim 0x-1", "size 1e9", "x zz", "duration -3", "m ", "m a"),
            ("imeta", f"url {URL}", "alt the second for one URL"),
        )
    )
    assert item == MediaItem(url=URL, type="image/jpeg")
    (item,) = media_of(event(20, "", ("imeta", f"url {URL}", "dim 9999999x1", "size 99999999")))
    assert (item.width, item.height) == (1_000_000, 1)
    (item,) = media_of(
        event(20, "", ("imeta", f"url {URL}", *(f"fallback {URL}?{n}" for n in range(99))))
    )
    assert len(item.fallbacks) == MOST_FALLBACKS
    many = [("imeta", f"url https://a.example/{n}.png") for n in range(100)]
    assert len(media_of(event(20, "", *many))) == MOST_ITEMS
    for text in ("https://a.png", "https://a.example/x?y=1.png", "png", ""):
        assert type_of_ending(text) == ""
    assert type_of_ending("film.mp4") == "video/mp4"
