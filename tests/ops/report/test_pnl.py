"""The report's sums: equal to a plain recomputation, to the accounts of `quant.accounting`, and to themselves."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages.money import Record
from kalshi.numbers import PriceE4
from kalshi.types import Fill, Side
from ops.report.calendar import BUCKETS_MAX, bucket_for
from ops.report.figures import Figures
from ops.report.pnl import UNKNOWN, By, Report, make_report
from ops.report.reading import LedgerReader, ReportError
from quant.accounting import Mark, MarketAccount, apply_fill, liquidation_mark_e4, mark_value_e6
from tests.ops.report import ledgers
from tests.ops.report.ledgers import MINUTE_MS, START_MS, configured, made_fill, marks, minute, record

TICKERS = ("A", "B")
MINUTES = 30


def reported(
    fills: list[Fill], records: list[Record], by: By = By.MARKET, start_ms: int | None = None, end_ms: int | None = None
) -> Report:
    with tempfile.TemporaryDirectory() as folder:
        path = ledgers.write(Path(folder) / "ledger.sqlite", fills, records)
        with LedgerReader(path) as reader:
            return make_report(reader, by, start_ms, end_ms)


@attrs.frozen
class Case:
    fills: list[Fill]
    mids: list[tuple[int | None, list[int | None]]]
    prices: dict[tuple[str, int], tuple[int | None, int | None]]  # by ticker and minute
    changes: dict[str, list[tuple[int, str]]]  # of the program, by ticker

    def records(self) -> list[Record]:
        rows = [minute(t, "p", START_MS + at * MINUTE_MS, *prices, 40_000) for (t, at), prices in self.prices.items()]
        rows += [marks(number, mid, later) for number, (mid, later) in enumerate(self.mids, 1)]
        rows += [configured(t, at, name, name) for t, several in self.changes.items() for at, name in several]
        return rows


PRICE = st.one_of(st.none(), st.integers(100, 9_900))
MID2 = st.one_of(st.none(), st.integers(200, 19_800))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    fills, mids = [], []
    for number in range(1, draw(st.integers(0, 25)) + 1):
        fills.append(
            made_fill(
                number,
                draw(st.sampled_from(TICKERS)),
                draw(st.sampled_from(Side)),
                draw(st.integers(1, 9_999)),
                draw(st.integers(1, 900)),
                draw(st.integers(0, 9_999)),
                START_MS + draw(st.integers(0, MINUTES * MINUTE_MS - 1)),
            )
        )
        mids.append((draw(MID2), [draw(MID2) for _ in range(4)]))
    minutes = draw(st.lists(st.tuples(st.sampled_from(TICKERS), st.integers(0, MINUTES - 1)), unique=True, max_size=20))
    prices = {key: (draw(PRICE), draw(PRICE)) for key in minutes}
    changes = {
        ticker: [
            (START_MS + at, draw(st.sampled_from(("p", "q"))))
            for at in sorted(draw(st.lists(st.integers(0, MINUTES * MINUTE_MS), unique=True, max_size=3)))
        ]
        for ticker in TICKERS
    }
    return Case(fills, mids, prices, changes)


class Plain:
    """The same figures, slowly: one moment after the other, every millisecond where something may change."""

    def __init__(self, case: Case, start_ms: int, end_ms: int, bucket_ms: int) -> None:
        self.case, self.start_ms, self.end_ms, self.bucket_ms = case, start_ms, end_ms, bucket_ms

    def price_e4(self, ticker: str, at_ms: int, position_e2: int) -> int:
        """The price of the last minute that was over; at the report's own end, of the last one that began."""
        known: tuple[int | None, int | None] = (None, None)
        for number in range(MINUTES):
            begins_ms = START_MS + number * MINUTE_MS
            is_over = begins_ms + MINUTE_MS <= at_ms or (at_ms == self.end_ms and begins_ms < at_ms)
            if is_over and (ticker, number) in self.case.prices:
                known = self.case.prices[ticker, number]
        bid_e4, ask_e4 = known
        mark = Mark(
            bid_e4=None if bid_e4 is None else PriceE4(bid_e4), ask_e4=None if ask_e4 is None else PriceE4(ask_e4)
        )
        return liquidation_mark_e4(position_e2, mark)

    def program(self, ticker: str, at_ms: int) -> str:
        name = UNKNOWN
        for since_ms, program in self.case.changes[ticker]:
            if since_ms <= at_ms:
                name = program
        return name

    def moments(self, ticker: str) -> list[int]:
        buckets = range(self.start_ms // self.bucket_ms * self.bucket_ms, self.end_ms, self.bucket_ms)
        changes = [at for at, _ in self.case.changes[ticker]]
        inside = {at for at in (*buckets, *changes) if self.start_ms < at < self.end_ms}
        return [self.start_ms, *sorted(inside), self.end_ms]

    def pnl_e6(self, key: Callable[[str, int], str]) -> dict[str, int]:
        """Cash and change of value before fees, by what `key` says of a ticker and the start of a stretch."""
        found: dict[str, int] = {}
        for ticker in TICKERS:
            moments = self.moments(ticker)
            for from_ms, to_ms in pairwise(moments):
                before = self.position_e2(ticker, from_ms)
                after = self.position_e2(ticker, to_ms)
                value = after * self.price_e4(ticker, to_ms, after)
                if before:
                    value -= before * self.price_e4(ticker, from_ms, before)
                cash = -sum(f.side.sign * f.count_e2 * f.price_e4 for f in self.within(ticker, from_ms, to_ms))
                label = key(ticker, from_ms)
                found[label] = found.get(label, 0) + value + cash
        return found

    def position_e2(self, ticker: str, at_ms: int) -> int:
        return sum(f.side.sign * f.count_e2 for f in self.case.fills if f.ticker == ticker and f.ts_ms < at_ms)

    def within(self, ticker: str, from_ms: int, to_ms: int) -> list[Fill]:
        return [f for f in self.case.fills if f.ticker == ticker and from_ms <= f.ts_ms < to_ms]


def gross_e6(figures: Figures) -> int:
    return figures.cash_e6 + figures.value_change_e6


@given(case=cases(), by=st.sampled_from((By.MARKET, By.PROGRAM, By.STRATEGY, By.DAY)))
@settings(max_examples=60, deadline=None)
def test_every_group_earns_what_a_plain_recomputation_says(case: Case, by: By) -> None:
    made = reported(case.fills, case.records(), by)
    plain = Plain(case, made.start_ms, made.end_ms, made.bucket_ms)
    day = "2026-09-21"

    def key(ticker: str, at_ms: int) -> str:
        return {By.MARKET: ticker, By.DAY: day}.get(by) or plain.program(ticker, at_ms)

    expected = plain.pnl_e6(key)
    found = {label: gross_e6(figures) for label, figures in made.groups}
    assert {label: e6 for label, e6 in found.items() if e6} == {label: e6 for label, e6 in expected.items() if e6}


@pytest.mark.long
@given(case=cases())
@settings(max_examples=60, deadline=None)
def test_the_parts_sum_to_the_accounts_cash_and_marks(case: Case) -> None:
    made = reported(case.fills, case.records())
    plain = Plain(case, made.start_ms, made.end_ms, made.bucket_ms)
    whole_half_e6 = fees_e6 = 0
    for ticker in TICKERS:
        account = MarketAccount(ticker=ticker)
        for fill in case.fills:
            if fill.ticker == ticker:
                account = apply_fill(account, fill)
        mark_e4 = PriceE4(plain.price_e4(ticker, made.end_ms, account.position_e2))
        whole_half_e6 += 2 * (account.cash_delta_e6 + mark_value_e6(account, mark_e4))
        fees_e6 += account.fees_e6
    total = made.total
    parts = total.spread_half_e6 + total.inventory_half_e6 - total.fees_half_e6 + total.rewards_half_e6
    assert parts == whole_half_e6 == total.pnl_half_e6
    assert total.fees_e6 == fees_e6
    assert sum(figures.pnl_half_e6 for _, figures in made.curve) == whole_half_e6


@given(case=cases())
@settings(max_examples=40, deadline=None)
def test_spread_and_markouts_are_those_of_each_fill(case: Case) -> None:
    made = reported(case.fills, case.records())
    spread = measured = 0
    sums, against = [0] * 4, [0] * 4
    for fill, (mid2_e4, later) in zip(case.fills, case.mids, strict=True):
        if mid2_e4 is None:
            continue
        signed = fill.side.sign * fill.count_e2
        spread += signed * (mid2_e4 - 2 * fill.price_e4)
        measured += fill.count_e2
        for at, then_e4 in enumerate(later):
            if then_e4 is not None:
                sums[at] += signed * (then_e4 - 2 * fill.price_e4)
                against[at] += signed * (then_e4 - mid2_e4) < 0
    assert (made.total.spread_half_e6, made.total.measured_e2) == (spread, measured)
    assert [one.half_e6 for one in made.total.markouts] == sums
    assert [one.against for one in made.total.markouts] == against


@pytest.mark.long
@given(case=cases(), cut=st.integers(1, MINUTES - 1))
@settings(max_examples=40, deadline=None)
def test_two_times_that_meet_earn_together_what_the_whole_earns(case: Case, cut: int) -> None:
    whole = reported(case.fills, case.records())
    cut_ms = START_MS + cut * MINUTE_MS
    if not whole.start_ms < cut_ms < whole.end_ms:
        return
    early = reported(case.fills, case.records(), end_ms=cut_ms)
    late = reported(case.fills, case.records(), start_ms=cut_ms)
    assert early.total.fills + late.total.fills == whole.total.fills
    assert early.total.pnl_half_e6 + late.total.pnl_half_e6 == whole.total.pnl_half_e6


def test_a_long_position_that_the_price_falls_under_is_inventory_loss() -> None:
    fills = [made_fill(1, "A", Side.BID, 4_900, 1_000, 2_000, START_MS + 10)]
    rows = [
        marks(1, 10_000, (9_900, 9_800, 9_800, 9_000)),
        minute("A", "p", START_MS, 4_900, 5_100, 60_000),
        minute("A", "p", START_MS + MINUTE_MS, 4_400, 4_600, 0),
        ledgers.order("A", START_MS + 20, 2_000, 1_000),
        ledgers.order("A", START_MS + 30, 2_000, 0),
    ]
    total = reported(fills, rows).total
    assert total.spread_half_e6 == 200_000  # ten contracts, a cent better than the mid
    assert total.inventory_half_e6 == -1_200_000  # ten contracts, from the mid of 50 cents to the bid of 44
    assert total.pnl_half_e6 == -1_004_000
    assert total.spread_cents == 1.0
    assert [total.markout_cents(at) for at in range(4)] == [0.5, 0.0, 0.0, -4.0]
    assert (total.adverse_share, total.orders_per_fill, total.order_fill_rate) == (1.0, 2.0, 0.5)
    assert total.contract_fill_rate == 0.25
    assert (total.quoted_share, total.both_share) == (0.375, 0.25)
    assert total.touch_share == (20_000 + 15_000) / 240_000


def test_the_minute_in_which_a_program_began_is_that_programs() -> None:
    rows = [minute("A", "p", START_MS, 4_900, 5_100, 600), configured("A", START_MS + 1_000, "p", "glft")]
    made = reported([], rows, By.PROGRAM)
    assert [(label, figures.live_ms) for label, figures in made.groups] == [("p", MINUTE_MS)]


def test_a_price_that_falls_while_a_program_holds_and_trades_nothing_is_its_loss() -> None:
    bids = (5_000, 5_000, 4_000, 4_000, 4_000, 4_000)
    fills = [made_fill(n, "A", Side.BID, 5_000, 100, 0, START_MS + at * MINUTE_MS) for n, at in ((1, 0), (2, 5))]
    rows = [minute("A", "p", START_MS + at * MINUTE_MS, bid, 9_000, 0) for at, bid in enumerate(bids)]
    rows += [configured("A", START_MS + at * MINUTE_MS, name, "glft") for at, name in ((0, "p"), (2, "q"), (4, "r"))]
    made = reported(fills, rows, By.PROGRAM)
    assert {label: gross_e6(figures) for label, figures in made.groups} == {"p": 0, "q": -100_000, "r": -100_000}


def test_rewards_are_running_totals_and_count_once() -> None:
    def paid(total_e6: int, at_ms: int) -> Record:
        return record("rewards", program_id="x", ticker="A", shadow_e6=9, paid_e6=total_e6, is_over=0, at_ms=at_ms)

    rows = [paid(0, START_MS), paid(700, START_MS + 5), paid(700, START_MS + 6), paid(0, START_MS + 7)]
    rows.append(paid(900, START_MS + 8))
    assert reported([], rows).total.rewards_e6 == 900
    assert reported([], rows, start_ms=START_MS + 6).total.pnl_half_e6 == 400


def test_positions_count_for_whom_they_ended_under_and_open_ones_for_nobody() -> None:
    minutes = 60_000
    records = [
        configured("A", START_MS - 1, "first", "glft"),
        configured("A", START_MS + 5 * minutes, "second", "glft"),
        ledgers.episode("A", 1, START_MS, START_MS + 4 * minutes, 4 * minutes * 200, 300, 100),
        ledgers.episode("A", 2, START_MS, START_MS + 6 * minutes, 6 * minutes * 700, 500, 0),
        ledgers.episode("A", 3, START_MS + minutes, START_MS + 5 * minutes, 0, 0, 50),
        ledgers.episode("A", 4, START_MS, None, 10**9, 9_000, 9_000),
        ledgers.episode("A", 5, START_MS - 9 * minutes, START_MS - 1, 10**9, 9_000, 9_000),
    ]
    fills = [made_fill(1, "A", Side.BID, 5_000, 100, 0, START_MS + 9 * minutes)]
    groups = dict(reported(fills, records, By.PROGRAM, START_MS).groups)
    first, second = groups["first"], groups["second"]
    assert (first.episodes, first.open_minutes, first.held_contracts) == (1, 4, 2)
    assert (first.adverse_cents, first.favourable_cents) == (-3, 1)
    assert (second.episodes, second.open_minutes, second.held_contracts) == (2, 5, 4.2)
    assert (second.adverse_cents, second.favourable_cents) == (-2.5, 0.25)


def test_a_position_without_any_price_counts_as_lost_and_is_named() -> None:
    made = reported([made_fill(1, "A", Side.ASK, 3_000, 100, 0, START_MS)], [])
    assert made.unpriced == ("A",)
    assert made.total.pnl_half_e6 == -2 * 100 * 7_000


def test_an_empty_ledger_reports_nothing() -> None:
    made = reported([], [])
    assert (made.groups, made.total.fills, made.curve) == ((), 0, ())


def test_a_chart_has_at_most_its_points_until_a_bucket_is_a_day() -> None:
    for length_ms in (1, 10 * MINUTE_MS, 1_000 * MINUTE_MS, 86_400_000 * 100):
        assert -(-length_ms // bucket_for(length_ms)) <= BUCKETS_MAX
    assert bucket_for(86_400_000 * 9_999) == 86_400_000


def test_a_missing_ledger_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="has not run"):
        LedgerReader(tmp_path / "ledger.sqlite")


def test_a_settled_position_is_worth_its_settlement_from_then_on_and_the_first_word_of_it_stands() -> None:
    """Whatever the last quotes were, and whoever finds the settlement again after a restart."""
    bought = made_fill(1, "A", Side.BID, 4_000, 200, 0, START_MS)
    rows = [minute("A", "p", START_MS, 3_900, 4_100, 0), minute("A", "p", START_MS + 9 * MINUTE_MS, 3_900, 4_100, 0)]
    settled = [
        record("settlements", ticker="A", value_e4=10_000, settled_ms=START_MS + at * MINUTE_MS) for at in (5, 20)
    ]
    assert reported([bought], rows).total.pnl_half_e6 == 2 * 200 * (3_900 - 4_000)
    assert reported([bought], [*rows, *settled]).total.pnl_half_e6 == 2 * 200 * (10_000 - 4_000)


def test_a_position_without_news_has_its_row_and_every_point_of_the_chart() -> None:
    fills = [
        made_fill(1, "A", Side.BID, 4_000, 100, 0, START_MS),
        made_fill(2, "B", Side.BID, 4_000, 100, 0, START_MS + 29 * MINUTE_MS),
    ]
    report = reported(fills, [minute("A", "p", START_MS, 4_500, 5_000, 40_000)], start_ms=START_MS + 10 * MINUTE_MS)
    assert {name for name, _ in report.groups} == {"A", "B"}
    points = [at_ms for at_ms, _ in report.curve]
    assert [later - one for one, later in pairwise(points)] == [report.bucket_ms] * (len(points) - 1)
    assert len(points) == 20
