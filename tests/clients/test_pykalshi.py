"""pykalshi 2.0.0, unchanged but for its addresses, trades here; after each of its steps the truth says the same."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conversation import Conversation, Program, conversation, environment_of, open_markets, running

pytestmark = [pytest.mark.long, pytest.mark.process]

PROGRAM = Path(__file__).with_name("pykalshi_program.py")
CASH_E6 = 10_000_000_000  # the simulator's default, over all shards


class Visit:
    """One customer's visit as the exchange sees it."""

    def __init__(self, talk: Conversation, program: Program, ticker: str) -> None:
        self.talk = talk
        self.program = program
        self.ticker = ticker

    def resting(self) -> list[list[object]]:
        """Returns what really rests: id, side, price in 1/10,000 dollar, count in 1/100 contract."""
        return [
            [order["order_id"], order["side"], order["price_e4"], order["remaining_e2"]]
            for order in self.program.truth("orders")["orders"]
        ]

    def levels(self) -> dict[str, Any]:
        book = self.program.send("GET", f"/markets/{self.ticker}/orderbook").json()["orderbook_fp"]
        return {"yes": book["yes_dollars"], "no": book["no_dollars"]}


async def look_around(visit: Visit) -> None:
    status = await visit.talk.hear("status")
    assert status["active"] == [True, True]
    assert status["schedule"] == ["maintenance_windows", "standard_hours"]
    assert status["tier"] == "prime"
    assert status["cutoff"].endswith("Z")
    markets = await visit.talk.hear("markets")
    assert markets["tickers"] == sorted(market["ticker"] for market in open_markets(visit.program))
    assert len(markets["tickers"]) > 25  # several pages
    assert markets["market"] == [visit.ticker, "active", "linear_cent"]
    assert visit.ticker.startswith(markets["event"][0])
    assert markets["event"][1] == markets["series"]
    assert markets["candles"] > 0
    assert markets["events"] > 5
    assert set(markets["trades"]) == {visit.ticker}
    book = await visit.talk.hear("book")
    assert {"yes": book["yes"], "no": book["no"]} == visit.levels()
    assert book["best"] == [book["yes"][-1][0], book["no"][-1][0]]


async def work_one_order(visit: Visit) -> None:
    created = await visit.talk.hear("create")
    assert created["status"] == "resting"
    assert created["listed"] == [["0.0200", "10.00", "bid"]]
    assert created["client_order_id"] == "first"
    assert visit.resting() == [[created["order_id"], "bid", 200, 1_000]]
    assert visit.program.truth("orders")["orders"][0]["expiration_ts_s"] is not None
    amended = await visit.talk.hear("amend")
    assert amended == {"order_id": created["order_id"], "price": "0.0300"}
    assert visit.resting() == [[created["order_id"], "bid", 300, 700]]
    decreased = await visit.talk.hear("decrease")
    assert decreased["remaining"] == "5.00"
    assert Decimal(decreased["queue"]) > 0  # all better bids stand ahead of it
    assert decreased["queues"] == [created["order_id"]]
    assert visit.resting() == [[created["order_id"], "bid", 300, 500]]
    cancelled = await visit.talk.hear("cancel")
    assert cancelled["status"] == "canceled"
    assert cancelled["again"] == {"kind": "ResourceNotFoundError", "status": 404, "code": "not_found"}
    assert visit.resting() == []


async def work_a_batch(visit: Visit) -> None:
    placed = (await visit.talk.hear("batch"))["orders"]
    assert [order[1:] for order in placed] == [["bid", "0.0100"], ["ask", "0.9900"]]
    assert visit.resting() == [[placed[0][0], "bid", 100, 400], [placed[1][0], "ask", 9_900, 400]]
    cancelled = await visit.talk.hear("batch_cancel")
    assert sorted(cancelled["order_ids"]) == sorted(order[0] for order in placed)
    assert visit.resting() == []


