"""How long replication waits, and for what."""

from __future__ import annotations

from typing import Final

import msgspec

LEAST_WAIT: Final = 0.5
"""Seconds between two looks at the disk, however fast a rehearsal is."""


class Pace(msgspec.Struct, frozen=True):
    """All times in seconds. `idle`: between two looks at the ledger when nobody kicks; `lead`:
    between two tries to become the process that does it; `sweep`: between two looks for events
    without a plan; `settle`: after the start, before everything is planned anew; `audit`: between
    two looks for copies to be audited; `watch`: between two looks at whether relays live, which
    count as doubtful after `doubt_after` and as dead after `dead_after`, and are trusted again
    `steady` after they came back. `spread`, from 0 to 1, is how much chance there is in them, so
    that many do not come as one. `speedup` is by how much a rehearsal shortened them."""

    publish: float = 10.0
    idle: float = 5.0
    lead: float = 10.0
    sweep: float = 60.0
    settle: float = 3.0
    grace: float = 20.0
    audit: float = 15.0
    watch: float = 2.5
    doubt_after: float = 10.0
    steady: float = 60.0
    dead_after: float = 600.0
    spread: float = 1.0
    speedup: float = 1.0

    def sped_up(self, factor: float) -> Pace:
        """The same, `factor` times as fast, for rehearsals: what is waited for, and not what an
        answer may take. Looks at the disk come no oftener than every `LEAST_WAIT` seconds."""
        return Pace(
            publish=self.publish,
            idle=max(LEAST_WAIT, self.idle / factor),
            lead=max(LEAST_WAIT, self.lead / factor),
            sweep=max(LEAST_WAIT, self.sweep / factor),
            settle=self.settle / factor,
            grace=self.grace / factor,
            audit=max(LEAST_WAIT, self.audit / factor),
            watch=max(LEAST_WAIT, self.watch / factor),
            doubt_after=self.doubt_after / factor,
            steady=self.steady / factor,
            dead_after=self.dead_after / factor,
            spread=self.spread,
            speedup=self.speedup * factor,
        )
