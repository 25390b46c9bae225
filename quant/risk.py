"""Portfolio risk: from positions and marks to what each market may still hold, and to the halts that stop
everything.

1. Exposure is what open positions can lose (quant.exposure). Caps exist per market, per event (worst case
   over exclusive outcomes), per category and for everything; the cash of a market's shard is a cap too.
2. What a cap has left is shared equally between its markets, so that all limits handed out may be used up
   together, in the same instant, without any cap being passed. No market needs to know another.
3. A limit is a position, in contracts: filled + resting + in flight + unknown must stay within it (invariant
   I8; the OrderDesk counts those). Money becomes contracts at what one more contract costs now: the ask for a
   long, one dollar less the bid for a short, or a whole dollar where that side of the book is empty.
4. Reducing is always within the limits: a limit never falls below the position that is held. Reversing may
   use what closing releases. As any leg of a hedged event may be closed at any time, hedges count for nothing
   in what is left of the event's cap, and a leg's closing releases nothing of it (quant.exposure, rule 6).
5. Halts stop every quote: the daily loss and the drawdown at liquidation marks, which latch until a person releases
   them (quant.loss_latch), and the balance floor, which ends when the balance is back. An unknown balance stops
   quoting too, without latching.
6. A held market without a mark may not be added to; it counts neither as profit nor as loss, so that a
   restart cannot trip the latch before the first prices are in. After a market's close pass its last
   two-sided mark.
7. A market whose position drifted from the exchange's quotes nothing.

Sources: features G1 and invariants I5, I8; the design documents' caps, scaled.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kalshi.numbers import ONE_DOLLAR_E4, CountE2, MoneyE6, PriceE4, complement
from kalshi.types import Balance, Strike
from quant.accounting import Mark, MarketAccount
from quant.exposure import EventMarket, event_reach_e6, hedging, yes_range
from quant.loss_latch import LossLatch, LossLimits, dollars, watch_loss
from quant.positions import Portfolio, Valuation, value


@attrs.frozen(kw_only=True)
class RiskParameters:
    """The caps, in millionths of a dollar and 1/100 contracts; defaults suit an account of $10,000."""

    per_market_cap_e6: int = 100_000_000  # $100: one market settling wrong costs one per cent
    event_cap_e6: int = 200_000_000  # $200: two markets' worth, as outcomes of one event move together
    category_caps_e6: Mapping[str, int] = attrs.field(factory=dict)  # by lower-case category, over the default
    default_category_cap_e6: int = 600_000_000  # $600: a whole category wrong in one day
    global_budget_e6: int = 2_000_000_000  # $2,000: twenty markets at their cap, a fifth of the account
    daily_loss_limit_e6: int = 200_000_000  # $200, two per cent: far more than a normal day's swing
    drawdown_limit_e6: int | None = 500_000_000  # $500 from the best that there was: some bad days in a row
    balance_floor_e6: int = 1_000_000_000  # $1,000 stay free for exits, fees and surprises
    max_position_e2: int = 20_000  # 200 contracts: at cheap prices money alone would allow thousands

    @property
    def losses(self) -> LossLimits:
        return LossLimits(daily_e6=self.daily_loss_limit_e6, drawdown_e6=self.drawdown_limit_e6)


@attrs.frozen(kw_only=True)
class MarketFacts:
    """Where a market belongs, and at which figures it settles yes, if that is known.

    Markets of one event whose strikes name one figure settle together if they close together: later, it is another one.

    Give the markets that are held or may be quoted, not the whole universe: caps are shared.
    """

    event_ticker: str
    category: str
    is_exclusive: bool = False  # the event's outcomes exclude each other
    exchange_index: int = 0
    strike: Strike | None = None
    close_time_ms: int = 0

    def with_account(self, account: MarketAccount) -> EventMarket:
        """Returns the market with what is held there, as its event is judged."""
        if self.strike is None:
            return EventMarket(account=account)
        figure = f"{self.strike.figure} at {self.close_time_ms}"
        return EventMarket(account=account, yes=yes_range(self.strike), figure=figure)


@attrs.frozen(kw_only=True)
class MarketLimits:
    """What one market may hold, resting and unknown orders included. The limits are positions, never
    negative.

    A side that is not allowed must have nothing resting. `max_short_e2` is the size of a short position.
    """

    ticker: str
    max_long_e2: CountE2
    max_short_e2: CountE2
    bid_allowed: bool
    ask_allowed: bool
    reasons: tuple[str, ...]


@attrs.frozen(kw_only=True)
class RiskAssessment:
    """The outcome: limits by ticker, the halt with its reasons, the figures behind them, and the latch to
    keep.
    """

    limits: Mapping[str, MarketLimits]
    halt: bool
    reasons: tuple[str, ...]
    total_exposure_e6: MoneyE6
    daily_loss_e6: MoneyE6
    valuation: Valuation
    latch: LossLatch


@attrs.frozen
class _Cap:
    """One cap's remainder for each of its markets."""

    name: str
    share_e6: int
    may_reuse: bool = True  # what closing a position releases may be spent on its reversal


