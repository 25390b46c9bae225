"""The truth over HTTP, on a port of its own: for tests and status only, unsigned, never part of the exchange's surface.

GET /truth/orders, /truth/fills, /truth/positions, /truth/cash, /truth/groups, /truth/writes take `key_id` (default: the
first account); GET /truth/attempts takes `client_order_id`; GET /truth/health sums the whole up. Numbers are
scaled integers, as in process.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kalshi.simulator.json_server import BadRequest, Question, Respond, Routes
from kalshi.simulator.truth import Truth


def truth_routes(truth: Truth) -> Routes:
    """Returns the questions about the truth."""
    by_key: dict[str, Callable[[str], object]] = {
        "orders": lambda key_id: {"orders": [attrs.asdict(order) for order in truth.resting_orders(key_id)]},
        "fills": lambda key_id: {"fills": [fill._asdict() for fill in truth.fills(key_id)]},
        "positions": lambda key_id: {"positions": truth.positions(key_id)},
        "cash": lambda key_id: {
            "cash_e6": truth.cash_e6(key_id),
            "by_shard_e6": {str(shard): cash for shard, cash in truth.cash_by_shard_e6(key_id).items()},
        },
        "writes": lambda key_id: {
            "write_requests": truth.write_requests(key_id),
            "write_requests_total": truth.write_requests_total,
        },
        "groups": lambda key_id: {"groups": [attrs.asdict(group) for group in truth.groups(key_id)]},
    }
    routes = {("GET", f"/truth/{name}"): _by_key(truth, answer) for name, answer in by_key.items()}
    routes["GET", "/truth/attempts"] = lambda question: {
        "attempts": truth.create_attempts(question.query.get("client_order_id", ""))
    }
    routes["GET", "/truth/health"] = lambda _: {
        "imbalance_e6": truth.imbalance_e6(),
        "requests_rejected_429": truth.requests_rejected_429,
        "key_ids": list(truth.key_ids()),
    }
    return routes


def _by_key(truth: Truth, answer: Callable[[str], object]) -> Respond:
    def respond(question: Question) -> object:
        key_ids = truth.key_ids()
        key_id = question.query.get("key_id", key_ids[0] if key_ids else "")
        if key_id not in key_ids:
            raise BadRequest(404, {"error": "unknown key_id"})
        return answer(key_id)

    return respond
