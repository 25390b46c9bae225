"""The figures of one group of the report: sums of integers, and what is read off them.

Money of the split is in half millionths of a dollar (`half_e6`): a mid may lie between two prices, and nothing is
rounded. `spread + inventory - fees + rewards == PnL` holds exactly: spread is what a fill was better than the mid by,
inventory is everything else that prices did to the position, and the PnL is cash plus positions at liquidation prices.
"""

from __future__ import annotations

from typing import Final

import attrs

HORIZONS_S: Final = (1, 5, 10, 60)
JUDGED: Final = 2  # the horizon of adverse selection among them: 10 s


@attrs.define(kw_only=True)
class Markouts:
    """What fills of one horizon have come to: signed by side, so negative is what others knew better."""

    fills: int = 0
    contracts_e2: int = 0
    half_e6: int = 0
    against: int = 0  # fills that the mid moved against, from the fill to the horizon

    def add(self, other: Markouts) -> None:
        self.fills += other.fills
        self.contracts_e2 += other.contracts_e2
        self.half_e6 += other.half_e6
        self.against += other.against


@attrs.define(kw_only=True)
class Figures:
    """Sums; every one may be added to those of another group."""

    fills: int = 0
    taker_fills: int = 0
    contracts_e2: int = 0
    cash_e6: int = 0  # of YES-equivalents, before fees
    fees_e6: int = 0
    value_change_e6: int = 0  # of the positions, at liquidation prices
    spread_half_e6: int = 0
    measured_e2: int = 0  # contracts whose mid at the fill is known
    rewards_e6: int = 0
    orders: int = 0
    orders_filled: int = 0
    placed_e2: int = 0
    filled_e2: int = 0
    episodes: int = 0  # positions from flat to flat, by when they ended
    open_ms: int = 0
    held_e2_ms: int = 0  # of the same: the integral of their size over time
    adverse_e4: int = 0  # the worst and the best of each by contract
    favourable_e4: int = 0
    live_ms: int = 0
    bid_ms: int = 0
    ask_ms: int = 0
    both_ms: int = 0
    bid_touch_ms: int = 0
    ask_touch_ms: int = 0
    markouts: tuple[Markouts, ...] = attrs.field(factory=lambda: tuple(Markouts() for _ in HORIZONS_S))

    def add(self, other: Figures) -> None:
        """Adds the sums of another group."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in zip(self.markouts, other.markouts, strict=True):
            mine.add(theirs)

    # -- money, in half millionths of a dollar --

    @property
    def trading_half_e6(self) -> int:
        """Cash and the change of what the positions are worth, fees taken off."""
        return 2 * (self.cash_e6 + self.value_change_e6 - self.fees_e6)

    @property
    def pnl_half_e6(self) -> int:
        return self.trading_half_e6 + self.rewards_half_e6

    @property
    def inventory_half_e6(self) -> int:
        return 2 * (self.cash_e6 + self.value_change_e6) - self.spread_half_e6

    @property
    def fees_half_e6(self) -> int:
        return 2 * self.fees_e6

    @property
    def rewards_half_e6(self) -> int:
        return 2 * self.rewards_e6

    # -- shares; None where there is nothing to take a share of --

    @property
    def order_fill_rate(self) -> float | None:
        """Orders that were filled at all, of those that ended."""
        return _share(self.orders_filled, self.orders)

    @property
    def contract_fill_rate(self) -> float | None:
        return _share(self.filled_e2, self.placed_e2)

    @property
    def orders_per_fill(self) -> float | None:
        return _share(self.orders, self.fills)

    @property
    def quoted_share(self) -> float | None:
        """The mean of both sides' quoted time, of the time that the market was live."""
        return _share(self.bid_ms + self.ask_ms, 2 * self.live_ms)

    @property
    def both_share(self) -> float | None:
        return _share(self.both_ms, self.live_ms)

    @property
    def touch_share(self) -> float | None:
        """The mean of both sides' time at the touch, of the time that the market was live."""
        return _share(self.bid_touch_ms + self.ask_touch_ms, 2 * self.live_ms)

    @property
    def spread_cents(self) -> float | None:
        """What a contract was better than the mid by, in cents, over the fills whose mid is known."""
        return _cents(self.spread_half_e6, self.measured_e2)

    def markout_cents(self, horizon: int) -> float | None:
        """A contract's markout, in cents; `horizon` counts in HORIZONS_S."""
        return _cents(self.markouts[horizon].half_e6, self.markouts[horizon].contracts_e2)

    @property
    def open_minutes(self) -> float | None:
        """How long a position lasted, in minutes."""
        return _share(self.open_ms, 60_000 * self.episodes)

    @property
    def held_contracts(self) -> float | None:
        """The size of a position, weighed by how long it was so large."""
        return _share(self.held_e2_ms, 100 * self.open_ms)

    @property
    def adverse_cents(self) -> float | None:
        """How far the market went against a position, by contract: the mean over positions of each one's worst."""
        return _share(-self.adverse_e4, 100 * self.episodes)

    @property
    def favourable_cents(self) -> float | None:
        """The same of the best."""
        return _share(self.favourable_e4, 100 * self.episodes)

    @property
    def adverse_share(self) -> float | None:
        """Fills that the mid moved against within the judged horizon."""
        judged = self.markouts[JUDGED]
        return _share(judged.against, judged.fills)


_SUMS: Final = tuple(field.name for field in attrs.fields(Figures) if field.name != "markouts")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _cents(half_e6: int, contracts_e2: int) -> float | None:
    """Half millionths of a dollar over hundredths of contracts: (half / 2e6 * 100) / (contracts / 100)."""
    return half_e6 / (200 * contracts_e2) if contracts_e2 else None