async def trade(visit: Visit) -> None:
    filled = await visit.talk.hear("fills")
    assert filled["status"] == "executed"
    fills = visit.program.truth("fills")["fills"]
    assert fills
    assert sum(fill["count_e2"] for fill in fills) == 150
    assert filled["fills"] == [
        [
            visit.ticker,
            "bid",
            f"{Decimal(fill['count_e2']) / 100:.2f}",
            f"{Decimal(fill['price_e4']) / 10_000:.4f}",
            f"{Decimal(fill['fee_e6']) / 1_000_000:.6f}",
        ]
        for fill in reversed(fills)
    ]
    held = await visit.talk.hear("positions")
    assert held["position"] == [visit.ticker, "1.50"]
    assert visit.program.truth("positions")["positions"] == {visit.ticker: 150}
    cash_e6 = visit.program.truth("cash")["cash_e6"]
    paid_e6 = sum(fill["count_e2"] * fill["price_e4"] + fill["fee_e6"] for fill in fills)
    assert cash_e6 == CASH_E6 - paid_e6
    assert held["balance_cents"] == cash_e6 // 10_000
    assert held["settlements"] == 0


async def use_a_group(visit: Visit) -> None:
    group = await visit.talk.hear("group")
    assert group["orders"] == [group["order_id"]]
    assert group["listed"] == [group["limit"]] == ["20.00"]
    (truth,) = visit.program.truth("groups")["groups"]
    assert [truth["group_id"], truth["limit_e2"], truth["is_triggered"]] == [group["group_id"], 2_000, False]
    assert visit.resting() == [[group["order_id"], "ask", 9_800, 200]]
    triggered = await visit.talk.hear("trigger")
    assert triggered["refused"] == {
        "kind": "KalshiAPIError",
        "status": 409,
        "code": "exceeded_order_group_risk_limit",
    }
    assert visit.program.truth("groups")["groups"][0]["is_triggered"] is True
    assert visit.resting() == []
    reset = await visit.talk.hear("reset")
    assert visit.program.truth("groups")["groups"][0]["is_triggered"] is False
    assert visit.resting() == [[reset["order_id"], "ask", 9_800, 200]]


async def be_refused(visit: Visit) -> None:
    cash_before = visit.program.truth("cash")
    assert await visit.talk.hear("refusals") == {
        "price": {"kind": "OrderRejectedError", "status": 400, "code": "invalid_price"},
        "funds": {"kind": "InsufficientFundsError", "status": 400, "code": "insufficient_balance"},
        "repeat": {"kind": "KalshiAPIError", "status": 409, "code": "order_already_exists"},
        "ticker": {"kind": "ResourceNotFoundError", "status": 404, "code": "not_found"},
    }
    assert visit.resting() == []
    assert visit.program.truth("cash") == cash_before


async def stream(visit: Visit) -> None:
    seen = await visit.talk.hear("feed")
    assert [seen["connected"], seen["reconnects"]] == [True, 0]
    assert seen["snapshots"] == 1
    assert seen["own"] == ["on the feed"]
    assert seen["fills"] == [[visit.ticker, "0.50", "bid"]]
    assert [visit.ticker, "0.50"] in seen["trades"]
    assert seen["positions"] == ["2.00"]
    assert set(seen["tickers"]) == {visit.ticker}
    assert seen["groups"] == ["triggered"]
    assert ["resting", "3.00"] in seen["orders"]
    # The library's own book, from the snapshot and the deltas, is the exchange's book.
    levels = visit.levels()
    for side in ("yes", "no"):
        mine = {Decimal(price): Decimal(count) for price, count in seen[side].items()}
        assert mine == {Decimal(price): Decimal(count) for price, count in levels[side]}
    await visit.talk.hear("leave")
    assert visit.resting() == []


async def test_pykalshi_trades_and_streams_here(pykalshi_python: Path, tmp_path: Path) -> None:
    # A flow this slow leaves the books as they were opened, so that two reads of a book can be compared.
    with running(tmp_path, "--flow-rate", "0.0001", "--tier", "prime") as program:
        key_file = tmp_path / "private.pem"
        key_file.write_bytes(program.private_pem)
        market = next(
            market
            for market in open_markets(program)
            if market["exchange_index"] == 0 and market["price_level_structure"] == "linear_cent"
            if Decimal(market["yes_bid_dollars"]) > Decimal("0.2")
            and Decimal(market["yes_ask_dollars"]) < Decimal("0.8")
        )
        environment = environment_of(program, key_file)
        command = [pykalshi_python, PROGRAM, market["ticker"]]
        async with conversation(command, environment, tmp_path) as talk:
            visit = Visit(talk, program, market["ticker"])
            for part in (look_around, work_one_order, work_a_batch, trade, use_a_group, be_refused, stream):
                await part(visit)
            await talk.end()
        assert program.truth("health")["imbalance_e6"] == 0
