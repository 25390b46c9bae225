"""Counts fills: the innermost loop of a report, which runs once for each, so it is flat and holds plain numbers.

A fill with all its mids known, as nearly all are, adds to shared counts; one that lacks some goes a slower way.
Markouts are kept as sums of signed mids: what they were measured against, the prices, is one sum for all horizons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from ops.report.figures import Figures, Markouts
from ops.report.reading import FillRow

ADVANCE_EVERY: Final = 20_000  # fills between two words on how far it is


class Tally:
    """What the fills of one stretch come to; the stretch is from `from_ms` until before `to_ms`."""

    __slots__ = (
        "against_1", "against_2", "against_3", "against_4", "contracts_e2", "fees_e6", "fills", "from_ms", "incomplete",
        "mids_0", "mids_1", "mids_2", "mids_3", "mids_4", "net_e2", "paid_e6", "takers", "to_ms", "whole_e2",
        "whole_fills", "whole_paid_e6",
    )  # fmt: skip

    def __init__(self, from_ms: int, to_ms: int) -> None:
        self.from_ms, self.to_ms = from_ms, to_ms
        self.net_e2 = self.fills = self.takers = self.contracts_e2 = self.paid_e6 = self.fees_e6 = 0
        # Of the fills whose mids are all known: signed counts times twice the mids, at the fill and at each horizon.
        self.whole_fills = self.whole_e2 = self.whole_paid_e6 = 0
        self.mids_0 = self.mids_1 = self.mids_2 = self.mids_3 = self.mids_4 = 0
        self.against_1 = self.against_2 = self.against_3 = self.against_4 = 0
        self.incomplete: Figures | None = None

    def add_incomplete(self, signed_e2: int, price_e4: int, mid2_e4: int | None, later: Iterable[int | None]) -> None:
        """Adds the mids of a fill of which some are not known; without the one at the fill nothing is measured."""
        if mid2_e4 is None:
            return
        if self.incomplete is None:
            self.incomplete = Figures()
        self.incomplete.measured_e2 += abs(signed_e2)
        self.incomplete.spread_half_e6 += signed_e2 * (mid2_e4 - 2 * price_e4)
        for markouts, then_e4 in zip(self.incomplete.markouts, later, strict=True):
            if then_e4 is not None:
                is_against = signed_e2 * (then_e4 - mid2_e4) < 0
                half_e6 = signed_e2 * (then_e4 - 2 * price_e4)
                one = Markouts(fills=1, contracts_e2=abs(signed_e2), half_e6=half_e6, against=is_against)
                markouts.add(one)

    def add_to(self, figures: Figures) -> None:
        """Adds the sums to figures."""
        figures.fills += self.fills
        figures.taker_fills += self.takers
        figures.contracts_e2 += self.contracts_e2
        figures.cash_e6 -= self.paid_e6
        figures.fees_e6 += self.fees_e6
        figures.measured_e2 += self.whole_e2
        figures.spread_half_e6 += self.mids_0 - 2 * self.whole_paid_e6
        later = (
            (self.mids_1, self.against_1),
            (self.mids_2, self.against_2),
            (self.mids_3, self.against_3),
            (self.mids_4, self.against_4),
        )
        for markouts, (mids, against) in zip(figures.markouts, later, strict=True):
            markouts.fills += self.whole_fills
            markouts.contracts_e2 += self.whole_e2
            markouts.half_e6 += mids - 2 * self.whole_paid_e6
            markouts.against += against
        if self.incomplete is not None:
            figures.add(self.incomplete)


def tallies(
    fills: Iterable[FillRow], tally_for: Callable[[str, int], Tally], advance: Callable[[int], None]
) -> dict[str, dict[int, Tally]]:
    """Returns what the fills did, by market and start of stretch; `tally_for` makes an empty one for a moment."""
    found: dict[str, dict[int, Tally]] = {}
    current: dict[str, Tally] = {}
    counted = 0
    for ticker, signed_e2, price_e4, fee_e6, is_taker, at_ms, mid_0, mid_1, mid_2, mid_3, mid_4 in fills:
        tally = current.get(ticker)
        if tally is None or not tally.from_ms <= at_ms < tally.to_ms:
            tally = tally_for(ticker, at_ms)
            tally = current[ticker] = found.setdefault(ticker, {}).setdefault(tally.from_ms, tally)
        count_e2 = signed_e2 if signed_e2 >= 0 else -signed_e2
        paid_e6 = signed_e2 * price_e4
        tally.net_e2 += signed_e2
        tally.fills += 1
        tally.contracts_e2 += count_e2
        tally.paid_e6 += paid_e6
        tally.fees_e6 += fee_e6
        if is_taker:
            tally.takers += 1
        if mid_0 is None or mid_1 is None or mid_2 is None or mid_3 is None or mid_4 is None:
            tally.add_incomplete(signed_e2, price_e4, mid_0, (mid_1, mid_2, mid_3, mid_4))
        else:
            signed_0 = signed_e2 * mid_0
            signed_1, signed_2 = signed_e2 * mid_1, signed_e2 * mid_2
            signed_3, signed_4 = signed_e2 * mid_3, signed_e2 * mid_4
            tally.whole_fills += 1
            tally.whole_e2 += count_e2
            tally.whole_paid_e6 += paid_e6
            tally.mids_0 += signed_0
            tally.mids_1 += signed_1
            tally.mids_2 += signed_2
            tally.mids_3 += signed_3
            tally.mids_4 += signed_4
            if signed_1 < signed_0:
                tally.against_1 += 1
            if signed_2 < signed_0:
                tally.against_2 += 1
            if signed_3 < signed_0:
                tally.against_3 += 1
            if signed_4 < signed_0:
                tally.against_4 += 1
        counted += 1
        if counted == ADVANCE_EVERY:
            advance(counted)
            counted = 0
    advance(counted)
    return found
