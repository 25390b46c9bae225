"""The documents' names answer with what was recorded, in their units; every ready query runs and finds something."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from actors.messages.money import MarketVerdict, RecordVerdicts
from actors.messages.sessions import SessionRow
from actors.runtime.ledger_store.store import LedgerStore
from kalshi.numbers import CountE2, MoneyE6
from tests.actors.runtime.ledger_store.builders import alert, ask, fill, row

QUERIES = Path(__file__).resolve().parents[4] / "docs" / "queries.sql"


def queries() -> dict[str, str]:
    """Each query by the comment over it."""
    found, waiting, title = {}, "", ""
    for line in QUERIES.read_text().splitlines(keepends=True):
        if line.startswith("--"):
            title = line.strip("- \n")
            continue
        waiting += line
        if sqlite3.complete_statement(waiting):
            found[title], waiting = waiting, ""
    assert not waiting.strip()
    return found


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with at least a row in every table."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"
    store = LedgerStore(path)
    run = {"program": "p", "strategy": "touch", "ticker": "T"}
    pnl = {"pnl_at_start_e6": 0, "pnl_e6": 2_000_000}
    store.record_fills(tuple((fill(n), "rest") for n in range(3)))
    store.record_rows(
        (
            row("boots", boot="b1", venue="v", mode="simulated", started_ms=1, heard_ms=900, ended_ms=None, reason=""),
            row("boots", boot="b2", venue="v", mode="demo", started_ms=950, heard_ms=960, ended_ms=None, reason=""),
            row("programs", boot="b2", is_enabled=1, selection="tickers", parameters="{}", at_ms=950,
                program="p", strategy="touch"),
            row("strategy_runs", run_id="r1", boot="b1", started_ms=5, ended_ms=None, end_reason="", **run, **pnl),
            row("strategy_runs", run_id="r2", boot="b2", started_ms=1_001, ended_ms=None, end_reason="", **run, **pnl),
            row("market_snapshots", run_id="r2", ticker="T", at_ms=1_500, condition="fresh", best_bid_e4=4_500,
                best_ask_e4=4_700, own_bid_e4=4_500, own_ask_e4=4_750, own_bid_e2=100, own_ask_e2=100,
                position_e2=-250, pnl_e6=0),
            row("position_history", run_id="r2", ticker="T", at_ms=1_500, position_before_e2=300, position_e2=100,
                average_entry_e4=4_000, realised_before_e6=0, realised_e6=-1_500_000, unrealised_e6=10, fees_e6=0,
                mark_e4=4_500, watermark=3),
            row("orders", client_order_id="c", ticker="T", side="ask", price_e4=4_550, count_e2=100, filled_e2=100,
                outcome="executed", at_ms=7),
            row("discovery_runs", program="p", scanned=9, eligible=4, selected="T U", rejected="5 x", at_ms=100),
            row("market_configurations", ticker="T", program="p", strategy="touch", numbers="size 1", at_ms=101),
            row("volatility_events", event_id=1, incarnation=1, ticker="T", state="begun", strength=0.5,
                sigma_dollars_per_sqrt_s=0.01, jump_e4=300, direction="up", close_time_ms=9_000, at_ms=2_000),
            row("rewards", program_id="i", ticker="T", shadow_e6=5, paid_e6=4, is_over=0, at_ms=1),
            row("market_minutes", ticker="T", program="p", minute_ms=0, live_ms=60_000, bid_ms=5, ask_ms=5, both_ms=5,
                bid_touch_ms=5, ask_touch_ms=5, bid_e4=4_500, ask_e4=4_700),
            row("fill_marks", fill_seq=1, mid2_e4=9_000, mid2_1s_e4=9_000, mid2_5s_e4=None, mid2_10s_e4=None,
                mid2_60s_e4=None),
            row("settlements", ticker="T", value_e4=10_000, settled_ms=8),
            row("actor_exits", actor="feed", incarnation=1, kind="crashed", reason="r", error="e", at_ms=5),
            row("episodes", ticker="T", opened_seq=1, began_ms=1, ended_ms=5, largest_e2=100, held_e2_ms=400,
                adverse_e6=3, favourable_e6=0, adverse_e4=1, favourable_e4=0),
            alert(5),
        )
    )  # fmt: skip
    refused = MarketVerdict(ticker="T", is_selected=False, reasons=("too thin",))
    store.record_verdicts((RecordVerdicts(program="p", verdicts=(refused,), at_ms=99),))
    store.record_sessions(
        (
            SessionRow(
                session_id="s", program="p", ticker="T", event_id="1-1", started_ms=1_000, ended_ms=4_000,
                close_time_ms=9_000, phase="over", end_reason="time to live", left="", pnl_at_start_e6=MoneyE6(0),
                pnl_e6=MoneyE6(-250_000), position_e2=CountE2(0),
            ),
        )
    )  # fmt: skip
    connection = store._database.connection
    connection.execute("INSERT INTO refill_stakes VALUES ('p', 'T', 0, '', 100, 50)")
    store.close()
    return path


@pytest.mark.parametrize("title", queries())
def test_a_ready_query_runs_and_finds_what_is_there(path: Path, title: str) -> None:
    query = queries()[title]
    values = {name: {"run": "r2", "ticker": "T", "since_ms": 0}[name] for name in re.findall(r":(\w+)", query)}
    assert ask(path, query, values), title


def test_there_are_queries_and_each_has_its_own_title() -> None:
    assert len(queries()) > 20


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("action, trade_side, placed_price, placed_quantity, filled_quantity, status FROM orders",
         ("sell", "yes", 45.5, 1.0, 1.0, "filled")),
        ("yes_bid, yes_mid, no_bid, no_mid, current_position, computed_ask, spread FROM market_snapshots",
         (45.0, 46.0, 53.0, 54.0, -2.5, 47.5, 2.5)),
        ("position, unrealized_pnl, timestamp FROM position_history", (1.0, 0.00001, 1.5)),
        ("action, quantity, realized_pnl, run_id FROM trades", ("sell", 2.0, -1.5, "r2")),
        ("market_ticker, timestamp, jump_magnitude, sigma FROM volatility_events", ("T", 2.0, 3.0, 0.01)),
        ("start_time, end_time, kill_reason, final_pnl FROM volatility_sessions", (1.0, 4.0, "time to live", -0.25)),
        ("total_markets, pre_filtered, top_markets_count FROM discovery_sessions", (9, 4, 2)),
        ("selected_for_trading, session_id, generated_config FROM discovered_markets", (0, 1, "size 1")),
        ("market_ticker, strategy_name FROM strategy_runs WHERE run_id = 'r1'", ("T", "T-p-5")),
    ],
)  # fmt: skip
def test_the_documents_columns_are_in_their_units(path: Path, question: str, answer: tuple[object, ...]) -> None:
    assert ask(path, f"SELECT {question}") == [answer]


def test_a_fill_belongs_to_the_run_that_had_its_market_then(path: Path) -> None:
    assert ask(path, "SELECT run_id, action, count FROM order_fills ORDER BY fill_seq") == [
        ("r1", "sell", 1.0),
        ("r2", "buy", 1.0),
        ("r2", "sell", 1.0),
    ]


def test_a_run_whose_process_was_killed_ends_when_its_boot_was_last_heard_of(path: Path) -> None:
    assert ask(path, "SELECT run_id, ended_ms, end_reason FROM runs ORDER BY 1") == [
        ("r1", 900, "the process was killed"),
        ("r2", None, ""),
    ]
