"""The exactly-once book of fills: each execution of ours gets one dense number, however often and by
whichever way it comes.

Fills come twice by design: over the socket at once, and again from REST pages (newest first) every 750 ms.
The ledger decides which are new and numbers those 1, 2, 3, ... without a hole, so that a consumer can see a
gap or a repetition from the number alone.

1. A fill's identity is `(order_id, fill_id)`. A known one is a duplicate, whatever else it says.
2. Memory is bounded by a high-water mark. When REST has been read completely up to a moment, the caller
   confirms it; the horizon then follows at `overlap_ms` behind, and identities older than the horizon are
   forgotten.
3. A fill older than the horizon is old news: it was numbered before the horizon passed it, or else nobody
   could tell any more. It is never numbered. So a fill can never be applied twice; that none was missed is
   what the comparison with the exchange's positions is for (quant.drift).
4. Only a confirmation moves the horizon, never a new fill: a fresh socket fill proves nothing about the older
   ones that a disconnect may have hidden. The one exception is an overfull memory, which is counted in
   `forced_horizon_moves`.
5. Within one call fills are numbered oldest first, so that first in, first out means what it says.

Rejected: a time window alone (two fills share a millisecond, and clocks differ), and remembering everything
(unbounded).

Source: the exchange's fill pages (newest first, cursor); invariants I4 and I11.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from kalshi.types import Fill

FillKey = tuple[str, str]

# The horizon moves in steps, so that forgetting old identities costs a pass over the memory once a minute,
# not per poll.
HORIZON_STEP_MS: Final = 60_000


@attrs.frozen(kw_only=True)
class FillLedgerParameters:
    """How much of the past stays comparable."""

    # Reads of the portfolio lag the matching by up to half a second and a restart takes seconds; ten minutes
    # is far more than any page can be late, and still only thousands of identities.
    overlap_ms: int = 600_000
    # Thirty fills a second for the whole overlap: more than the account's write budget could ever cause.
    remembered_max: int = 20_000


@attrs.frozen(kw_only=True)
class NumberedFill:
    """A fill with its place in the account's one sequence, counted from 1 without holes."""

    fill_seq: int
    fill: Fill


@attrs.frozen(kw_only=True)
class FillLedger:
    """Which fills are known. A fresh one starts at `horizon_ms`: everything before is not ours to count."""

    next_seq: int = 1
    horizon_ms: int = 0
    seen: Mapping[FillKey, int] = attrs.field(factory=dict)  # identity -> ts_ms, all at or after the horizon
    forced_horizon_moves: int = 0


@attrs.frozen(kw_only=True)
class Recorded:
    """What one delivery brought."""

    ledger: FillLedger
    numbered: tuple[NumberedFill, ...]
    duplicates: int
    before_horizon: int


def key_of(fill: Fill) -> FillKey:
    """Returns the identity of a fill."""
    return (fill.order_id, fill.fill_id)


def record(ledger: FillLedger, fills: Iterable[Fill], parameters: FillLedgerParameters) -> Recorded:
    """Returns the ledger after a delivery in any order, and the fills in it that are new, numbered oldest
    first.
    """
    new: dict[FillKey, Fill] = {}
    duplicates = before_horizon = 0
    for fill in fills:
        key = key_of(fill)
        if key in ledger.seen or key in new:
            duplicates += 1
        elif fill.ts_ms < ledger.horizon_ms:
            before_horizon += 1
        else:
            new[key] = fill
    if not new:
        return Recorded(ledger=ledger, numbered=(), duplicates=duplicates, before_horizon=before_horizon)
    ordered = sorted(new.values(), key=lambda fill: (fill.ts_ms, fill.order_id, fill.fill_id))
    numbered = tuple(
        NumberedFill(fill_seq=ledger.next_seq + place, fill=fill) for place, fill in enumerate(ordered)
    )
    grown = attrs.evolve(
        ledger,
        next_seq=ledger.next_seq + len(numbered),
        seen={**ledger.seen, **{key_of(fill): fill.ts_ms for fill in ordered}},
    )
    bounded = _within_bound(grown, parameters)
    return Recorded(ledger=bounded, numbered=numbered, duplicates=duplicates, before_horizon=before_horizon)


def confirm(ledger: FillLedger, read_up_to_ms: int, parameters: FillLedgerParameters) -> FillLedger:
    """Returns the ledger after the caller has read, from REST, every fill up to `read_up_to_ms` and recorded
    it.
    """
    horizon_ms = read_up_to_ms - parameters.overlap_ms
    if horizon_ms < ledger.horizon_ms + HORIZON_STEP_MS:
        return ledger
    return _with_horizon(ledger, horizon_ms)


def restore(stored: Iterable[NumberedFill], horizon_ms: int, parameters: FillLedgerParameters) -> FillLedger:
    """Returns the ledger as it was, from the stored fills (all, or at least those at or after `horizon_ms`,
    and the last).
    """
    seen: dict[FillKey, int] = {}
    last_seq = 0
    for numbered in stored:
        last_seq = max(last_seq, numbered.fill_seq)
        if numbered.fill.ts_ms >= horizon_ms:
            seen[key_of(numbered.fill)] = numbered.fill.ts_ms
    return _within_bound(FillLedger(next_seq=last_seq + 1, horizon_ms=horizon_ms, seen=seen), parameters)


def _within_bound(ledger: FillLedger, parameters: FillLedgerParameters) -> FillLedger:
    """Returns the ledger with at most `remembered_max` identities, its horizon moved past whatever was
    forgotten.
    """
    excess = len(ledger.seen) - parameters.remembered_max
    if excess <= 0:
        return ledger
    newest_forgotten_ms = sorted(ledger.seen.values())[excess - 1]
    moved = _with_horizon(ledger, newest_forgotten_ms + 1)
    return attrs.evolve(moved, forced_horizon_moves=ledger.forced_horizon_moves + 1)


def _with_horizon(ledger: FillLedger, horizon_ms: int) -> FillLedger:
    kept = {key: ts_ms for key, ts_ms in ledger.seen.items() if ts_ms >= horizon_ms}
    return attrs.evolve(ledger, horizon_ms=horizon_ms, seen=kept)
