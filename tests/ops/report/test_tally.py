"""Fills that are summed up by thousands: the same figures as fills that are read alone, and as the accounts'."""

from __future__ import annotations

from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import PriceE4
from kalshi.types import Side
from ops.report import tally
from ops.report.pnl import By, Report
from quant.accounting import Mark
from quant.fills import NumberedFill
from quant.positions import Portfolio, apply_fills, settle_market, value
from tests.ops.report.ledgers import MINUTE_MS, START_MS, configured, made_fill, marks, record
from tests.ops.report.test_pnl import MINUTES, TICKERS, Case, Plain, cases, reported

SETTLEMENTS = st.dictionaries(
    st.sampled_from(TICKERS), st.tuples(st.integers(0, MINUTES), st.sampled_from((0, 10_000))), max_size=2
)


def reported_at_once(case: Case, by: By, at_once: int, start_ms: int | None = None) -> Report:
    with mock.patch.object(tally, "AT_ONCE", at_once):
        return reported(case.fills, case.records(), by, start_ms)


@given(case=cases(), by=st.sampled_from(By), since=st.integers(-1, MINUTES), at_once=st.sampled_from((2, 7, 20_000)))
@settings(max_examples=60, deadline=None)
def test_fills_summed_up_say_what_fills_read_alone_say(case: Case, by: By, since: int, at_once: int) -> None:
    """One at a time no sum has two of a stretch, of a side or of what is known of the mids."""
    start_ms = None if since < 0 else START_MS + since * MINUTE_MS
    assert reported_at_once(case, by, at_once, start_ms) == reported_at_once(case, by, 1, start_ms)


@given(case=cases(), settled=SETTLEMENTS, at_once=st.sampled_from((3, 20_000)))
@settings(max_examples=60, deadline=None)
def test_the_report_earns_what_the_portfolio_earned(
    case: Case, settled: dict[str, tuple[int, int]], at_once: int
) -> None:
    """With fills that are heard of late, settlements, and fills that are heard of after them."""
    rows = case.records()
    for ticker, (minute, value_e4) in settled.items():
        rows.append(record("settlements", ticker=ticker, value_e4=value_e4, settled_ms=START_MS + minute * MINUTE_MS))
    with mock.patch.object(tally, "AT_ONCE", at_once):
        made = reported(case.fills, rows)
    plain = Plain(case, made.start_ms, made.end_ms, made.bucket_ms)
    numbered = [NumberedFill(fill=fill, fill_seq=number) for number, fill in enumerate(case.fills, 1)]
    half = len(numbered) // 2
    portfolio = apply_fills(Portfolio(), numbered[:half]).portfolio
    for ticker, (minute, value_e4) in settled.items():
        if START_MS + minute * MINUTE_MS <= made.end_ms:
            portfolio = settle_market(portfolio, ticker, PriceE4(value_e4))
    portfolio = apply_fills(portfolio, numbered[half:]).portfolio
    for ticker, (minute, value_e4) in settled.items():  # those without a fill until then
        if START_MS + minute * MINUTE_MS <= made.end_ms:
            portfolio = settle_market(portfolio, ticker, PriceE4(value_e4))
    prices = {}
    for ticker, position_e2 in portfolio.positions_e2.items():
        price_e4 = PriceE4(plain.price_e4(ticker, made.end_ms, position_e2))
        prices[ticker] = Mark(bid_e4=price_e4, ask_e4=price_e4)
    worth, totals = value(portfolio, prices), portfolio.totals
    assert made.total.pnl_half_e6 == 2 * worth.equity_delta_e6
    assert made.total.pnl_half_e6 == 2 * (totals.realised_e6 + worth.unrealised_e6 - totals.fees_e6)
    assert (made.total.fills, made.total.contracts_e2, made.total.fees_e6) == (
        totals.fills,
        totals.traded_e2,
        totals.fees_e6,
    )


def test_two_fills_of_one_bucket_around_a_change_of_program_are_two_programs() -> None:
    """Each with a fill beside it that lacks a mid: what is read again of one sum is not what is read of the other."""
    fills = [made_fill(n, "A", Side.BID, 5_000, 10**n, 0, START_MS + at) for n, at in ((1, 9), (2, 1), (3, 8), (4, 2))]
    rows = [marks(1, 10_000, (10_000,) * 4), marks(2, 10_000, (10_000,) * 4)]
    rows += [configured("A", START_MS, "p", "glft"), configured("A", START_MS + 5, "q", "glft")]
    by_program = dict(reported(fills, rows, By.PROGRAM).groups)
    assert {name: (f.contracts_e2, f.measured_e2) for name, f in by_program.items()} == {
        "p": (10_100, 100),
        "q": (1_010, 10),
    }
