"""The figures of a trace: traces made by hand, and random ones recomputed in a plain, independent way."""

from __future__ import annotations

import random
from fractions import Fraction

import attrs
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.backtest.figures import Figures, figures
from ops.backtest.trace import Began, Breached, Ended, Filled, Line, OrderSeen, Touched
from tests.ops.backtest.plain import plain_figures

START_MS = 1_778_477_400_000
CLOSE_MS = START_MS + 600_000
TICKER, OTHER = "KXA-1", "KXB-1"

BEGAN = Began(
    at_ms=START_MS,
    recording="run.jsonl",
    strategy="touch",
    queue_model="risk_averse",
    latency_ms=50,
    close_ms={TICKER: CLOSE_MS, OTHER: CLOSE_MS - 300_000},
    max_position_e2=2_000,
    lease_max_ms=482_000,
)


def touch(after_s: float, bid_e4: int | None, ask_e4: int | None, ticker: str = TICKER) -> Touched:
    return Touched(at_ms=START_MS + round(after_s * 1000), ticker=ticker, bid_e4=bid_e4, ask_e4=ask_e4)


def order(
    after_s: float, order_id: str, side: str, price_e4: int, remaining_e2: int, *, is_exit: bool = False
) -> OrderSeen:
    at_ms = START_MS + round(after_s * 1000)
    return OrderSeen(
        at_ms=at_ms,
        order_id=order_id,
        ticker=TICKER,
        side=side,
        price_e4=price_e4,
        remaining_e2=remaining_e2,
        is_exit=is_exit,
        has_group=True,
        expires_ms=at_ms + 120_000,
    )


def fill(
    after_s: float,
    order_id: str,
    side: str,
    price_e4: int,
    count_e2: int,
    *,
    fee_e6: int = 0,
    is_taker: bool = False,
    ticker: str = TICKER,
) -> Filled:
    return Filled(
        at_ms=START_MS + round(after_s * 1000),
        order_id=order_id,
        ticker=ticker,
        side=side,
        price_e4=price_e4,
        count_e2=count_e2,
        fee_e6=fee_e6,
        is_taker=is_taker,
    )


def ended(lines: list[Line], *, cash_off_e6: int = 0, after_s: float = 700.0) -> Ended:
    """What an honest exchange says after these fills; `cash_off_e6` makes it a dishonest one."""
    fills = [line for line in lines if isinstance(line, Filled)]
    positions: dict[str, int] = {}
    cash_e6 = 0
    for one in fills:
        signed = one.count_e2 if one.side == "bid" else -one.count_e2
        positions[one.ticker] = positions.get(one.ticker, 0) + signed
        cash_e6 -= signed * one.price_e4 + one.fee_e6
    cash_e6 += sum(10_000 * held for held in positions.values() if held < 0)
    return Ended(
        at_ms=START_MS + round(after_s * 1000),
        cash_e6=cash_e6 + cash_off_e6,
        positions={ticker: held for ticker, held in positions.items() if held},
        fees_e6=sum(one.fee_e6 for one in fills),
        frames=1,
        prints=1,
        verdict="verified flat",
        passed="",
    )


def of(*lines: Line) -> Figures:
    return figures([BEGAN, *lines, ended(list(lines))])


ROUND_TRIP: tuple[Line, ...] = (
    touch(0, 4_500, 4_700),
    order(1, "b", "bid", 4_500, 1_000),
    order(1, "a", "ask", 4_700, 1_000),
    fill(10, "b", "bid", 4_500, 1_000),
    order(10, "b", "bid", 4_500, 0),
    touch(10.5, 4_400, 4_600),
    *(touch(11 + second, 4_400, 4_600) for second in range(9)),
    fill(20, "a", "ask", 4_700, 1_000, fee_e6=3),
    order(20, "a", "ask", 4_700, 0),
    touch(100, 4_400, 4_600),
)


def test_a_round_trip_earns_the_spread_and_pays_what_the_mid_moved_against_it() -> None:
    found = of(*ROUND_TRIP)
    assert (found.fills, found.exits, found.overtaken, found.filled_e2, found.quotes) == (2, 0, 0, 2_000, 2)
    # Bought one cent under the mid, then the mid fell by one, then sold two cents above: 10 contracts each.
    assert found.spread_half_e6 == 2 * (100_000 + 200_000)
    assert found.inventory_half_e6 == -2 * 100_000
    assert found.pnl_half_e6 == 2 * (200_000 - 3)
    assert found.identity_half_e6 == 0
    assert found.max_position_e2 == 1_000
    assert found.max_drawdown_half_e6 == 200_000
    assert found.breaches == ()


