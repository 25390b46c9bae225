"""The REST surface: the table of routes, and the thin Litestar application that serves it on trio.

Rules:
1. Handlers are synchronous and framework-free; Litestar routes, and calls them inside the event loop: there
   are no threads.
2. A signed request is verified before anything else, also on a public route; reads pay before the handler
   runs, writes pay inside it, because what they cost stands in their body.
3. Every answer carries a `Date` from the exchange's own clock, errors and unknown paths included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import attrs
import msgspec
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kalshi.simulator import rest_account as account
from kalshi.simulator import rest_market_data as data
from kalshi.simulator import rest_orders as orders
from kalshi.simulator import rest_portfolio as portfolio
from kalshi.simulator.accounts import Account
from kalshi.simulator.authentication import KEY_HEADER, SIGNATURE_HEADER
from kalshi.simulator.refusals import Refused
from kalshi.simulator.rest_call import Answer, Call
from kalshi.simulator.services import Services
from kalshi.simulator.timestamps import http_date

PREFIX: Final = "/trade-api/v2"
_DEFAULT_COST: Final = 10
_BODY_BYTES_MAX: Final = 1_000_000
_HTTP_SCOPES: Final = ("http",)

Handler = Callable[[Call], Answer]
HttpMethod = Literal["GET", "POST", "PUT", "DELETE"]


@attrs.frozen
class Route:
    """One endpoint; `cost` is the read cost, zero where the handler itself bills the write bucket."""

    method: HttpMethod
    path: str
    handler: Handler
    is_public: bool = False
    cost: int = _DEFAULT_COST


def _public(path: str, handler: Handler) -> Route:
    return Route("GET", path, handler, is_public=True)


def _read(path: str, handler: Handler, cost: int = _DEFAULT_COST) -> Route:
    return Route("GET", path, handler, cost=cost)


def _write(method: HttpMethod, path: str, handler: Handler) -> Route:
    return Route(method, path, handler, cost=0)


_PUBLIC_ROUTES: Final = (
    _public("/exchange/status", data.exchange_status),
    _public("/exchange/schedule", data.exchange_schedule),
    _public("/exchange/user_data_timestamp", data.user_data_timestamp),
    _public("/series", data.list_series),
    _public("/series/fee_changes", data.no_fee_changes),
    _public("/series/{series_ticker:str}", data.get_series),
    _public("/series/{series_ticker:str}/markets/{ticker:str}/candlesticks", data.market_candlesticks),
    _public("/events", data.list_events),
    _public("/events/fee_changes", data.no_event_fee_changes),
    _public("/events/{event_ticker:str}", data.get_event),
    _public("/events/{event_ticker:str}/metadata", data.event_metadata),
    _public("/markets", data.list_markets),
    _public("/markets/orderbooks", data.list_orderbooks),
    _public("/markets/trades", data.list_trades),
    _public("/markets/candlesticks", data.batch_candlesticks),
    _public("/markets/{ticker:str}", data.get_market),
    _public("/markets/{ticker:str}/orderbook", data.get_orderbook),
    _public("/incentive_programs", data.incentive_programs),
    _public("/historical/cutoff", data.historical_cutoff),
    _public("/account/endpoint_costs", account.endpoint_costs),
)

_READ_ROUTES: Final = (
    _read("/portfolio/balance", portfolio.get_balance),
    _read("/portfolio/positions", portfolio.list_positions),
    _read("/portfolio/fills", portfolio.list_fills),
    _read("/portfolio/orders", portfolio.list_orders),
    _read("/portfolio/orders/queue_positions", portfolio.list_queue_positions),
    _read("/portfolio/orders/{order_id:str}", portfolio.get_order, cost=2),
    _read("/portfolio/orders/{order_id:str}/queue_position", portfolio.get_queue_position),
    _read("/portfolio/settlements", portfolio.list_settlements),
    _read("/portfolio/deposits", portfolio.list_deposits),
    _read("/portfolio/withdrawals", portfolio.list_withdrawals),
    _read("/portfolio/summary/total_resting_order_value", portfolio.total_resting_order_value),
    _read("/portfolio/order_groups", account.list_order_groups),
    _read("/portfolio/order_groups/{group_id:str}", account.get_order_group),
    _read("/account/limits", account.account_limits),
)

_WRITE_ROUTES: Final = (
    _write("POST", "/portfolio/events/orders", orders.create_order),
    _write("DELETE", "/portfolio/events/orders", orders.cancel_all),
    _write("POST", "/portfolio/events/orders/batched", orders.batch_create),
    _write("DELETE", "/portfolio/events/orders/batched", orders.batch_cancel),
    _write("DELETE", "/portfolio/events/orders/{order_id:str}", orders.cancel_order),
    _write("POST", "/portfolio/events/orders/{order_id:str}/amend", orders.amend_order),
    _write("POST", "/portfolio/events/orders/{order_id:str}/decrease", orders.decrease_order),
    _write("POST", "/portfolio/order_groups/create", account.create_order_group),
    _write("DELETE", "/portfolio/order_groups/{group_id:str}", account.delete_order_group),
    _write("PUT", "/portfolio/order_groups/{group_id:str}/trigger", account.trigger_order_group),
    _write("PUT", "/portfolio/order_groups/{group_id:str}/reset", account.reset_order_group),
    _write("PUT", "/portfolio/order_groups/{group_id:str}/limit", account.limit_order_group),
    _write("POST", "/portfolio/orders", orders.legacy_write),
    _write("POST", "/portfolio/orders/batched", orders.legacy_write),
    _write("DELETE", "/portfolio/orders/batched", orders.legacy_write),
    _write("DELETE", "/portfolio/orders/{order_id:str}", orders.legacy_write),
    _write("POST", "/portfolio/orders/{order_id:str}/amend", orders.legacy_write),
    _write("POST", "/portfolio/orders/{order_id:str}/decrease", orders.legacy_write),
)

ROUTES: Final = (*_PUBLIC_ROUTES, *_READ_ROUTES, *_WRITE_ROUTES)


class _BareLitestar(Litestar):
    """Litestar without plugins for models that no handler here uses: loading pydantic costs 0.1 s of every start."""

    @staticmethod
    def _get_default_plugins(plugins: list[PluginProtocol]) -> list[PluginProtocol]:
        return [*plugins, MsgspecDIPlugin()]


def build_app(services: Services) -> ASGIApp:
    """Returns the ASGI application of the exchange."""
    app = _BareLitestar(
        route_handlers=[_litestar_handler(route, services) for route in ROUTES],
        exception_handlers={Refused: _answer_refusal, HTTPException: _answer_framework_error},
        request_max_body_size=_BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )
    return _with_exchange_headers(app, services)


def _litestar_handler(route: Route, services: Services) -> HTTPRouteHandler:
    async def endpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        signer = _signer(route, request, services)
        call = Call(
            services=services,
            method=route.method,
            path_parameters={name: str(value) for name, value in request.path_params.items()},
            query=tuple(request.query_params.multi_items()),
            raw_body=await request.body(),
            signer=signer,
        )
        _spend(route, call)
        return _respond(route.handler(call))

    return HTTPRouteHandler(PREFIX + route.path, http_method=route.method, status_code=200)(endpoint)


def _signer(route: Route, request: Request[Any, Any, Any], services: Services) -> Account | None:
    is_signed = KEY_HEADER in request.headers or SIGNATURE_HEADER in request.headers
    if route.is_public and not is_signed:
        return None
    raw_path = request.scope["raw_path"].decode("ascii", "replace")
    return services.authenticator.authenticate(request.headers, route.method, raw_path.partition("?")[0])


def _spend(route: Route, call: Call) -> None:
    services, now_ms = call.services, call.services.core.now_ms()
    if call.signer is None:
        allowed = services.limiter.allow_public(now_ms)
    else:
        allowed = not route.cost or services.limiter.allow_read(call.signer, route.cost, now_ms)
    if not allowed:
        raise call.too_many_requests()


def _respond(answer: Answer) -> Response[bytes]:
    if answer.body is None:
        return Response(b"", status_code=answer.status)
    return Response(msgspec.json.encode(answer.body), status_code=answer.status, media_type="application/json")


def _answer_refusal(_: Request[Any, Any, Any], refusal: Refused) -> Response[bytes]:
    return _respond(Answer(status=refusal.status, body=refusal.body))


def _answer_framework_error(_: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    code = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}.get(
        error.status_code, "internal_error"
    )
    return _respond(Answer(status=error.status_code, body=Refused(error.status_code, code).body))


# The real exchange has no such header: it tells a client of the simulator that this is another exchange than before.
INSTANCE_HEADER = b"x-simulator-instance"


def _with_exchange_headers(app: Litestar, services: Services) -> ASGIApp:
    """Puts the Date on every answer, and answers a trailing slash with the recorded redirect."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = http_date(services.core.now_ms()).encode()
                marks = [(b"date", date), (INSTANCE_HEADER, services.core.instance.encode())]
                message["headers"] = [*message.get("headers", ()), *marks]
            await send(message)

        if scope["type"] not in _HTTP_SCOPES:
            await app(scope, receive, send)
        elif scope["path"].endswith("/") and scope["path"] != "/":
            await _redirect(scope["path"].rstrip("/"), send_dated)
        else:
            await app(scope, receive, send_dated)

    return wrapped


async def _redirect(path: str, send: Send) -> None:
    headers = [(b"location", path.encode("ascii", "replace")), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 301, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
