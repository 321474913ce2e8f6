"""What is not on Nostr, in words."""

from __future__ import annotations

import pytest

from nostr_client.nips import nip73


@pytest.mark.parametrize(
    ("identifier", "kind", "words"),
    [
        ("https://abc.example/1", "web", "https://abc.example/1"),
        ("#roof", "#", "the hashtag #roof"),
        ("isbn:9780765382030", "isbn", "the book ISBN 9780765382030"),
        ("geo:ezs42e44yx96", "geo", "the place ezs42e44yx96"),
        ("iso3166:US-CA", "iso3166", "the country US-CA"),
        ("isan:0000-0000-401A-0000-7", "isan", "the film ISAN 0000-0000-401A-0000-7"),
        ("doi:10.1000/182", "doi", "the paper DOI 10.1000/182"),
        ("podcast:guid:c90e", "podcast:guid", "the podcast c90e"),
        ("podcast:item:guid:d98d", "podcast:item:guid", "the podcast episode d98d"),
        ("bitcoin:tx:a107", "bitcoin:tx", "the bitcoin transaction a107"),
        ("ethereum:1:address:0xd8", "ethereum:address", "the ethereum address 0xd8"),
        ("whatever", "", "whatever"),
        ("http://", "", "http://"),
        ("", "", ""),
    ],
)
def test_identifiers(identifier: str, kind: str, words: str) -> None:
    assert nip73.kind_of(identifier) == kind
    assert nip73.in_words(identifier) == words