def test_a_markout_is_seen_from_the_fill_and_what_nobody_knew_is_missed() -> None:
    found = of(*ROUND_TRIP)
    one_s, five_s, ten_s, minute = found.markouts
    assert [one.horizon_s for one in found.markouts] == [1.0, 5.0, 10.0, 60.0]
    # Bought at 45 and the mid is 45 a second later; sold at 47 with the mid at 45.
    assert one_s.mean == pytest.approx((0.0 + 0.02) / 2)
    assert five_s.mean == pytest.approx((0.0 + 0.02) / 2)
    # After the sale no mid was known any more; 9 s after the last one it still counts, 11 s after it does not.
    assert (ten_s.measured, ten_s.missed) == (1, 1)
    assert (minute.measured, minute.missed) == (0, 2)
    assert minute.mean is None


def test_time_counts_while_the_book_has_both_sides_and_its_market_is_open() -> None:
    found = of(*ROUND_TRIP, touch(110, 4_400, None), touch(120, 4_400, 4_600))
    # From 0 to 110 s and from 120 s to the close at 600 s; the bid rests from 1 to 10 s, the ask from 1 to 20 s.
    assert (found.open_ms, found.quoted_ms, found.both_ms) == (590_000, 19_000, 9_000)


def test_what_is_held_at_the_end_is_marked_at_the_last_mid_before_the_close() -> None:
    found = of(
        touch(0, 4_500, 4_700),
        order(1, "a", "ask", 4_700, 500),
        fill(2, "a", "ask", 4_700, 500),
        order(2, "a", "ask", 4_700, 0),
        touch(500, 4_000, 4_101),
        touch(600, 100, 200),  # the market is closed
    )
    assert found.pnl_half_e6 == 500 * (2 * 4_700 - 8_101)
    assert found.identity_half_e6 == 0
    assert found.max_drawdown_half_e6 == 0