def assess(
    *,
    portfolio: Portfolio,
    marks: Mapping[str, Mark],
    markets: Mapping[str, MarketFacts],
    balances: Balance | None,
    parameters: RiskParameters,
    latch: LossLatch,
    day: int,
    drifted: frozenset[str] = frozenset(),
    loss_marks: Mapping[str, Mark] | None = None,
) -> RiskAssessment:
    """Returns what every market of `markets` may hold now, and whether everything must halt.

    `day` numbers the trading day (any integer that grows when a new one begins); `latch` is the previous
    assessment's. Losses are judged by `loss_marks` (quant.loss_marks), by `marks` where there are none. Held markets
    that are missing in `markets` count in the totals but get no limits.
    """
    valuation = value(portfolio, marks)
    at_loss_marks = valuation if loss_marks is None else value(portfolio, loss_marks)
    latch, loss_e6 = watch_loss(latch, portfolio, at_loss_marks, day, parameters.losses)
    halts = _halts(latch, balances, parameters)
    shares = _shares(portfolio, markets, balances, parameters)
    limits = {
        ticker: _limits(
            portfolio.account(ticker),
            marks.get(ticker),
            shares[ticker],
            (*halts, *(("position differs from the exchange's",) if ticker in drifted else ())),
            parameters,
        )
        for ticker in sorted(markets)
    }
    return RiskAssessment(
        limits=limits,
        halt=bool(halts),
        reasons=halts,
        total_exposure_e6=MoneyE6(sum(account.open_cost_e6 for account in portfolio.accounts.values())),
        daily_loss_e6=loss_e6,
        valuation=valuation,
        latch=latch,
    )


def _halts(latch: LossLatch, balances: Balance | None, parameters: RiskParameters) -> tuple[str, ...]:
    reasons = () if latch.tripped_reason is None else (latch.tripped_reason,)
    if balances is None:
        return (*reasons, "the balance is not known")
    if balances.total_e6 < parameters.balance_floor_e6:
        floor = dollars(parameters.balance_floor_e6)
        return (*reasons, f"balance {dollars(balances.total_e6)} is below the floor of {floor}")
    return reasons


