"""The control port: what it says, what it takes, and how it explains a mistake."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from kalshi.errors import RateLimited
from kalshi.simulator.control_server import control_routes
from kalshi.simulator.faults import KINDS
from kalshi.simulator.json_server import BODY_BYTES_MAX, build_json_app
from kalshi.types import MarketStatus
from tests.kalshi.simulator.customer import OTHER_TICKER, TICKER
from tests.kalshi.simulator.fault_stage import Stage, running


class Control:
    """A person at the control port of a stage."""

    def __init__(self, stage: Stage) -> None:
        self._app = build_json_app(control_routes(stage.exchange))

    async def send(self, method: str, path: str, **request: Any) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self._app), base_url="http://box") as http:
            return await http.request(method, f"/control{path}", **request)

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        answer = await self.send(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def test_a_fault_is_ordered_strikes_is_counted_and_ends(autojump_clock: MockClock) -> None:
    async with running(Stage()) as stage:
        control = Control(stage)
        assert (await control.ask("GET", "/faults"))["faults"] == []
        order = {"kind": "too_many_requests", "methods": ["POST"], "for_s": 30}
        (row,) = (await control.ask("POST", "/faults", order))["faults"]
        assert (row["fault_id"], row["kind"], row["is_on"], row["methods"]) == (1, "too_many_requests", True, ["POST"])
        with pytest.raises(RateLimited):
            await stage.place()
        await stage.alice.balance()
        (row,) = (await control.ask("GET", "/faults"))["faults"]
        assert (row["matched"], row["strikes"]) == (1, 1)
        await trio.sleep(31)
        assert not (await control.ask("GET", "/faults"))["faults"][0]["is_on"]
        await stage.place()
        assert await control.ask("DELETE", "/faults/1") == {"ended": 1}
        assert stage.exchange.faults.is_idle


async def test_faults_come_in_lists_and_all_end_at_once(autojump_clock: MockClock) -> None:
    async with running(Stage()) as stage:
        control = Control(stage)
        rows = (await control.ask("POST", "/faults", [{"kind": kind} for kind in KINDS]))["faults"]
        assert [row["kind"] for row in rows] == list(KINDS)
        assert (await control.ask("GET", ""))["faults"] == len(KINDS)
        assert await control.ask("DELETE", "/faults") == {"ended": len(KINDS)}
        assert (await control.ask("GET", ""))["faults"] == 0


@pytest.mark.parametrize(
    ("method", "path", "request_parts", "status", "words"),
    [
        ("POST", "/faults", {"json": {"kind": "latency", "share": 2, "x": 1}}, 400, "must be 0 to 1"),
        ("POST", "/faults", {"json": {"kind": "fire"}}, 400, "kind must be one of"),
        ("POST", "/faults", {"json": None}, 400, "must be a section with a kind"),
        ("POST", "/faults", {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415, "application/json"),
        ("POST", "/faults", {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "no JSON"),
        ("POST", "/faults", {"content": b"x" * (BODY_BYTES_MAX + 1)}, 413, "at most"),
        ("DELETE", "/faults/7", {}, 404, "no fault 7"),
        ("DELETE", "/faults/x", {}, 404, "no fault x"),
        ("POST", "/events", {"json": {"kind": "settle", "market": "*"}}, 400, "result"),
        (
            "POST",
            "/events",
            {"json": {"kind": "settle", "market": "*", "result": "scalar"}},
            400,
            "value_cents: (nothing)",
        ),
        ("GET", "/nothing", {}, 404, "POST /control/faults"),
    ],
)
async def test_a_mistake_is_explained_and_orders_nothing(
    method: str, path: str, request_parts: dict[str, Any], status: int, words: str
) -> None:
    stage = Stage()
    answer = await Control(stage).send(method, path, **request_parts)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert stage.exchange.faults.is_idle


async def test_every_problem_of_a_list_is_named_and_none_of_it_ordered() -> None:
    stage = Stage()
    rows = [{"kind": "latency"}, {"kind": "lost_reply", "count": 0}, {"kind": "late_write", "delay_ms": -1}]
    answer = await Control(stage).send("POST", "/faults", json=rows)
    assert [problem.partition(":")[0] for problem in answer.json()["problems"]] == ["[1].count", "[2].delay_ms"]
    assert stage.exchange.faults.orders() == ()


async def test_events_happen_now(autojump_clock: MockClock) -> None:
    async with running(Stage()) as stage:
        control, core = Control(stage), stage.exchange.core
        assert await control.ask("POST", "/events", {"kind": "pause"}) == {"markets": 0}
        assert (await control.ask("GET", ""))["trading_active"] is False
        await control.ask("POST", "/events", {"kind": "resume"})
        assert core.trading_active
        assert await control.ask("POST", "/events", {"kind": "halt", "market": "KXTEST*"}) == {"markets": 2}
        # Halted already: that concerns nobody any more.
        assert await control.ask("POST", "/events", {"kind": "halt", "market": "KXTEST*"}) == {"markets": 0}
        settle = {"kind": "settle", "market": TICKER, "result": "yes"}
        assert await control.ask("POST", "/events", settle) == {"markets": 1}
        rows = {row["ticker"]: row for row in (await control.ask("GET", "/markets"))["markets"]}
        assert (rows[TICKER]["status"], rows[TICKER]["result"]) == (MarketStatus.DETERMINED, "yes")
        assert rows[OTHER_TICKER]["status"] == MarketStatus.INACTIVE


async def test_fees_change_when_they_are_due(autojump_clock: MockClock) -> None:
    async with running(Stage()) as stage:
        control, changes, clearings = Control(stage), stage.exchange.services.fee_changes, stage.exchange.core.clearings
        series = {"kind": "series_fee", "series": "KXTEST", "fee_type": "quadratic_with_maker_fees", "multiplier": 0.5}
        assert await control.ask("POST", "/events", series | {"in_s": 5}) == {"markets": 2}
        event = {"kind": "event_fee", "event": "KXTEST-*", "fee_type": None, "multiplier": 2}
        assert await control.ask("POST", "/events", event | {"in_s": 10}) == {"markets": 2}
        assert await control.ask("POST", "/events", event | {"multiplier": None, "in_s": 15}) == {"markets": 2}
        assert await control.ask("POST", "/events", series | {"series": "KXNONE"}) == {"markets": 0}
        assert len(changes.announced) == 3
        seen = []
        for _ in range(4):
            seen.append((clearings[TICKER].terms.fee_type, clearings[TICKER].terms.multiplier_e4))
            await trio.sleep(5.5)
        maker_fees = "quadratic_with_maker_fees"
        assert seen == [("quadratic", 10_000), (maker_fees, 5_000), (maker_fees, 20_000), (maker_fees, 5_000)]


async def test_a_grid_changes_and_the_traders_follow_it(autojump_clock: MockClock) -> None:
    async with running(Stage(flow=True)) as stage:
        control, market = Control(stage), stage.exchange.core.markets[TICKER]
        change = {"kind": "change_grid", "market": TICKER, "structure": "deci_cent"}
        assert await control.ask("POST", "/events", change) == {"markets": 1}
        await trio.sleep(60)
        assert any(price_e4 % 100 for price_e4, _ in (*market.engine.bids.levels(), *market.engine.asks.levels()))
        assert market.listing.structure == "deci_cent"


async def test_a_closed_market_is_reopened_and_trades(autojump_clock: MockClock) -> None:
    async with running(Stage(flow=True)) as stage:
        control, market, tally = Control(stage), stage.exchange.core.markets[TICKER], stage.exchange.flow.tally
        seen: list[MarketStatus] = []
        reopen = {"kind": "reopen", "market": "KX*", "closes_in_s": 60}
        assert await control.ask("POST", "/events", reopen) == {"markets": 0}
        await trio.sleep(30)
        operations = tally.operations
        await control.ask("POST", "/events", {"kind": "close_early", "market": "KX*"})
        await trio.sleep(0.5)
        seen.append(market.status)
        assert await control.ask("POST", "/events", reopen) == {"markets": 3}
        traded_e2 = market.traded_e2
        await trio.sleep(30)
        seen.append(market.status)
        assert market.traded_e2 > traded_e2
        # The traders of before have gone: nobody is there twice.
        assert tally.operations - operations < 1.4 * operations
        await trio.sleep(31)
        seen.append(market.status)
        await trio.sleep(60)
        seen.append(market.status)
        assert seen == [MarketStatus.CLOSED, MarketStatus.ACTIVE, MarketStatus.CLOSED, MarketStatus.FINALIZED]
        assert stage.exchange.truth.imbalance_e6() == 0


async def test_the_overview_tells_seed_and_clock(autojump_clock: MockClock) -> None:
    async with running(Stage(seed=11)) as stage:
        await trio.sleep(2)
        told = await Control(stage).ask("GET", "")
        assert (told["seed"], told["speed"], told["elapsed_s"], told["skew_ms"]) == (11, 1.0, 2.0, 0)
        assert told["now_ms"] == stage.wall_ms()
