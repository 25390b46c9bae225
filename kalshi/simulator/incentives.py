"""Incentive programs of the simulated world: announced, scored second by second, paid out (kalshi-rest.md §12).

Rules:
1. Every fourth market in listing order has a liquidity program, one period per UTC day; tomorrow's is announced a day
   ahead, and an ended one is paid after a delay. A program ends with its market at the latest.
2. Once in every second, at a random moment of it, the book of each active program is scored; a customer's orders count
   under their owner, the exchange's own traders' too, so that customers compete with them.
3. At the end each customer is paid into the market's shard. The money comes from the exchange's incentive pool, which
   is a source in the sum of all money; the traders' part stays there.
4. Volume programs are announced as well, for the clients that list them; they pay nobody here, because their terms
   need the whole public's volume.

A second in which the exchange did no work has no snapshot: nobody was there to be scored.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import attrs

from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.incentive_scoring import (
    Bid,
    PayoutTerms,
    ScoringTerms,
    payout_e6,
    snapshot_shares,
)
from kalshi.simulator.market_state import MarketState
from kalshi.simulator.side_book import SideBook
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import Side

# From this start on, programs follow the terms of the help centre article read on 2026-10-01.
NEW_TERMS_MS: Final = int(datetime(2026, 7, 30, tzinfo=UTC).timestamp() * 1000)
PAID_PROGRAMS_MAX: Final = 5_000  # some weeks of a large world; older ones are forgotten
_DAY_MS: Final = 86_400_000
_SECOND_MS: Final = 1_000
_CENT_E4: Final = 100
_EVERY_NTH_MARKET: Final = 4
_EVERY_NTH_VOLUME: Final = 8
_HOUSE: Final = ""
_FEW_LEVELS: Final = 4
_ANNOUNCE_EVERY_S: Final = 60  # a new market waits this long for its program at most
_E6_PER_CENTICENT: Final = 100


@attrs.define(kw_only=True, eq=False)
class IncentiveProgram:
    """One program of one market and period; money in centi-cents (1/10,000 dollar), sizes in 1/100 contract."""

    program_id: str
    market_ticker: str
    kind: str
    start_ms: int
    end_ms: int
    period_reward_e4: int
    discount_bps: int | None = None
    target_e2: int | None = None
    max_reward_e4: int | None = None
    is_paid_out: bool = False
    snapshots_taken: int = 0
    snapshots_valid: int = 0
    shares: dict[str, int] = attrs.field(factory=dict)

    @property
    def follows_new_terms(self) -> bool:
        return self.start_ms >= NEW_TERMS_MS

    def status(self, now_ms: int) -> str:
        """Returns upcoming, active, closed or paid_out."""
        if now_ms < self.start_ms:
            return "upcoming"
        if now_ms <= self.end_ms:
            return "active"
        return "paid_out" if self.is_paid_out else "closed"


class Incentives:
    """All programs of one exchange; `tick` announces, scores and pays."""

    def __init__(self, core: ExchangeCore, rng: random.Random) -> None:
        self._core = core
        self._rng = rng
        self._ids = random.Random(f"{core.seed}:incentive ids")
        self._numbers: dict[str, int] = {}
        self._planned_until_ms: dict[str, int] = {}
        self._second = core.now_ms() // _SECOND_MS
        self._announced_s = self._second
        self._moment_ms = 0
        self._next_number = 0
        self._open: list[IncentiveProgram] = []
        self._paid: deque[IncentiveProgram] = deque(maxlen=PAID_PROGRAMS_MAX)
        self._announce(core.now_ms())

    def programs(self) -> list[IncentiveProgram]:
        """Returns every program that is remembered, paid ones first."""
        self._announce(self._core.now_ms())
        return [*self._paid, *self._open]

    def add(self, program: IncentiveProgram) -> None:
        """Announces one more program, as a scenario or a test wants it."""
        self._open.append(program)
        self._open.sort(key=lambda one: one.start_ms)

    def tick(self) -> None:
        """Does everything that is due by now."""
        now_ms = self._core.now_ms()
        second, offset_ms = divmod(now_ms, _SECOND_MS)
        if second == self._second and offset_ms < self._moment_ms:
            return
        if second != self._second:
            self._second = second
            self._moment_ms = self._rng.randrange(_SECOND_MS)
            if second - self._announced_s >= _ANNOUNCE_EVERY_S:
                self._announced_s = second
                self._announce(now_ms)
            self._settle(now_ms)
            if offset_ms < self._moment_ms:
                return
        self._moment_ms = _SECOND_MS  # done for this second
        self._score(now_ms)

    def _announce(self, now_ms: int) -> None:
        markets = self._core.markets
        if self._numbers.keys() != markets.keys():
            self._number(markets)
        horizon_ms = (now_ms // _DAY_MS + 2) * _DAY_MS
        for ticker, market in markets.items():
            number = self._numbers[ticker]
            if number % _EVERY_NTH_MARKET == 0 and self._planned_until_ms.get(ticker, 0) < horizon_ms:
                self._plan(market, number, now_ms, horizon_ms)

    def _number(self, markets: Mapping[str, MarketState]) -> None:
        """Numbers new markets in listing order and forgets the ones that are gone."""
        for ticker in markets:
            if ticker not in self._numbers:
                self._numbers[ticker] = self._next_number
                self._next_number += 1
        for ticker in self._numbers.keys() - markets.keys():
            del self._numbers[ticker]
            self._planned_until_ms.pop(ticker, None)

    def _plan(self, market: MarketState, number: int, now_ms: int, horizon_ms: int) -> None:
        # The first look plans yesterday as well, so that a closed and paid program is there from the start.
        first_ms = self._planned_until_ms.get(market.ticker, (now_ms // _DAY_MS - 1) * _DAY_MS)
        self._planned_until_ms[market.ticker] = horizon_ms
        for day_ms in range(first_ms, horizon_ms, _DAY_MS):
            start_ms = max(day_ms, market.listing.open_ms)
            end_ms = min(day_ms + _DAY_MS, market.close_ms) - 1
            if start_ms < end_ms:
                self._add_period(market.ticker, number, start_ms, end_ms, is_past=end_ms < now_ms)
        self._open.sort(key=lambda one: one.start_ms)

    def _add_period(self, ticker: str, number: int, start_ms: int, end_ms: int, *, is_past: bool) -> None:
        programs = self._paid if is_past else self._open
        programs.append(
            IncentiveProgram(
                program_id=self._new_id(),
                market_ticker=ticker,
                kind="liquidity",
                start_ms=start_ms,
                end_ms=end_ms,
                period_reward_e4=1_000_000,
                discount_bps=5_000,
                target_e2=30_000,
                is_paid_out=is_past,
            )
        )
        if number % _EVERY_NTH_VOLUME == 0:
            programs.append(
                IncentiveProgram(
                    program_id=self._new_id(),
                    market_ticker=ticker,
                    kind="volume",
                    start_ms=start_ms,
                    end_ms=end_ms,
                    period_reward_e4=500_000,
                    max_reward_e4=250_000,
                    is_paid_out=is_past,
                )
            )

    def _new_id(self) -> str:
        # A stream of its own: ids of orders must not depend on how many programs there are.
        bits = f"{self._ids.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-{bits[12:16]}-{bits[16:20]}-{bits[20:]}"

    def _score(self, now_ms: int) -> None:
        quoted = {order.ticker for order in self._core.open_orders.values()}
        for program in self._open:
            if program.start_ms > now_ms:
                break
            if program.kind != "liquidity" or now_ms > program.end_ms:
                continue
            market = self._core.markets.get(program.market_ticker)
            if market is not None:
                self._score_one(program, market, has_customers=program.market_ticker in quoted)

    def _score_one(self, program: IncentiveProgram, market: MarketState, *, has_customers: bool) -> None:
        program.snapshots_taken += 1
        engine, target_e2 = market.engine, program.target_e2 or 0
        if not has_customers:
            # Nobody to pay: only whether the snapshot is valid matters, and a few levels tell.
            program.snapshots_valid += _reaches(engine.bids, target_e2) and _reaches(engine.asks, target_e2)
            return
        shares = snapshot_shares(_bids(engine.bids), _bids(engine.asks), self._scoring_terms(program, market))
        if shares is None:
            return
        program.snapshots_valid += 1
        for owner, share in shares.items():
            if owner != _HOUSE:
                program.shares[owner] = program.shares.get(owner, 0) + share

    def _scoring_terms(self, program: IncentiveProgram, market: MarketState) -> ScoringTerms:
        settings = self._core.settings
        steps_e4 = [part.step_e4 for part in market.listing.price_ranges]
        return ScoringTerms(
            target_e2=program.target_e2 or 0,
            discount_bps=program.discount_bps if program.discount_bps is not None else 10_000,
            tick_e4=_CENT_E4 if settings.incentive_tick == "cent" else min(steps_e4),
            by_depth=program.follows_new_terms,
            boundary_counts_whole=settings.incentive_boundary_counts_whole,
        )

    def _settle(self, now_ms: int) -> None:
        delay_ms = self._core.settings.incentive_payout_delay_ms
        due = [program for program in self._open if now_ms > program.end_ms + delay_ms]
        if due:
            self._open = [program for program in self._open if program not in due]
        for program in due:
            program.is_paid_out = True
            self._pay(program, now_ms)
            self._paid.append(program)

    def _pay(self, program: IncentiveProgram, now_ms: int) -> None:
        spread = program.snapshots_valid
        if self._core.settings.incentive_pool_shrinks:
            spread = program.snapshots_taken
        cap_e4 = program.max_reward_e4
        terms = PayoutTerms(
            period_reward_e6=program.period_reward_e4 * _E6_PER_CENTICENT,
            max_per_account_e6=None if cap_e4 is None else cap_e4 * _E6_PER_CENTICENT,
            smallest_e6=1_000_000 if program.follows_new_terms else 10_000,
        )
        market = self._core.markets.get(program.market_ticker)
        shard = market.exchange_index if market is not None else 0
        for account_id, share in program.shares.items():
            account, paid_e6 = self._core.accounts.get(account_id), payout_e6(share, spread, terms)
            if account is not None and paid_e6:
                account.cash_by_shard_e6[shard] = account.cash_by_shard_e6.get(shard, 0) + paid_e6
                self._core.incentives_paid_e6 += paid_e6
                self._core.publish_cash(account, now_ms)


def _own_price_e4(book: SideBook, price_e4: int) -> int:
    return price_e4 if book.side is Side.BID else DOLLAR_E4 - price_e4


def _bids(book: SideBook) -> list[Bid]:
    """Returns a side's orders as bids of its own outcome, best first; the house is one owner."""
    return [
        Bid(_own_price_e4(book, order.price_e4), order.remaining_e2, _HOUSE if order.is_house else order.account_id)
        for order in book.orders()
    ]


def _reaches(book: SideBook, target_e2: int) -> bool:
    # The best few levels nearly always tell, and this is asked of every program in every second.
    return any(sum(size_e2 for _, size_e2 in book.levels(depth)) >= target_e2 for depth in (_FEW_LEVELS, 0))
