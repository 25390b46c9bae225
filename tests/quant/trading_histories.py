"""Random trading histories on the exchange's own clearing, booked by us too and compared at every event.

`python -m tests.quant.trading_histories --count 10000 --seed 0` prints what was compared. The exchange's fees, cash,
positions and payouts are the simulator's code, which shares nothing with ours; the average-cost book is a third one.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from itertools import count as counted

import attrs

from kalshi.fees import FeeRounding, FeeSchedule, OrderFees
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.simulator.accounts import Account
from kalshi.simulator.clearing import MarketClearing
from kalshi.simulator.fees import MAKER_RATES_E4, FeeTerms
from kalshi.simulator.orders import Fill as ExchangeFill
from kalshi.simulator.orders import Order
from kalshi.types import Fill, SelfTradePrevention, Side, TimeInForce
from quant.cash_by_shard import ShardCash
from quant.fee_check import fee_surprise
from quant.fills import NumberedFill
from quant.positions import Portfolio, apply_fills, settle_market, value
from tests.quant.builders import mark

SHARDS = (0, 2)
OURS, HOUSE = "ours", "house"
CASH_E6 = 10**11
FEE_TYPES = sorted(kind for kind in MAKER_RATES_E4 if kind != "flat")
VOID_E4 = 5_000
ROUNDINGS: tuple[FeeRounding, ...] = ("2026-10", "2026-08")


@attrs.define
class AverageCost:
    """What a market cost on average and brought: the exchange's way of showing profit, in its rounding."""

    held_e2: int = 0
    cost_e6: int = 0
    realised_e6: int = 0

    def trade(self, fill: Fill) -> None:
        """Takes a fill, fees aside."""
        signed_e2 = fill.count_e2 if fill.side is Side.BID else -fill.count_e2
        paid_e4 = fill.price_e4 if fill.side is Side.BID else 10_000 - fill.price_e4
        against = self.held_e2 * signed_e2 < 0
        closing = min(abs(self.held_e2), abs(signed_e2)) if against else 0
        if closing:
            share_e6 = self.cost_e6 * closing // abs(self.held_e2)
            self.realised_e6 += closing * (10_000 - paid_e4) - share_e6
            self.cost_e6 -= share_e6
        self.cost_e6 += (abs(signed_e2) - closing) * paid_e4
        self.held_e2 += signed_e2

    def settle(self, payout_e6: int) -> None:
        """Takes a payout of everything."""
        self.realised_e6 += payout_e6 - self.cost_e6
        self.held_e2 = self.cost_e6 = 0


