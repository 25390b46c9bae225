"""The truth over HTTP, on a port of its own: for tests and status only, unsigned, never part of the exchange's surface.

GET /truth/orders, /truth/fills, /truth/positions, /truth/cash, /truth/groups, /truth/writes take `key_id` (default: the
first account); GET /truth/attempts takes `client_order_id`; GET /truth/health sums the whole up. Numbers are
scaled integers, as in process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs
import msgspec
import trio
from litestar import Litestar, Request, Response
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from kalshi.simulator.truth import Truth

_ABSENT: Final = "unknown key_id"


def build_truth_app(truth: Truth) -> ASGIApp:
    """Returns the ASGI application that answers questions about the truth."""
    questions: dict[str, Callable[[str], object]] = {
        "orders": lambda key_id: {"orders": [attrs.asdict(order) for order in truth.resting_orders(key_id)]},
        "fills": lambda key_id: {"fills": [attrs.asdict(fill) for fill in truth.fills(key_id)]},
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
    handlers = [_by_key(f"/truth/{name}", truth, answer) for name, answer in questions.items()]
    handlers.append(
        _handler(
            "/truth/attempts",
            lambda request: {"attempts": truth.create_attempts(request.query_params.get("client_order_id", ""))},
        )
    )
    handlers.append(
        _handler(
            "/truth/health",
            lambda _: {
                "imbalance_e6": truth.imbalance_e6(),
                "requests_rejected_429": truth.requests_rejected_429,
                "key_ids": list(truth.key_ids()),
            },
        )
    )
    return Litestar(route_handlers=handlers, openapi_config=None, logging_config=None)


def _by_key(path: str, truth: Truth, answer: Callable[[str], object]) -> HTTPRouteHandler:
    def respond(request: Request[Any, Any, Any]) -> object:
        key_ids = truth.key_ids()
        key_id = request.query_params.get("key_id", key_ids[0] if key_ids else "")
        return answer(key_id) if key_id in key_ids else None

    return _handler(path, respond)


def _handler(path: str, respond: Callable[[Request[Any, Any, Any]], object]) -> HTTPRouteHandler:
    async def endpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        await trio.lowlevel.checkpoint()
        body = respond(request)
        status = 200 if body is not None else 404
        content = msgspec.json.encode(body if body is not None else {"error": _ABSENT})
        return Response(content, status_code=status, media_type="application/json")

    return HTTPRouteHandler(path, http_method="GET", status_code=200)(endpoint)
