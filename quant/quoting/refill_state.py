"""What a refill stake is told to do, and what it remembers: both can be stored and given back.

Prices here are those of the leg's own outcome: what a YES contract costs in the YES leg, a NO contract in the NO leg.

1. A stake buys YES, NO or both. A leg without a price is left out.
2. A round is one posting of a leg; its unfilled rest stays at its price. The first round is the whole count, every
   later one `reload_fraction` of it.
3. Fills are numbered densely by whoever applies them exactly once; a number not above the last one changes nothing,
   so that fills told again after a restart count once.
4. Totals only grow. They, the stops and the alerts given survive restarts with the state; a person may let a stopped
   stake go on (`resumed`), which keeps the totals.
"""

from __future__ import annotations

import enum

import attrs

from kalshi.numbers import ONE_CONTRACT_E2, ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4, notional
from kalshi.types import Fill, Side


class StakeSides(enum.Enum):
    """Which outcomes of the market are bought."""

    YES = "yes"
    NO = "no"
    BOTH = "both"


class RepostBase(enum.Enum):
    """From where the price of a later round is taken."""

    PREVIOUS_FILL = "previous_fill"
    MARKET_MEAN = "market_mean"
    MARKET_BEST_OFFER = "market_best_offer"


@attrs.frozen(kw_only=True)
class StakeParameters:
    """One stake's form. Raises ValueError for a form that loses by construction or can never post.

    `off_e4` is taken off the base, in 1/10,000 dollar; a negative one is added to it.
    """

    ticker: str
    count_e2: CountE2 = attrs.field(validator=attrs.validators.ge(ONE_CONTRACT_E2))
    sides: StakeSides = StakeSides.BOTH
    yes_price_e4: PriceE4 | None = None
    no_price_e4: PriceE4 | None = None
    reload_fraction: float = attrs.field(default=1.0, validator=attrs.validators.ge(0.0))  # refill all of it
    repost_base: RepostBase = RepostBase.PREVIOUS_FILL
    off_e4: int = 0
    price_min_e4: PriceE4 = attrs.field(default=PriceE4(100))
    price_max_e4: PriceE4 = attrs.field(default=PriceE4(9_900))
    max_count_e2: CountE2 | None = None
    max_money_e6: MoneyE6 | None = None
    expires_at_ms: int | None = None
    fast_fill_s: float = 2.0  # filled "at once": somebody took it knowing more
    cooldown_s: float = 30.0  # the documents' check interval

    def __attrs_post_init__(self) -> None:
        if self.price_min_e4 > self.price_max_e4:
            raise ValueError(f"{self.ticker}: price_min_e4 is above price_max_e4")
        yes, no = self.yes_price_e4, self.no_price_e4
        is_both = self.sides is StakeSides.BOTH and yes is not None and no is not None
        if is_both and (yes or 0) + (no or 0) >= ONE_DOLLAR_E4:
            raise ValueError(f"{self.ticker}: YES and NO together must cost less than the dollar that they pay")

    def first_price_e4(self, side: Side) -> PriceE4 | None:
        """Returns what the leg of this side first costs; None where it is not wanted or has no price."""
        if side is Side.BID:
            return None if self.sides is StakeSides.NO else self.yes_price_e4
        return None if self.sides is StakeSides.YES else self.no_price_e4

    def reload_count_e2(self) -> CountE2:
        """Returns the count of every round but the first, in whole contracts."""
        return CountE2(int(self.count_e2 * self.reload_fraction) // ONE_CONTRACT_E2 * ONE_CONTRACT_E2)


@attrs.frozen(kw_only=True)
class LegState:
    """One leg: the present round's unfilled rest and price, and what came before."""

    rounds: int = 0
    remaining_e2: CountE2 = attrs.field(default=CountE2(0))
    price_e4: PriceE4 | None = None
    posted_at_ms: int = 0
    last_fill_price_e4: PriceE4 | None = None
    cooldown_until_ms: int = 0
    stop_reason: str | None = None

    @property
    def outstanding_e6(self) -> MoneyE6:
        """What the unfilled rest would cost."""
        return MoneyE6(0) if self.price_e4 is None else notional(self.price_e4, self.remaining_e2)


@attrs.frozen(kw_only=True)
class StakeState:
    """Both legs, the totals since the beginning, and the alerts that were given."""

    ticker: str
    yes: LegState = LegState()
    no: LegState = LegState()
    filled_e2: CountE2 = attrs.field(default=CountE2(0))
    spent_e6: MoneyE6 = attrs.field(default=MoneyE6(0))
    last_fill_number: int = 0
    alerted: tuple[str, ...] = ()

    def leg(self, side: Side) -> LegState:
        """Returns the leg whose orders are on this side of the YES book."""
        return self.yes if side is Side.BID else self.no

    def with_leg(self, side: Side, leg: LegState) -> StakeState:
        """Returns the state with another leg."""
        return attrs.evolve(self, yes=leg) if side is Side.BID else attrs.evolve(self, no=leg)

    @property
    def committed_e2(self) -> CountE2:
        """What is filled or may still be, in 1/100 contract."""
        return CountE2(self.filled_e2 + self.yes.remaining_e2 + self.no.remaining_e2)

    @property
    def committed_e6(self) -> MoneyE6:
        """What is spent or may still be, in 1/1,000,000 dollar."""
        return MoneyE6(self.spent_e6 + self.yes.outstanding_e6 + self.no.outstanding_e6)


def applied(state: StakeState, fill: Fill, number: int, parameters: StakeParameters) -> StakeState:
    """Returns the state after a fill of one of the stake's orders; `number` is its place among all fills.

    Raises ValueError for a fill of another market.
    """
    if fill.ticker != state.ticker:
        raise ValueError(f"a fill of {fill.ticker} was given to the stake of {state.ticker}")
    if number <= state.last_fill_number:
        return state
    price_e4 = fill.side.outcome_price(fill.price_e4)
    leg = state.leg(fill.side)
    remaining_e2 = CountE2(max(0, leg.remaining_e2 - fill.count_e2))
    is_fast = remaining_e2 == 0 and fill.ts_ms - leg.posted_at_ms <= parameters.fast_fill_s * 1000
    cooldown_until_ms = fill.ts_ms + int(parameters.cooldown_s * 1000) if is_fast else leg.cooldown_until_ms
    changed = attrs.evolve(
        leg,
        remaining_e2=remaining_e2,
        last_fill_price_e4=price_e4,
        cooldown_until_ms=cooldown_until_ms,
    )
    return attrs.evolve(
        state.with_leg(fill.side, changed),
        filled_e2=CountE2(state.filled_e2 + fill.count_e2),
        spent_e6=MoneyE6(state.spent_e6 + notional(price_e4, fill.count_e2)),
        last_fill_number=number,
    )


def resumed(state: StakeState) -> StakeState:
    """Returns the state with its stops and alerts cleared and its totals kept, after a person has changed the caps."""
    return attrs.evolve(
        state,
        yes=attrs.evolve(state.yes, stop_reason=None),
        no=attrs.evolve(state.no, stop_reason=None),
        alerted=(),
    )
