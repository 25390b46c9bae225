"""The official kalshi-typescript 3.30.0, unchanged but for its base path, on a shard of its own choice."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conversation import conversation, environment_of, open_markets, running
from tests.clients.installation import NodeFolder
from tests.clients.test_pykalshi import CASH_E6, Visit

pytestmark = [pytest.mark.long, pytest.mark.process]

PROGRAM = Path(__file__).with_name("kalshi_typescript_program.js")
SHARD = 2  # crypto: sub-cent grids, collateral of its own


async def look_around(visit: Visit) -> None:
    status = await visit.talk.hear("status")
    assert status["active"] == [True, True]
    assert status["schedule"] == ["maintenance_windows", "standard_hours"]
    assert status["as_of"].endswith("Z")
    assert status["default_cost"] == 10
    markets = await visit.talk.hear("markets")
    assert markets["tickers"] == sorted(market["ticker"] for market in open_markets(visit.program))
    assert markets["market"] == [visit.ticker, "active", SHARD]
    assert markets["fee_type"].startswith("quadratic")
    assert markets["candles"] > 0
    assert set(markets["trades"]) == {visit.ticker}
    assert markets["programs"] >= 0
    book = await visit.talk.hear("book")
    assert {"yes": book["one"]["yes_dollars"], "no": book["one"]["no_dollars"]} == visit.levels()
    assert book["several"] == [{"ticker": visit.ticker, "orderbook_fp": book["one"]}]


async def work_one_order(visit: Visit) -> None:
    created = await visit.talk.hear("create")
    order = created["order"]
    assert [order["status"], order["client_order_id"], order["fill_count"], order["remaining_count"]] == [
        201,
        "typed",
        "0.00",
        "10.00",
    ]
    assert created["listed"]["yes_price_dollars"] == created["one"]["yes_price_dollars"] == "0.0200"
    assert created["one"]["exchange_index"] == SHARD
    assert visit.resting() == [[order["order_id"], "bid", 200, 1_000]]
    amended = await visit.talk.hear("amend")
    assert [amended["order_id"], amended["remaining_count"]] == [order["order_id"], "8.00"]
    assert visit.resting() == [[order["order_id"], "bid", 310, 800]]
    decreased = await visit.talk.hear("decrease")
    assert decreased["answer"]["remaining_count"] == "5.00"
    assert [row["order_id"] for row in decreased["positions"]] == [order["order_id"]]
    assert decreased["positions"][0]["queue_position_fp"] == decreased["position"]
    assert visit.resting() == [[order["order_id"], "bid", 310, 500]]
    cancelled = await visit.talk.hear("cancel")
    assert [cancelled["answer"]["order_id"], cancelled["answer"]["reduced_by"]] == [order["order_id"], "5.00"]
    assert cancelled["again"] == {
        "status": 404,
        "body": {"error": {"code": "not_found", "message": "not found"}},
    }
    assert visit.resting() == []


async def work_batches(visit: Visit) -> None:
    batch = await visit.talk.hear("batch")
    first, off_grid, last = batch["orders"]
    assert batch["status"] == 201
    assert [one["client_order_id"] for one in batch["orders"]] == batch["client_order_ids"]
    assert off_grid["error"]["code"] == "invalid_price"
    assert visit.resting() == [[first["order_id"], "bid", 100, 400], [last["order_id"], "ask", 9_900, 400]]
    cancelled, unknown = await visit.talk.hear("batch_cancel")
    assert [cancelled["order_id"], cancelled["reduced_by"]] == [first["order_id"], "4.00"]
    assert [unknown["reduced_by"], unknown["error"]["code"]] == ["0.00", "not_found"]
    assert visit.resting() == [[last["order_id"], "ask", 9_900, 400]]
    assert await visit.talk.hear("cancel_all") == {"status": 204}
    assert visit.resting() == []


async def trade(visit: Visit) -> None:
    filled = await visit.talk.hear("fills")
    fills = visit.program.truth("fills")["fills"]
    cost_e6 = sum(fill["count_e2"] * fill["price_e4"] for fill in fills)
    fees_e6 = sum(fill["fee_e6"] for fill in fills)
    assert filled["taken"]["fill_count"] == "1.50"
    assert Decimal(filled["taken"]["average_fill_price"]) == Decimal(round(cost_e6 / 150)) / 10_000
    assert sum(Decimal(fill["count_fp"]) for fill in filled["fills"]) == Decimal("1.50")
    assert sum(Decimal(fill["fee_cost"]) for fill in filled["fills"]) == Decimal(fees_e6) / 1_000_000
    held = await visit.talk.hear("positions")
    (position,) = held["market_positions"]
    assert [position["ticker"], position["position_fp"], position["exchange_index"]] == [visit.ticker, "1.50", SHARD]
    assert Decimal(position["market_exposure_dollars"]) == Decimal(cost_e6) / 1_000_000
    assert len(held["event_positions"]) == 1
    assert visit.program.truth("positions")["positions"] == {visit.ticker: 150}
    cash = visit.program.truth("cash")
    assert cash["cash_e6"] == CASH_E6 - cost_e6 - fees_e6
    by_shard = {str(row["exchange_index"]): row["balance"] for row in held["balance"]["balance_breakdown"]}
    assert {shard: Decimal(balance) * 1_000_000 for shard, balance in by_shard.items()} == cash["by_shard_e6"]
    assert held["settlements"] == []


async def use_a_group(visit: Visit) -> None:
    group = await visit.talk.hear("group")
    group_id = group["created"]["order_group_id"]
    assert group["status"] == 201
    assert group["created"] == {"order_group_id": group_id, "subaccount": 0, "exchange_index": SHARD}
    assert [group["one"]["orders"], group["one"]["contracts_limit_fp"]] == [[group["order_id"]], "20.00"]
    assert [row["id"] for row in group["all"]] == [group_id]
    assert visit.program.truth("groups")["groups"][0]["limit_e2"] == 2_000
    assert visit.resting() == [[group["order_id"], "ask", 9_800, 200]]
    triggered = await visit.talk.hear("trigger")
    assert triggered["answer"] == {}
    assert triggered["refused"]["status"] == 409
    assert triggered["refused"]["body"]["error"]["code"] == "exceeded_order_group_risk_limit"
    assert triggered["wrong_shard"] == 404
    assert visit.program.truth("groups")["groups"][0]["is_triggered"] is True
    assert visit.resting() == []
    placed = await visit.talk.hear("reset")
    assert visit.resting() == [[placed["order_id"], "ask", 9_800, 200]]
    assert await visit.talk.hear("remove") == {"status": 200, "then": 404}
    assert visit.program.truth("groups")["groups"] == []
    assert visit.resting() == []


async def be_refused(visit: Visit) -> None:
    cash_before = visit.program.truth("cash")
    refused: dict[str, Any] = await visit.talk.hear("refusals")
    nested = {
        name: (refused[name]["status"], refused[name]["body"]["error"]["code"])
        for name in ("price", "funds", "repeat", "post_only")
    }
    assert nested == {
        "price": (400, "invalid_price"),
        "funds": (400, "insufficient_balance"),
        "repeat": (409, "order_already_exists"),
        "post_only": (400, "invalid_order"),
    }
    assert (refused["number"]["status"], refused["number"]["body"]["code"]) == (400, "bad_request")
    assert refused["shard"]["status"] in (400, 404)
    assert (refused["limit"]["status"], list(refused["limit"]["body"])) == (400, ["msg"])
    assert visit.resting() == []
    assert visit.program.truth("cash") == cash_before


async def test_kalshi_typescript_trades_here(node_folder: NodeFolder, tmp_path: Path) -> None:
    with running(tmp_path, "--flow-rate", "0.0001", "--tier", "prime") as program:
        key_file = tmp_path / "private.pem"
        key_file.write_bytes(program.private_pem)
        # A market of a quarter of an hour may be so young that it has no candles yet.
        market = next(
            market
            for market in open_markets(program)
            if market["exchange_index"] == SHARD and "15M" not in market["ticker"]
        )
        environment = {
            **environment_of(program, key_file),
            "CLIENT_MODULE": str(node_folder.folder / "node_modules" / "kalshi-typescript"),
        }
        command = [node_folder.node, PROGRAM, market["ticker"], str(SHARD)]
        async with conversation(command, environment, tmp_path) as talk:
            visit = Visit(talk, program, market["ticker"])
            for part in (look_around, work_one_order, work_batches, trade, use_a_group, be_refused):
                await part(visit)
            await talk.end()
        assert program.truth("health")["imbalance_e6"] == 0
