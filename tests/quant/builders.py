"""Short ways to say what the specifications talk about."""

from __future__ import annotations

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Level, PriceRange, Side
from quant.accounting import Mark
from quant.fills import NumberedFill
from quant.positions import Portfolio, apply_fills
from quant.quoting.decision import QuoteDecision, QuoteInputs

CENT_GRID = PriceGrid((PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(100)),))
DECICENT_GRID = PriceGrid((PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(10)),))
TAPERED_GRID = PriceGrid(
    (
        PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(1_000), step_e4=PriceE4(10)),
        PriceRange(start_e4=PriceE4(1_000), end_e4=PriceE4(9_000), step_e4=PriceE4(100)),
        PriceRange(start_e4=PriceE4(9_000), end_e4=PriceE4(10_000), step_e4=PriceE4(10)),
    )
)


def level(price_e4: int, count_e2: int = 10_000) -> Level:
    return Level(price_e4=PriceE4(price_e4), count_e2=CountE2(count_e2))


# Slow and balanced: four cents wide around 50, a day to go.
CALM = QuoteInputs(
    best_bid=level(4_800),
    best_ask=level(5_200),
    position_e2=CountE2(0),
    max_position_e2=CountE2(10_000),
    order_size_e2=CountE2(1_000),
    sigma_dollars_per_sqrt_s=0.001,
    seconds_to_close=86_400,
)


def prices(decision: QuoteDecision) -> tuple[int | None, int | None]:
    return (
        None if decision.bid is None else decision.bid.price_e4,
        None if decision.ask is None else decision.ask.price_e4,
    )


def mark(bid_e4: int | None, ask_e4: int | None) -> Mark:
    return Mark(
        bid_e4=None if bid_e4 is None else PriceE4(bid_e4),
        ask_e4=None if ask_e4 is None else PriceE4(ask_e4),
    )


def fill(
    side: Side,
    price_e4: int,
    count_e2: int,
    *,
    fee_e6: int = 0,
    ticker: str = "M",
    fill_id: str = "f",
    order_id: str = "o",
    ts_ms: int = 0,
) -> Fill:
    return Fill(
        fill_id=fill_id,
        order_id=order_id,
        ticker=ticker,
        side=side,
        price_e4=PriceE4(price_e4),
        count_e2=CountE2(count_e2),
        fee_e6=MoneyE6(fee_e6),
        is_taker=False,
        ts_ms=ts_ms,
    )


def bid(price_e4: int, count_e2: int, *, fee_e6: int = 0, ticker: str = "M") -> Fill:
    return fill(Side.BID, price_e4, count_e2, fee_e6=fee_e6, ticker=ticker)


def ask(price_e4: int, count_e2: int, *, fee_e6: int = 0, ticker: str = "M") -> Fill:
    return fill(Side.ASK, price_e4, count_e2, fee_e6=fee_e6, ticker=ticker)


def holding(*fills: Fill) -> Portfolio:
    """The portfolio after these fills, numbered in their order."""
    return apply_fills(
        Portfolio(), [NumberedFill(fill_seq=n, fill=item) for n, item in enumerate(fills, start=1)]
    ).portfolio
