"""The life of one market's position: how long its contracts have been open, and how far it went against us.

1. An episode runs from flat to flat; a fill that turns a long position into a short one ends one and begins the next.
2. Contracts close first in, first out. The inventory's age is the sum over the open lots of contracts times the time
   since they were opened. It is exact between events, so nothing samples it. By Little's law a limit on it is a
   position limit times a holding time.
3. The excursion is (average entry - liquidation mark) * sign per contract: its maximum over the episode is the adverse
   one (MAE), its minimum with the sign turned the favourable one (MFE). Marks are those of quant.accounting, where
   nobody to trade with means 0 for a long position and a dollar for a short one.
4. At most LOTS_MAX lots are kept. Beyond, the two newest become one, opened at their contracts' mean time, which
   leaves the age as it was.

Lots without prices: profit and entry prices are quant.accounting's and are not counted twice.

Source: the project's strategy reference, section 6 (no published definition exists).
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Side

# A position is rarely built from more orders than this, and a fill costs at most a pass over them.
LOTS_MAX: Final = 64


@attrs.frozen(kw_only=True)
class AgedLot:
    """Contracts that were opened together, at `opened_s` of the monotonic clock."""

    count_e2: CountE2
    opened_s: float


@attrs.frozen(kw_only=True)
class Holding:
    """The episode so far; without lots the market is flat. Excursions are in 1/10,000 dollar per contract."""

    is_long: bool = True
    lots: tuple[AgedLot, ...] = ()
    adverse_e4: int = 0
    favourable_e4: int = 0

    @property
    def position_e2(self) -> CountE2:
        """Returns the signed position: + YES, - NO."""
        size = sum(lot.count_e2 for lot in self.lots)
        return CountE2(size if self.is_long else -size)

    @property
    def adverse_excursion(self) -> float:
        """Returns the worst excursion of the episode in dollars per contract."""
        return self.adverse_e4 / 10_000


def filled(holding: Holding, side: Side, count_e2: CountE2, time_s: float) -> Holding:
    """Returns the holding after a fill of `count_e2` > 0 at `time_s`."""
    if holding.lots and holding.is_long is not (side is Side.BID):
        lots, left_e2 = _closed(holding.lots, count_e2)
        if lots:
            return attrs.evolve(holding, lots=lots)
        holding, count_e2 = Holding(), left_e2
        if count_e2 == 0:
            return holding
    lot = AgedLot(count_e2=count_e2, opened_s=time_s)
    return attrs.evolve(holding, is_long=side is Side.BID, lots=_bounded((*holding.lots, lot)))


def marked(holding: Holding, average_entry_e4: PriceE4, liquidation_e4: PriceE4) -> Holding:
    """Returns the holding after its market could be left at `liquidation_e4`; a flat one stays as it is."""
    if not holding.lots:
        return holding
    loss_e4 = (average_entry_e4 - liquidation_e4) * (1 if holding.is_long else -1)
    if -holding.favourable_e4 <= loss_e4 <= holding.adverse_e4:
        return holding
    return attrs.evolve(
        holding,
        adverse_e4=max(holding.adverse_e4, loss_e4),
        favourable_e4=max(holding.favourable_e4, -loss_e4),
    )


def contract_minutes(holding: Holding, now_s: float) -> float:
    """Returns the age of the inventory: contracts times the minutes since each was opened, never negative."""
    return sum(lot.count_e2 * max(0.0, now_s - lot.opened_s) for lot in holding.lots) / 100 / 60


def _closed(lots: tuple[AgedLot, ...], count_e2: CountE2) -> tuple[tuple[AgedLot, ...], CountE2]:
    """Returns the lots left after closing the oldest `count_e2`, and how much of it found nothing to close."""
    left = int(count_e2)
    for index, lot in enumerate(lots):
        if left < lot.count_e2:
            return (attrs.evolve(lot, count_e2=CountE2(lot.count_e2 - left)), *lots[index + 1 :]), CountE2(0)
        left -= lot.count_e2
    return (), CountE2(left)


def _bounded(lots: tuple[AgedLot, ...]) -> tuple[AgedLot, ...]:
    if len(lots) <= LOTS_MAX:
        return lots
    older, newest = lots[-2:]
    count = older.count_e2 + newest.count_e2
    opened_s = (older.count_e2 * older.opened_s + newest.count_e2 * newest.opened_s) / count
    return (*lots[:-2], AgedLot(count_e2=CountE2(count), opened_s=opened_s))