def _shares(
    portfolio: Portfolio,
    markets: Mapping[str, MarketFacts],
    balances: Balance | None,
    parameters: RiskParameters,
) -> dict[str, tuple[_Cap, ...]]:
    """Returns, per market, what each cap leaves it to add: the cap less what it holds, by the number of its
    markets.
    """
    by_event = _grouped({ticker: facts.event_ticker for ticker, facts in markets.items()})
    by_category = _grouped({ticker: facts.category.lower() for ticker, facts in markets.items()})
    by_shard = _grouped({ticker: str(facts.exchange_index) for ticker, facts in markets.items()})
    cash = {} if balances is None else {str(shard): int(amount) for shard, amount in balances.by_shard_e6}
    everything = sum(account.open_cost_e6 for account in portfolio.accounts.values())
    shares: dict[str, list[_Cap]] = {ticker: [] for ticker in markets}
    for members in by_event.values():
        is_exclusive = all(markets[ticker].is_exclusive for ticker in members)
        event = [markets[ticker].with_account(portfolio.account(ticker)) for ticker in members]
        left_e6 = parameters.event_cap_e6 - event_reach_e6(event, is_exclusive=is_exclusive)
        # A leg that pays where another loses releases nothing there when it is closed.
        _hand_out(shares, members, "event", left_e6, tied=hedging(event, is_exclusive=is_exclusive))
    for category, members in by_category.items():
        cap = parameters.category_caps_e6.get(category, parameters.default_category_cap_e6)
        held = MoneyE6(sum(portfolio.account(ticker).open_cost_e6 for ticker in members))
        _hand_out(shares, members, f"category {category}", cap - held)
    for shard, members in by_shard.items():
        _hand_out(shares, members, f"cash on shard {shard}", cash.get(shard, 0))
    _hand_out(shares, sorted(markets), "global", parameters.global_budget_e6 - everything)
    for ticker in markets:
        own = parameters.per_market_cap_e6 - portfolio.account(ticker).open_cost_e6
        _hand_out(shares, [ticker], "market", own)
    return {ticker: tuple(caps) for ticker, caps in shares.items()}


def _grouped(key_of: Mapping[str, str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for ticker in sorted(key_of):
        groups.setdefault(key_of[ticker], []).append(ticker)
    return groups


def _hand_out(
    shares: dict[str, list[_Cap]], members: list[str], name: str, left_e6: int, *, tied: frozenset[str] = frozenset()
) -> None:
    for ticker in members:
        shares[ticker].append(_Cap(name, max(0, left_e6) // len(members), may_reuse=ticker not in tied))


def _limits(
    account: MarketAccount,
    mark: Mark | None,
    caps: tuple[_Cap, ...],
    halts: tuple[str, ...],
    parameters: RiskParameters,
) -> MarketLimits:
    tightest = min(caps, key=lambda cap: cap.share_e6)
    reasons = list(halts)
    extra_e6 = tightest.share_e6
    if mark is None and not account.is_flat:
        extra_e6 = 0
        reasons.append("no mark for a held market")
    elif extra_e6 == 0:
        reasons.append(f"nothing left to add: {tightest.name} cap")
    # What closing releases serves the reversal, unless nothing may be added at all.
    reversal_e6 = min(cap.share_e6 + cap.may_reuse * account.open_cost_e6 for cap in caps) if extra_e6 > 0 else 0
    long_e2, short_e2 = _positions_within(account, mark, extra_e6, reversal_e6, parameters.max_position_e2)
    is_quotable = not halts
    return MarketLimits(
        ticker=account.ticker,
        max_long_e2=long_e2,
        max_short_e2=short_e2,
        bid_allowed=is_quotable and (long_e2 > account.position_e2),
        ask_allowed=is_quotable and (short_e2 > -account.position_e2),
        reasons=tuple(reasons),
    )


def _positions_within(
    account: MarketAccount, mark: Mark | None, extra_e6: int, reversal_e6: int, max_position_e2: int
) -> tuple[CountE2, CountE2]:
    """Returns the largest long and short position: what is held plus what `extra_e6` buys, or what
    `reversal_e6` buys on the other side.
    """
    ask = _price_or_dollar(None if mark is None else mark.ask_e4)
    no_ask = _price_or_dollar(None if mark is None or mark.bid_e4 is None else complement(mark.bid_e4))
    position = account.position_e2
    if position >= 0:
        long_e2, short_e2 = position + extra_e6 // ask, reversal_e6 // no_ask
    else:
        long_e2, short_e2 = reversal_e6 // ask, -position + extra_e6 // no_ask
    return (
        CountE2(max(position, min(long_e2, max_position_e2), 0)),
        CountE2(max(-position, min(short_e2, max_position_e2), 0)),
    )


def _price_or_dollar(price_e4: PriceE4 | None) -> PriceE4:
    """Returns what one more contract costs: a dollar without a price, or at a "no quote" mark (0 or 1)."""
    return price_e4 if price_e4 is not None and 0 < price_e4 < ONE_DOLLAR_E4 else ONE_DOLLAR_E4
