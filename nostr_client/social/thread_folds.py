"""Which notes of a thread are folded: those of strangers that nobody answered who is known."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from nostr_client.social.views import NoteView


def folded_notes(
    items: Sequence[tuple[int, NoteView]], strangers: Collection[str], focus: str
) -> frozenset[str]:
    """The ids of those of `items` (depth and note, in reading order) that `strangers` wrote.

    Left as they are: the note in `focus`, what began the thread and all that its author says in it,
    and whatever somebody answers who is no stranger: nothing is read without what it is about.
    """
    if not strangers:
        return frozenset()
    hosts = {view.event.pubkey for depth, view in items if not depth or view.event.id == focus}
    folded: set[str] = set()
    kept = [False] * (max((depth for depth, _ in items), default=0) + 2)
    for depth, view in reversed(items):  # answers before what they answer
        author = view.event.pubkey
        stays = author not in strangers or author in hosts or kept[depth + 1]
        kept[depth + 1] = False
        kept[depth] |= stays
        if not stays:
            folded.add(view.event.id)
    return frozenset(folded)


def with_folds(
    items: Sequence[tuple[int, NoteView]], folded: Collection[str], opened: Collection[str]
) -> Iterator[tuple[int, NoteView | tuple[str, int]]]:
    """The items; instead of the folded ones, at the end of what answers a note, `(its id, how many
    are folded below it)`; nothing is below those that are `opened`. The id is "" where the note is
    not here."""
    above = [(0, "", "" in opened)]
    counts: dict[str, int] = {}

    def close(depth: int) -> Iterator[tuple[int, tuple[str, int]]]:
        while len(above) > 1 and above[-1][0] >= depth:
            level, id, _ = above.pop()
            if count := counts.pop(id, 0):
                yield level + 1, (id, count)

    for depth, view in items:
        yield from close(depth)
        _, parent, is_open = above[-1]
        if view.event.id in folded and not is_open:
            counts[parent] = counts.get(parent, 0) + 1
            continue
        above.append((depth, view.event.id, is_open or view.event.id in opened))
        yield depth, view
    yield from close(0)
    if count := counts.pop("", 0):
        yield 1, ("", count)
