"""The control port's questions: faults on and off while the exchange runs, and events now. Loopback and unsigned.

    GET    /control                what it is: seed, speed, clock, pauses
    GET    /control/faults         what is ordered, whether it can strike now, what matched it, how often it struck
    POST   /control/faults         orders one fault, or a list of them: {"kind": "latency", "share": 0.1, ...}
    DELETE /control/faults/N       ends one; DELETE /control/faults ends all
    POST   /control/events         lets something happen now: {"kind": "halt", "market": "KXBTC*"}
    GET    /control/markets        ticker, status, hidden fair value, close time

A fault's `start_s` and `end_s` count from the start of the exchange; `for_s` instead of them from now.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kalshi.simulator.exchange import SimulatedExchange
from kalshi.simulator.fault_plan import FaultPlan, Ordered, TooManyFaults
from kalshi.simulator.json_server import BadRequest, Question, Routes


def control_routes(exchange: SimulatedExchange) -> Routes:
    """Returns the control port's questions."""
    desk = _ControlDesk(exchange)
    return {
        ("GET", "/control"): desk.overview,
        ("GET", "/control/faults"): desk.list_faults,
        ("POST", "/control/faults"): desk.order_faults,
        ("DELETE", "/control/faults"): desk.clear_faults,
        ("DELETE", "/control/faults/*"): desk.remove_fault,
        ("POST", "/control/events"): desk.play_event,
        ("GET", "/control/markets"): desk.list_markets,
    }


def fault_row(plan: FaultPlan, ordered: Ordered) -> dict[str, object]:
    """Returns what can be said about one ordered fault."""
    return {
        "fault_id": ordered.fault_id,
        "kind": ordered.fault.kind,
        "is_on": plan.is_on(ordered),
        "matched": ordered.matched,
        "strikes": ordered.strikes,
        **attrs.asdict(ordered.fault),
    }


class _ControlDesk:
    def __init__(self, exchange: SimulatedExchange) -> None:
        self._exchange = exchange
        self._plan = exchange.faults

    def overview(self, _: Question) -> object:
        core, clock = self._exchange.core, self._exchange.clock
        return {
            "seed": core.seed,
            "instance": core.instance,
            "speed": clock.speed,
            "now_ms": clock(),
            "elapsed_s": clock.elapsed_s,
            "skew_ms": clock.skew_ms,
            "trading_active": core.trading_active,
            "exchange_active": core.exchange_active,
            "faults": len(self._plan.orders()),
        }

    def list_faults(self, _: Question) -> object:
        return {
            "elapsed_s": self._exchange.clock.elapsed_s,
            "faults": [fault_row(self._plan, ordered) for ordered in self._plan.orders()],
        }

    def order_faults(self, question: Question) -> object:
        # Only who orders a fault pays for reading one: YAML and cattrs cost a tenth of the start.
        from kalshi.simulator.scenario_reader import ScenarioError, read_faults

        rows = question.body if isinstance(question.body, list) else [question.body]
        try:
            faults = read_faults([self._from_now(row) for row in rows])
        except ScenarioError as error:
            raise BadRequest(400, {"problems": [str(problem) for problem in error.problems]}) from None
        try:
            ordered = [self._plan.order(fault) for fault in faults]
        except TooManyFaults as error:
            raise BadRequest(409, {"error": str(error)}) from None
        return {"faults": [fault_row(self._plan, one) for one in ordered]}

    def clear_faults(self, _: Question) -> object:
        ended = len(self._plan.orders())
        self._plan.clear()
        return {"ended": ended}

    def remove_fault(self, question: Question) -> object:
        if not (question.rest.isascii() and question.rest.isdigit() and self._plan.remove(int(question.rest))):
            raise BadRequest(404, {"error": f"no fault {question.rest}: GET /control/faults lists them"})
        return {"ended": 1}

    def play_event(self, question: Question) -> object:
        from kalshi.simulator.scenario_reader import ScenarioError, read_event

        try:
            event = read_event(question.body)
        except ScenarioError as error:
            raise BadRequest(400, {"problems": [str(problem) for problem in error.problems]}) from None
        return {"markets": self._exchange.player.play(event)}

    def list_markets(self, _: Question) -> object:
        rows = [
            {
                "ticker": market.ticker,
                "status": market.status.value,
                "fair_e4": market.fair_e4,
                "close_ms": market.close_ms,
                "result": market.result,
            }
            for market in self._exchange.core.markets.values()
        ]
        return {"markets": rows}

    def _from_now(self, row: Any) -> Any:
        """Returns the order with `for_s` turned into start and end; anything odd is left to the reader."""
        if not isinstance(row, Mapping) or not isinstance(row.get("for_s"), int | float):
            return row
        now_s = self._exchange.clock.elapsed_s
        return {key: value for key, value in row.items() if key != "for_s"} | {
            "start_s": now_s,
            "end_s": now_s + row["for_s"],
        }