class History:
    """One random history: an exchange of a few markets, our books of it, and the comparison after each event."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"history:{seed}")
        self._numbers = counted(1)
        self._now_ms = 1_000_000
        self.events: Counter[str] = Counter()
        cash = dict.fromkeys(SHARDS, CASH_E6)
        self._accounts = {
            OURS: Account(account_id=OURS, key_id=OURS, cash_by_shard_e6=dict(cash)),
            HOUSE: Account(account_id=HOUSE, key_id=HOUSE, is_house=True, cash_by_shard_e6=dict(cash)),
        }
        self._markets = {f"M{n}": self._make_market(f"M{n}") for n in range(self._rng.randint(1, 3))}
        self._open = sorted(self._markets)
        self._orders: dict[str, tuple[Order, OrderFees]] = {}
        self._fills_of: Counter[str] = Counter()
        self._averages = {ticker: AverageCost() for ticker in self._markets}
        self._portfolio = Portfolio()
        self._cash = ShardCash()
        for shard in SHARDS:
            self._cash = self._cash.deposited(shard, MoneyE6(CASH_E6))

    def _make_market(self, ticker: str) -> tuple[MarketClearing, FeeSchedule]:
        fee_type, rounding = self._rng.choice(FEE_TYPES), self._rng.choice(ROUNDINGS)
        multiplier_e4 = self._rng.choice((0, 5_000, 10_000, 10_000))
        terms = FeeTerms(fee_type=fee_type, multiplier_e4=multiplier_e4, rounding=rounding)
        clearing = MarketClearing(
            ticker=ticker,
            exchange_index=self._rng.choice(SHARDS),
            terms=terms,
            accounts=self._accounts,
            new_trade_id=lambda: f"t{next(self._numbers)}",
        )
        return clearing, FeeSchedule(fee_type, multiplier_e4, rounding)

    def run(self, events: int) -> None:
        """Lives through so many events, then settles everything."""
        for _ in range(events):
            self._now_ms += self._rng.choice((0, 1, 1_000))
            kind = self._rng.choices(("trade", "settle", "transfer", "reward"), (40, 1, 2, 2))[0]
            if kind in ("trade", "settle") and not self._open:
                break
            getattr(self, f"_{kind}")()
            self.events[kind] += 1
            self._compare()
        while self._open:
            self._settle()
            self.events["settle"] += 1
            self._compare()

    def _trade(self) -> None:
        ticker, is_taker = self._rng.choice(self._open), self._rng.random() < 0.4
        clearing, schedule = self._markets[ticker]
        ours, fees = self._our_order(ticker, schedule)
        theirs = self._order(ticker, HOUSE, ours.side.opposite)
        maker, taker = (theirs, ours) if is_taker else (ours, theirs)
        # A whole-cent price and whole contracts as often as a fraction of either.
        grid_e4, lot_e2 = self._rng.choice((1, 10, 100)), self._rng.choice((1, 100))
        maker.price_e4 = max(1, self._rng.randrange(0, 10_000, grid_e4))
        executed = clearing.execute(maker, taker, self._rng.randint(1, 50) * lot_e2, self._now_ms)
        (fill,) = (_ours(fill) for fill in executed.fills if fill.account_id == OURS)
        billed = fees.charge(fill.side, fill.price_e4, fill.count_e2, fill.is_taker)
        assert billed.net_fee_e6 == fill.fee_e6, "the model's fee is not the bill"
        assert fee_surprise(fill, schedule, self._fills_of[fill.order_id]) == ""
        self._fills_of[fill.order_id] += 1
        before_e6 = self._portfolio.account(ticker).cash_delta_e6
        number = self._portfolio.sequence.watermark + 1
        self._portfolio = apply_fills(self._portfolio, (NumberedFill(fill_seq=number, fill=fill),)).portfolio
        flow_e6 = MoneyE6(self._portfolio.account(ticker).cash_delta_e6 - before_e6)
        self._cash = self._cash.traded(clearing._exchange_index, flow_e6)
        self._averages[ticker].trade(fill)

    def _our_order(self, ticker: str, schedule: FeeSchedule) -> tuple[Order, OrderFees]:
        """An order lives for a few fills, so that its rounding collection comes into play."""
        known = self._orders.get(ticker)
        if known is None or self._rng.random() < 0.4:
            known = self._orders[ticker] = self._order(ticker, OURS, self._rng.choice(list(Side))), OrderFees(schedule)
        return known

    def _order(self, ticker: str, owner: str, side: Side) -> Order:
        order_id = f"o{next(self._numbers)}"
        return Order(
            order_id=order_id,
            account_id=owner,
            client_order_id=order_id,
            ticker=ticker,
            side=side,
            price_e4=1,
            initial_e2=10_000,
            remaining_e2=10_000,
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
            exchange_index=0,
            created_ms=self._now_ms,
            updated_ms=self._now_ms,
        )

    def _settle(self) -> None:
        ticker = self._open.pop(self._rng.randrange(len(self._open)))
        clearing, _ = self._markets[ticker]
        value_e4 = self._rng.choice((0, 10_000, VOID_E4, self._rng.randint(0, 10_000)))
        account, paid_e6 = self._accounts[OURS], 0
        for owner in self._accounts.values():
            if (position := owner.positions.get(ticker)) is not None and position.count_e2:
                paid = clearing.pay_out(owner, position, value_e4)
                paid_e6 += paid if owner is account else 0
        # Half of the time we are told what was paid, else we compute it.
        told = MoneyE6(paid_e6) if self._rng.random() < 0.5 else None
        before_e6 = self._portfolio.account(ticker).cash_delta_e6
        self._portfolio = settle_market(self._portfolio, ticker, PriceE4(value_e4), told)
        flow_e6 = MoneyE6(self._portfolio.account(ticker).cash_delta_e6 - before_e6)
        self._cash = self._cash.traded(clearing._exchange_index, flow_e6)
        self._averages[ticker].settle(paid_e6)

    def _transfer(self) -> None:
        source, destination = self._rng.sample(SHARDS, 2)
        amount_e6 = self._rng.randint(1, 10**9)
        cash = self._accounts[OURS].cash_by_shard_e6
        cash[source] -= amount_e6
        cash[destination] += amount_e6
        self._cash = self._cash.transferred(source, destination, MoneyE6(amount_e6))

    def _reward(self) -> None:
        shard, amount_e6 = self._rng.choice(SHARDS), self._rng.randint(1, 10**7)
        self._accounts[OURS].cash_by_shard_e6[shard] += amount_e6
        self._cash = self._cash.rewarded(shard, MoneyE6(amount_e6))

    def _compare(self) -> None:
        account, portfolio = self._accounts[OURS], self._portfolio
        assert dict(self._cash.by_shard_e6) == account.cash_by_shard_e6
        assert self._cash.gap_e6(portfolio.totals) == 0
        for ticker, theirs in account.positions.items():
            ours, average = portfolio.account(ticker), self._averages[ticker]
            assert (ours.position_e2, ours.fees_e6) == (theirs.count_e2, theirs.fees_e6)
            assert (average.realised_e6, average.cost_e6) == (theirs.realized_e6, theirs.cost_e6)
            if ours.is_flat:
                assert ours.realised_e6 == theirs.realized_e6
        marks = {}
        for ticker in account.positions:
            bid_e4 = self._rng.choice((None, self._rng.randint(0, 9_999)))
            marks[ticker] = mark(bid_e4, self._rng.choice((None, self._rng.randint(bid_e4 or 0, 10_000))))
        valuation, totals = value(portfolio, marks), portfolio.totals
        assert valuation.unmarked == ()
        equity_e6 = self._cash.total_e6 + valuation.mark_value_e6
        earned_e6 = totals.realised_e6 + valuation.unrealised_e6 - totals.fees_e6
        assert equity_e6 == self._cash.deposits_e6 + self._cash.rewards_e6 + earned_e6


def _ours(fill: ExchangeFill) -> Fill:
    return Fill(
        fill_id=fill.trade_id,
        order_id=fill.order_id,
        ticker=fill.ticker,
        side=fill.side,
        price_e4=PriceE4(fill.price_e4),
        count_e2=CountE2(fill.count_e2),
        fee_e6=MoneyE6(fill.fee_e6),
        is_taker=fill.is_taker,
        ts_ms=fill.ts_ms,
        exchange_index=fill.exchange_index,
    )


def run_histories(count: int, seed: int) -> Counter[str]:
    """Lives through `count` histories; returns how many events of each kind were compared."""
    events: Counter[str] = Counter()
    for number in range(seed, seed + count):
        history = History(number)
        history.run(events=5 + number % 30)
        events += history.events
    return events


def main() -> int:
    """Runs histories from the command line; an AssertionError tells of a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    began_s = time.process_time()
    events = run_histories(options.count, options.seed)
    print(
        f"{options.count} histories, {events.total()} events {dict(events)}, {time.process_time() - began_s:.1f} s CPU"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
