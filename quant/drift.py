"""Drift: does the exchange hold the positions that our fills say?

The exchange's reads lag its matching by up to half a second, and a fill may be on its way to us; so one
difference means nothing. The *same* difference seen several times in a row, however both numbers move, is
drift: the market is halted and a person is told. A drift ends when the numbers agree again.

Source: invariant I5.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class DriftParameters:
    """When a difference is believed."""

    confirmations: int = 3  # three reads, seconds apart: the read model is never that far behind


@attrs.frozen(kw_only=True)
class Difference:
    """What we hold by our fills and by the exchange's word, and how often in a row exactly this was seen."""

    ours_e2: int
    theirs_e2: int
    times: int


@attrs.frozen(kw_only=True)
class DriftState:
    """The present differences by ticker."""

    differences: Mapping[str, Difference] = attrs.field(factory=dict)

    def drifted(self, parameters: DriftParameters) -> frozenset[str]:
        """Returns the markets whose difference is confirmed."""
        return frozenset(ticker for ticker, seen in self.differences.items() if seen.times >= parameters.confirmations)


def compare(state: DriftState, ours_e2: Mapping[str, int], theirs_e2: Mapping[str, int]) -> DriftState:
    """Returns the differences after one complete read of the exchange's positions; a missing ticker means
    flat.
    """
    differences: dict[str, Difference] = {}
    for ticker in sorted({*ours_e2, *theirs_e2}):
        ours, theirs = ours_e2.get(ticker, 0), theirs_e2.get(ticker, 0)
        if ours == theirs:
            continue
        before = state.differences.get(ticker)
        # The difference counts, not the numbers: in a busy market both move while one stays off by the same.
        is_same = before is not None and before.theirs_e2 - before.ours_e2 == theirs - ours
        times = before.times + 1 if before is not None and is_same else 1
        differences[ticker] = Difference(ours_e2=ours, theirs_e2=theirs, times=times)
    return DriftState(differences=differences)
