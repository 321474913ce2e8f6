"""Which relays are worth asking: what is read of 400 authors, in sessions that learn.

A network on paper, the real planner and the real scores. Popular relays, which most people name,
drop what is older than 30 or 90 days; the others keep it. Every author writes to three to five
relays, popular ones by Zipf's law, and some of what is sent never arrives. A session plans, asks
each relay for its authors, and counts what came beside what is known by then.

Three choosers, in one run and over the same networks:

- greedy: the plain cover, two relays an author, the relay that serves most first: nobody learns;
- draws: `read_plan` with nothing known, drawn anew each session: chance alone;
- scores: `read_plan` with what the sessions before taught (`ScoreBook`).

Recall is the share of all that the authors wrote in the span that a session's relays have between
them: what earlier sessions brought does not count.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from statistics import mean

from benchmarks.table import Row, print_table
from nostr_client.net.outcome import End, How
from nostr_client.protocol import kinds
from nostr_client.protocol.event import Event
from nostr_client.protocol.filters import Filter
from nostr_client.routing.deliveries import Deliveries
from nostr_client.routing.planner import Caps, ClientRelays, PersonRelays
from nostr_client.routing.read_plan import Rank, plan_read
from nostr_client.routing.score_book import DRAW_STANDS, ScoreBook
from nostr_client.routing.scores import DAY

AUTHORS = 400
RELAYS = 300
SESSIONS = 5
NETWORKS = 3
NOW = 1_700_000_000
PRUNING = {0: 30, 1: 90, 2: 30, 3: 90, 4: 30, 5: 90, 6: 30, 7: 90}
"""Days that the most popular relays keep."""
ARRIVES = 0.95
"""The share of what is sent that a relay took in."""
FAILING = 0.12
"""The share of relays that took in hardly anything: closed to most, or mostly down."""
ZIPF = 1.2
"""How steeply relays differ: at 1.2 the twenty most used serve nearly everybody, as today."""
NOTES = (20, 300)
"""Notes a year of the quietest and the busiest author."""

Plan = Mapping[str, frozenset[str]]
Chooser = Callable[[Sequence[PersonRelays], int], Plan]


@dataclass(frozen=True)
class Network:
    """Who writes where, and which relay has what of it by now."""

    people: list[PersonRelays]
    notes: dict[str, list[Event]]
    holds: dict[str, dict[str, list[Event]]]
    """By relay and author."""


def make_network(chance: Random, zipf: float = ZIPF) -> Network:
    names = [f"wss://relay{n}.example" for n in range(RELAYS)]
    weights = [1 / (n + 1) ** zipf for n in range(RELAYS)]
    takes = [ARRIVES if n in PRUNING or chance.random() > FAILING else 0.1 for n in range(RELAYS)]
    people, notes, holds = [], {}, {name: {} for name in names}
    for _ in range(AUTHORS):
        pubkey = f"{chance.getrandbits(256):064x}"
        wanted = chance.randint(3, 5)
        chosen: dict[int, None] = {}
        while len(chosen) < wanted:
            chosen[chance.choices(range(RELAYS), weights)[0]] = None
        people.append(PersonRelays(pubkey, tuple(names[n] for n in sorted(chosen)), source="list"))
        notes[pubkey] = [_note(pubkey, chance) for _ in range(chance.randint(*NOTES))]
        for n in chosen:
            oldest = NOW - PRUNING.get(n, 10_000) * DAY
            holds[names[n]][pubkey] = [
                note
                for note in notes[pubkey]
                if note.created_at > oldest and chance.random() < takes[n]
            ]
    return Network(people, notes, holds)


def _note(pubkey: str, chance: Random) -> Event:
    at = NOW - chance.randrange(100, 365 * DAY)
    return Event(f"{chance.getrandbits(256):064x}", pubkey, at, kinds.NOTE, b"")


# Choosers


def greedy(people: Sequence[PersonRelays], most: int) -> Plan:
    """The cover that serves most authors with each relay, two relays an author."""
    serves: dict[str, set[str]] = {}
    for person in people:
        for url in person.write[:4]:
            serves.setdefault(url, set()).add(person.pubkey)
    need = {person.pubkey: min(2, len(person.write)) for person in people}
    plan: dict[str, frozenset[str]] = {}
    while serves and len(plan) < most:
        url = max(serves, key=lambda url: (len(serves[url]), url))
        plan[url] = frozenset(serves.pop(url))
        for pubkey in plan[url]:
            need[pubkey] -= 1
        for authors in serves.values():
            authors.difference_update({p for p in plan[url] if not need[p]})
    return plan


def ranked(rank: Rank) -> Chooser:
    def choose(people: Sequence[PersonRelays], most: int) -> Plan:
        return plan_read(people, ClientRelays(), caps=Caps(read_total=most), rank=rank)

    return choose


def omniscient(network: Network, days: int) -> Rank:
    """What each relay has, as nobody can know it."""

    def of(pubkey: str, url: str) -> float:
        wrote = _since(network.notes[pubkey], days)
        has = _since(network.holds[url].get(pubkey, []), days)
        return len(has) / len(wrote) if wrote else 0.0

    return of


# Sessions


@dataclass
class Reading:
    """What one client has after some sessions, and what each of them read."""

    network: Network
    days: int
    held: dict[str, Event] = field(default_factory=dict)
    had: dict[str, set[str]] = field(default_factory=dict)
    """By id, the relays that it came from."""
    recall: list[float] = field(default_factory=list)

    def session(self, choose: Chooser, most: int) -> Deliveries:
        """Ask whom `choose` says; what it shows."""
        network, deliveries = self.network, Deliveries(NOW)
        came: dict[str, Event] = {}
        for url, authors in choose(network.people, most).items():
            found = [e for p in authors for e in network.holds[url].get(p, ())]
            for event in _since(found, self.days):
                deliveries.take(event, url)
                came[event.id] = event
                self.had.setdefault(event.id, set()).add(url)
            asked = Filter(
                authors=authors, kinds=frozenset({kinds.NOTE}), since=NOW - self.days * DAY
            )
            deliveries.answered([asked], End(url=url, how=How.ANSWERED), paged=True)
        for wanted in deliveries.asked_of():
            fit = [event for event in self.held.values() if wanted.matches(event)]
            for event in sorted(fit, key=lambda event: event.order)[: wanted.limit]:
                deliveries.take(event)
        for event_id in deliveries.sampled:
            deliveries.had(event_id, self.had[event_id])
        self.held |= came
        wrote = sum(len(_since(notes, self.days)) for notes in network.notes.values())
        self.recall.append(len(came) / wrote)
        return deliveries


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def read(network: Network, choice: str, most: int, days: int, seed: int) -> list[float]:
    """The recall of each session."""
    clock, chance = Clock(), Random(seed)
    book = ScoreBook(None, clock, f"{seed}")
    reading = Reading(network, days)
    for _ in range(SESSIONS):
        choosers: dict[str, Chooser] = {
            "greedy": greedy,
            "draws": ranked(lambda pubkey, url: chance.random()),
            "scores": ranked(book.rank(since=NOW - days * DAY)),
            "all known": ranked(omniscient(network, days)),
        }
        book.record(reading.session(choosers[choice], most).judged(NOW))
        clock.now += DRAW_STANDS
    return reading.recall


def _since(events: Sequence[Event], days: int) -> list[Event]:
    return [event for event in events if event.created_at >= NOW - days * DAY]


CHOICES = ("greedy", "draws", "scores", "all known")
QUESTIONS = [(days, most) for days in (7, 365) for most in (20, 30)]


def measure(networks: int, seed: int, zipf: float) -> None:
    print(f"relays for {AUTHORS} authors, recall of each session, mean of {networks} networks")
    drawn = [make_network(Random(seed + n), zipf) for n in range(networks)]
    third: dict[tuple[int, int, str], float] = {}
    for days, most in QUESTIONS:
        print(f"  {days} days, {most} relays")
        for choice in CHOICES:
            runs = [read(one, choice, most, days, seed + n) for n, one in enumerate(drawn)]
            recalls = [mean(run[n] for run in runs) for n in range(SESSIONS)]
            third[days, most, choice] = recalls[2]
            print(f"    {choice:<10}" + "".join(f"{100 * recall:7.1f} %" for recall in recalls))
    rows = [
        Row("7 days, 20 relays, third session", 100 * third[7, 20, "scores"], 95, "%", least=True),
        Row(
            "7 days, what 20 relays lose",
            100 * (third[7, 30, "scores"] - third[7, 20, "scores"]),
            unit="%",
        ),
        Row(
            "1 year, what 20 relays lose",
            100 * (third[365, 30, "scores"] - third[365, 20, "scores"]),
            unit="%",
        ),
    ]
    for most in (20, 30):
        times = third[365, most, "scores"] / third[365, most, "greedy"]
        rows.append(
            Row(f"1 year, {most} relays, third session, beside greedy", times, 1.5, least=True)
        )
    print_table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=NETWORKS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--zipf", type=float, default=ZIPF)
    given = parser.parse_args()
    measure(given.networks, given.seed, given.zipf)


if __name__ == "__main__":
    main()
