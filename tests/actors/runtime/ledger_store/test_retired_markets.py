"""Markets that are over are kept as sums: who begins with them has the books of somebody who read every fill."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from actors.messages.money import Record, RetireMarket
from actors.runtime.ledger_store.retired_markets import OPEN_TICKERS
from actors.runtime.ledger_store.store import LedgerStore
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side
from quant.fills import NumberedFill
from quant.positions import Portfolio, Totals, apply_fills, opened, settle_market
from quant.steps import finished

TICKERS = "ABCD"


def _fill(n: int, ticker: str, side: Side, count_e2: int) -> Fill:
    """Times go up and down: some fills come late."""
    return Fill(
        fill_id=f"f{n}",
        order_id="o",
        ticker=ticker,
        side=side,
        price_e4=PriceE4(4_000 + 37 * n % 5_000),
        count_e2=CountE2(count_e2),
        fee_e6=MoneyE6(n),
        is_taker=False,
        ts_ms=1_000 + n * 7 % 10,
        exchange_index=0,
    )


def _books(store: LedgerStore) -> Portfolio:
    stored = store.books()
    return finished(opened(stored.retired, stored.fills, stored.settlements, store.last_seq))


_TRADE = st.tuples(st.just("fill"), st.sampled_from(TICKERS), st.sampled_from(Side), st.integers(1, 3))
_END = st.tuples(st.sampled_from(["settle", "retire", "retire too little", "restart"]), st.sampled_from(TICKERS))


@given(st.lists(st.one_of(_TRADE, _TRADE, _END), max_size=30))
def test_the_books_equal_those_of_all_fills_whatever_is_retired_and_comes_late(steps: list[tuple[object, ...]]) -> None:
    plain, settled, retired = Portfolio(), set[str](), set[str]()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        store = LedgerStore(path)
        for n, step in enumerate(steps):
            match step:
                case ("fill", str(ticker), Side() as side, int(count_e2)):
                    added = store.record_fills(((_fill(n, ticker, side, count_e2), "rest"),))
                    plain = apply_fills(plain, added).portfolio
                    retired.discard(ticker)
                case ("settle", str(ticker)) if ticker in plain.accounts and ticker not in settled:
                    row = (("ticker", ticker), ("value_e4", 10_000), ("settled_ms", n))
                    store.record_rows((Record(table="settlements", values=row),))
                    plain = settle_market(plain, ticker, PriceE4(10_000))
                    settled.add(ticker)
                case ("retire", str(ticker)) if ticker in settled:
                    store.retire((RetireMarket(ticker=ticker, totals=Totals().plus(plain.accounts[ticker])),))
                    retired.add(ticker)
                case ("retire too little", str(ticker)) if ticker in settled - retired:
                    too_few = Totals(fills=plain.accounts[ticker].fills - 1)
                    store.retire((RetireMarket(ticker=ticker, totals=too_few),))
                case ("restart", _):
                    store.close()
                    store = LedgerStore(path)
                case _:
                    pass
            books = _books(store)
            assert books.totals == plain.totals
            assert books.positions_e2 == plain.positions_e2
            assert books.accounts == {t: account for t, account in plain.accounts.items() if t not in retired}
            assert books.sequence == plain.sequence
        store.close()


def test_a_fill_of_a_retired_market_is_told_once(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    (first,) = store.record_fills(((_fill(1, "A", Side.BID, 1), "rest"),))
    assert store.reopened == 0
    totals = apply_fills(Portfolio(), (first,)).portfolio.totals
    store.retire((RetireMarket(ticker="A", totals=totals),))
    assert store.books().fills == ()
    store.record_fills(((first.fill, "socket"),))
    assert store.reopened == 0, "a fill that is known already opens nothing"
    store.record_fills(((_fill(2, "A", Side.ASK, 1), "rest"), (_fill(3, "A", Side.ASK, 1), "rest")))
    assert store.reopened == 1
    assert [numbered.fill_seq for numbered in store.books().fills] == [1, 2, 3]
    store.close()


def test_the_fills_of_retired_markets_are_not_even_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = LedgerStore(path)
    added = store.record_fills(tuple((_fill(n, f"M{n % 50}", Side.BID, 1), "rest") for n in range(2_000)))
    for n in range(49):
        own = tuple(numbered for numbered in added if numbered.fill.ticker == f"M{n}")
        renumbered = tuple(NumberedFill(fill_seq=seq, fill=each.fill) for seq, each in enumerate(own, 1))
        totals = apply_fills(Portfolio(), renumbered).portfolio.totals
        store.retire((RetireMarket(ticker=f"M{n}", totals=totals),))
    store.close()
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    with closing(sqlite3.connect(path)) as connection:
        connection.set_progress_handler(count, 1)
        rows = connection.execute(f"SELECT ticker FROM fills WHERE ticker IN ({OPEN_TICKERS})").fetchall()
    assert rows == [("M49",)] * 40
    assert steps < 50 * 40 + 40 * 10 + 500, "as many steps as there are tickers and open fills, and no scan"


def test_sums_that_have_not_heard_of_every_fill_are_refused(tmp_path: Path) -> None:
    store = LedgerStore(tmp_path / "ledger.sqlite")
    store.record_fills(((_fill(1, "A", Side.BID, 1), "rest"), (_fill(2, "A", Side.ASK, 1), "rest")))
    store.retire((RetireMarket(ticker="A", totals=Totals(fills=1)),))
    stored = store.books()
    assert (len(stored.fills), stored.retired) == (2, Totals())
    assert store.reopened == 1, "who made them has let go of the market, and must begin anew"
    store.close()
