"""Snapshots for the tests of everything that shows or answers from one."""

from __future__ import annotations

from typing import Any

import attrs

from actors.messages.control import ActorRow, MarketRow, QuoteRow, SystemSnapshot, Totals
from kalshi.numbers import CountE2, MoneyE6, PriceE4

CATEGORIES = ("Sports", "Crypto", "Climate", "Economics", "Politics", "Financials")
CORE = ("ledger", "order_desk", "fill_reconciler", "risk", "stop_loss", "feed", "discovery", "allocation")


def market(index: int = 0, **changes: Any) -> MarketRow:
    row = MarketRow(
        ticker=f"KXTEST-26NOV{index:02}-T{45 + index}.5",
        category=CATEGORIES[index % len(CATEGORIES)],
        condition="live",
        best_bid_e4=PriceE4(4_400),
        best_ask_e4=PriceE4(4_700),
        own_bid=QuoteRow(price_e4=PriceE4(4_500), remaining_e2=CountE2(1_000)),
        own_ask=QuoteRow(price_e4=PriceE4(4_650), remaining_e2=CountE2(1_250)),
        position_e2=CountE2(0),
        pnl_e6=MoneyE6(0),
        reasons=("spread 2.0¢ from the model",),
    )
    return attrs.evolve(row, **changes)


def actor(name: str, **changes: Any) -> ActorRow:
    row = ActorRow(
        name=name,
        state="running",
        incarnation=1,
        restarts=0,
        mailbox_depth=0,
        mailbox_peak=3,
        idle_s=0.2,
        last_exit="",
    )
    return attrs.evolve(row, **changes)


def totals(**changes: Any) -> Totals:
    whole = Totals(
        cash_e6=MoneyE6(-3_200_000),
        marks_e6=MoneyE6(4_434_500),
        realised_e6=MoneyE6(1_000_000),
        unrealised_e6=MoneyE6(234_500),
        fees_e6=MoneyE6(0),
        pnl_e6=MoneyE6(1_234_500),
        is_exact=True,
        fills=321,
        contracts_e2=CountE2(123_400),
        orders_resting=39,
        orders_unknown=0,
    )
    return attrs.evolve(whole, **changes)


def snapshot(markets: int = 8, **changes: Any) -> SystemSnapshot:
    rows = tuple(market(index) for index in range(markets))
    whole = SystemSnapshot(
        at_ms=1_795_000_000_000,
        up_s=3_723.5,
        mode="simulated",
        venue="simulated/7f3a",
        boot="b-7f3a",
        permit="granted",
        permit_reasons=(),
        feed="live, 30 markets",
        discovery="scanned 30, chose 8",
        markets=rows,
        actors=(*map(actor, CORE), *(actor(f"market:{row.ticker}") for row in rows)),
        totals=totals(),
        write_tokens=87.5,
        loop_worst_ms=12.5,
        loop_blocks=0,
    )
    return attrs.evolve(whole, **changes)