@pytest.mark.parametrize(
    ("lines", "breach"),
    [
        ((order(1, "b", "bid", 4_500, 2_001),), "I8: KXA-1 bid could reach 2001"),
        ((order(1, "b", "bid", 4_500, 100), order(2, "c", "bid", 4_400, 100)), "I20: 2 quotes rest on the bid side"),
        ((msgspec.structs.replace(order(1, "b", "bid", 4_500, 100), has_group=False),), "I29: b rests without group"),
        ((msgspec.structs.replace(order(1, "b", "bid", 4_500, 100), expires_ms=None),), "I29: b rests without lease"),
        (
            (msgspec.structs.replace(order(1, "b", "bid", 4_500, 100), expires_ms=START_MS + 483_001),),
            "I29: b has a lease of 482.001 s",
        ),
        ((fill(1, "b", "bid", 4_700, 100, is_taker=True), order(1, "b", "bid", 4_700, 0)), "never cross: quote b took"),
        ((order(1, "b", "bid", 4_500, 100),), "I1: 1 orders of KXA-1 rest at the end"),
        ((Breached(at_ms=START_MS + 1, invariant="I7", text="said outside"),), "I7: said outside"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_limit_that_is_broken_is_told(lines: tuple[Line, ...], breach: str) -> None:
    assert any(text.startswith(breach) for text in of(touch(0, 4_500, 4_700), *lines).breaches)


def test_limits_that_are_just_kept_are_not_told() -> None:
    within = of(
        touch(0, 4_500, 4_700),
        order(1, "b", "bid", 4_500, 1_500),
        fill(2, "b", "bid", 4_500, 500),
        order(2, "b", "bid", 4_500, 1_000),  # told after its fill, in the same moment
        order(3, "b", "bid", 4_500, 1_500),
        order(4, "b", "bid", 4_500, 0),
    )
    assert within.breaches == ()


def test_a_moved_quote_that_the_market_overtook_and_an_exit_that_took_are_told_apart() -> None:
    found = of(
        touch(0, 4_500, 4_700),
        order(1, "b", "bid", 4_500, 100),
        fill(2, "b", "bid", 4_700, 100, is_taker=True),
        order(2, "b", "bid", 4_700, 0),
        fill(3, "x", "ask", 4_500, 100, is_taker=True),
        order(3, "x", "ask", 4_500, 0, is_exit=True),
    )
    assert (found.fills, found.overtaken, found.exits) == (0, 1, 1)
    assert found.breaches == ()
    assert all(one.measured == one.missed == 0 for one in found.markouts)


def test_an_exchange_that_books_otherwise_than_the_fills_is_found() -> None:
    lines = list(ROUND_TRIP)
    told = figures([BEGAN, *lines, ended(lines, cash_off_e6=1)])
    assert told.breaches == ("I6: cash: the fills give 199997, the exchange 199998",)


def test_what_is_no_trace_is_refused() -> None:
    with pytest.raises(ValueError, match="begins with how its run was set up"):
        figures(ROUND_TRIP)
    with pytest.raises(ValueError, match="filled before its first touch"):
        of(fill(1, "b", "bid", 4_500, 100))


# -- random traces, recomputed plainly --


def random_trace(seed: int) -> list[Line]:
    """Two markets whose books and orders do what they like, in whole tenths of a second."""
    rng = random.Random(seed)
    lines: list[Line] = [touch(0, 4_500, 4_700), touch(0, 1_000, 1_200, OTHER)]
    after_s = 0.0
    for number in range(rng.randrange(40)):
        after_s += rng.choice((0.0, 0.1, 0.4, 1.0, 3.0, 12.0, 70.0))
        ticker, side, price_e4 = rng.choice((TICKER, OTHER)), rng.choice(("bid", "ask")), rng.randint(1, 9_990)
        kind = rng.choice(("touch", "touch", "fill", "order"))
        if kind == "touch":
            bid_e4 = rng.choice((price_e4, price_e4, price_e4, None))
            ask_e4 = rng.choice((rng.randint(price_e4 + 1, 9_999), price_e4 + 1, price_e4 + 2, None))
            lines.append(touch(after_s, bid_e4, ask_e4, ticker))
        elif kind == "fill":
            filled = fill(after_s, f"o{number}", side, price_e4, rng.randint(1, 3_000), ticker=ticker)
            lines.append(msgspec.structs.replace(filled, fee_e6=rng.randint(0, 9_999), is_taker=rng.random() < 0.3))
        else:
            place = rng.randrange(5)
            seen = order(after_s, f"o{place}-{side}", side, price_e4, rng.choice((0, 0, 400, 900)), is_exit=not place)
            lines.append(msgspec.structs.replace(seen, ticker=ticker))
    return [BEGAN, *lines, ended(lines, after_s=max(700.0, after_s))]


seeds = st.integers(0, 2**32)


@settings(deadline=None)
@given(seeds)
def test_the_figures_agree_with_a_plain_recomputation_and_profit_is_the_sum_of_its_parts(seed: int) -> None:
    trace = random_trace(seed)
    found, plain = figures(trace), plain_figures(trace)
    assert found.identity_half_e6 == 0
    assert Fraction(found.pnl_half_e6, 2) == plain.pnl_e6
    assert Fraction(found.spread_half_e6, 2) == plain.spread_e6
    assert found.fees_e6 == plain.fees_e6
    assert Fraction(found.max_drawdown_half_e6, 2) == plain.max_drawdown_e6
    assert (found.fills, found.filled_e2, found.max_position_e2) == (
        plain.fills,
        plain.filled_e2,
        plain.max_position_e2,
    )
    assert (found.open_ms, found.quoted_ms, found.both_ms) == (plain.open_ms, plain.quoted_ms, plain.both_ms)
    for one, (dollars, contracts, measured, missed) in zip(found.markouts, plain.markouts, strict=True):
        assert (one.measured, one.missed) == (measured, missed)
        assert one.contracts == pytest.approx(float(contracts))
        assert one.dollars == pytest.approx(float(dollars), abs=1e-9)


@settings(deadline=None)
@given(seeds)
def test_figures_do_not_depend_on_how_a_trace_was_carried(seed: int) -> None:
    trace = random_trace(seed)
    encoder, decoder = msgspec.json.Encoder(), msgspec.json.Decoder(Line)
    carried = [decoder.decode(encoder.encode(line)) for line in trace]
    assert attrs.asdict(figures(carried)) == attrs.asdict(figures(trace))
