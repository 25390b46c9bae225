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
from functools import cache
from typing import Any, Final, Literal, cast

import attrs
import msgspec
from litestar import Litestar, Request, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.plugins import PluginProtocol
from litestar.plugins.core import MsgspecDIPlugin
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from kalshi.simulator import rest_account as account
from kalshi.simulator import rest_exchange as exchange
from kalshi.simulator import rest_groups as groups
from kalshi.simulator import rest_listings as listings
from kalshi.simulator import rest_market_data as data
from kalshi.simulator import rest_orders as orders
from kalshi.simulator import rest_portfolio as portfolio
from kalshi.simulator import rest_transfers as transfers
from kalshi.simulator.api_keys import ApiKey
from kalshi.simulator.authentication import KEY_HEADER, SIGNATURE_HEADER
from kalshi.simulator.public_cache import PublicCache
from kalshi.simulator.refusals import Refused
from kalshi.simulator.rest_call import DEFAULT_COST, Answer, Call
from kalshi.simulator.rest_incentives import incentive_programs
from kalshi.simulator.services import Services
from kalshi.simulator.timestamps import http_date

PREFIX: Final = "/trade-api/v2"
_BODY_BYTES_MAX: Final = 1_000_000
_HTTP_SCOPES: Final = ("http",)
_EXCHANGE_KEY: Final = "simulator.exchange"
READ: Final = "read"
WRITE: Final = "write"
TRADE: Final = "write::trade"
TRANSFER: Final = "write::transfer"
BALANCE: Final = "read::portfolio_balance"

Handler = Callable[[Call], Answer]
HttpMethod = Literal["GET", "POST", "PUT", "DELETE"]


@attrs.frozen
class Route:
    """One endpoint: `cost` is the read cost, zero where the handler bills writes; `scope` is what a key needs."""

    method: HttpMethod
    path: str
    handler: Handler
    scope: str | None = None
    cost: int = DEFAULT_COST

    @property
    def is_public(self) -> bool:
        return self.scope is None


def _public(path: str, handler: Handler) -> Route:
    return Route("GET", path, handler)


def _read(path: str, handler: Handler, cost: int = DEFAULT_COST, scope: str = READ) -> Route:
    return Route("GET", path, handler, scope, cost)


def _write(method: HttpMethod, path: str, handler: Handler, scope: str = TRADE) -> Route:
    return Route(method, path, handler, scope, 0)


_PUBLIC_ROUTES: Final = (
    _public("/exchange/status", exchange.exchange_status),
    _public("/exchange/schedule", exchange.exchange_schedule),
    _public("/exchange/user_data_timestamp", exchange.user_data_timestamp),
    _public("/series", listings.list_series),
    _public("/series/fee_changes", listings.series_fee_changes),
    _public("/series/{series_ticker:str}", listings.get_series),
    _public("/series/{series_ticker:str}/markets/{ticker:str}/candlesticks", data.market_candlesticks),
    _public("/series/{series_ticker:str}/events/{ticker:str}/candlesticks", data.event_candlesticks),
    _public("/events", listings.list_events),
    _public("/events/fee_changes", listings.event_fee_changes),
    _public("/events/multivariate", listings.multivariate_events),
    _public("/events/{event_ticker:str}", listings.get_event),
    _public("/events/{event_ticker:str}/metadata", listings.event_metadata),
    _public("/markets", listings.list_markets),
    _public("/markets/orderbooks", data.list_orderbooks),
    _public("/markets/trades", data.list_trades),
    _public("/markets/candlesticks", data.batch_candlesticks),
    _public("/markets/{ticker:str}", listings.get_market),
    _public("/markets/{ticker:str}/orderbook", data.get_orderbook),
    _public("/incentive_programs", incentive_programs),
    _public("/historical/cutoff", data.historical_cutoff),
    _public("/historical/trades", data.historical_trades),
    _public("/historical/markets", listings.historical_markets),
    _public("/historical/markets/{ticker:str}", listings.historical_market),
    _public("/historical/markets/{ticker:str}/candlesticks", data.historical_candlesticks),
    _public("/account/endpoint_costs", account.endpoint_costs),
)

_READ_ROUTES: Final = (
    _read("/portfolio/balance", portfolio.get_balance, scope=BALANCE),
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
    _read("/portfolio/order_groups", groups.list_order_groups),
    _read("/portfolio/order_groups/{group_id:str}", groups.get_order_group),
    _read("/portfolio/intra_exchange_instance_transfers", transfers.list_shard_transfers),
    _read("/portfolio/intra_exchange_instance_transfers/{transfer_id:str}", transfers.get_shard_transfer),
    _read("/portfolio/subaccounts/balances", transfers.subaccount_balances, scope=BALANCE),
    _read("/portfolio/subaccounts/transfers", transfers.list_subaccount_transfers),
    _read("/portfolio/subaccounts/netting", transfers.get_netting),
    _read("/portfolio/target_balance_allocation", transfers.get_target_allocation),
    _read("/historical/orders", portfolio.historical_orders),
    _read("/historical/fills", portfolio.historical_fills),
    _read("/historical/positions", portfolio.historical_positions),
    _read("/account/limits", account.account_limits),
    _read("/account/api_usage_level/volume_progress", account.volume_progress),
    _read("/api_keys", account.list_api_keys),
)

_WRITE_ROUTES: Final = (
    _write("POST", "/portfolio/events/orders", orders.create_order),
    _write("DELETE", "/portfolio/events/orders", orders.cancel_all),
    _write("POST", "/portfolio/events/orders/batched", orders.batch_create),
    _write("DELETE", "/portfolio/events/orders/batched", orders.batch_cancel),
    _write("DELETE", "/portfolio/events/orders/{order_id:str}", orders.cancel_order),
    _write("POST", "/portfolio/events/orders/{order_id:str}/amend", orders.amend_order),
    _write("POST", "/portfolio/events/orders/{order_id:str}/decrease", orders.decrease_order),
    _write("POST", "/portfolio/order_groups/create", groups.create_order_group),
    _write("DELETE", "/portfolio/order_groups/{group_id:str}", groups.delete_order_group),
    _write("PUT", "/portfolio/order_groups/{group_id:str}/trigger", groups.trigger_order_group),
    _write("PUT", "/portfolio/order_groups/{group_id:str}/reset", groups.reset_order_group),
    _write("PUT", "/portfolio/order_groups/{group_id:str}/limit", groups.limit_order_group),
    _write("POST", "/portfolio/intra_exchange_instance_transfer", transfers.transfer_between_shards, scope=TRANSFER),
    _write("POST", "/portfolio/subaccounts", transfers.create_subaccount, scope=WRITE),
    _write("POST", "/portfolio/subaccounts/transfer", transfers.transfer_between_subaccounts, scope=TRANSFER),
    _write("PUT", "/portfolio/subaccounts/netting", transfers.set_netting, scope=WRITE),
    _write("POST", "/portfolio/target_balance_allocation", transfers.set_target_allocation, scope=TRANSFER),
    _write("POST", "/account/api_usage_level/upgrade", account.upgrade_api_usage_level, scope=WRITE),
    _write("POST", "/api_keys", account.create_api_key, scope=WRITE),
    _write("POST", "/api_keys/generate", account.generate_api_key, scope=WRITE),
    _write("DELETE", "/api_keys/{api_key:str}", account.delete_api_key, scope=WRITE),
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
    """Returns the ASGI application of one exchange."""
    cache = PublicCache(services.core.settings.public_cache_s * 1_000)
    return _for_exchange(_routing_app(), _Bound(services=services, cache=cache))


@attrs.frozen(kw_only=True)
class _Bound:
    """What a request needs of the exchange that it is for."""

    services: Services
    cache: PublicCache


@cache
def _routing_app() -> Litestar:
    """Returns the routing, which holds no exchange: it takes a tenth of a second to build, and tests have hundreds."""
    return _BareLitestar(
        route_handlers=[_litestar_handler(route) for route in ROUTES],
        exception_handlers={Refused: _answer_refusal, HTTPException: _answer_framework_error},
        request_max_body_size=_BODY_BYTES_MAX,
        openapi_config=None,
        logging_config=None,
    )


def _litestar_handler(route: Route) -> HTTPRouteHandler:
    async def endpoint(request: Request[Any, Any, Any]) -> Response[bytes]:
        services = _bound(request).services
        key = _signing_key(route, request, services)
        call = Call(
            services=services,
            method=route.method,
            path_parameters={name: str(value) for name, value in request.path_params.items()},
            query=tuple(request.query_params.multi_items()),
            raw_body=await request.body(),
            signer=None if key is None else services.authenticator.account_of(key),
            key=key,
        )
        _spend(route, call)
        return _respond(_answer(route, call, request.scope["path"], _bound(request).cache))

    return HTTPRouteHandler(PREFIX + route.path, http_method=route.method, status_code=200)(endpoint)


def _bound(request: Request[Any, Any, Any]) -> _Bound:
    # The scope's type lists the keys of the standard only; this one is ours, put there by `_for_exchange`.
    bound: _Bound = cast("dict[str, Any]", request.scope)[_EXCHANGE_KEY]
    return bound


def _answer(route: Route, call: Call, path: str, cache: PublicCache) -> Answer:
    if not route.is_public:
        return route.handler(call)
    answer = cache.find(call, path)
    if answer is None:
        answer = route.handler(call)
        cache.keep(call, path, answer)
    return answer


def _signing_key(route: Route, request: Request[Any, Any, Any], services: Services) -> ApiKey | None:
    is_signed = KEY_HEADER in request.headers or SIGNATURE_HEADER in request.headers
    if route.is_public and not is_signed:
        return None
    raw_path = request.scope["raw_path"].decode("ascii", "replace")
    key = services.authenticator.identify(request.headers, route.method, raw_path.partition("?")[0])
    if route.scope is not None:
        services.keys.check_scope(key, route.scope)
    return key


def _spend(route: Route, call: Call) -> None:
    services = call.services
    if call.signer is None:
        allowed = services.limiter.allow_public()
    else:
        allowed = not route.cost or services.limiter.allow_read(call.signer, route.cost)
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


def _for_exchange(app: Litestar, bound: _Bound) -> ASGIApp:
    """Binds the routing to one exchange: its services, its Date on every answer, the redirect of a trailing slash."""
    core = bound.services.core

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = http_date(core.now_ms()).encode()
                marks = [(b"date", date), (INSTANCE_HEADER, core.instance.encode())]
                message["headers"] = [*message.get("headers", ()), *marks]
            await send(message)

        _count_write(scope, bound.services)
        if scope["type"] not in _HTTP_SCOPES:
            await app(scope, receive, send)
        elif scope["path"].endswith("/") and scope["path"] != "/":
            await _redirect(scope["path"].rstrip("/"), send_dated)
        else:
            await app(cast("Scope", {**scope, _EXCHANGE_KEY: bound}), receive, send_dated)

    return wrapped


def _count_write(scope: Scope, services: Services) -> None:
    if scope.get("method", "GET") == "GET":  # a socket's scope has none
        return
    key_id = next((value.decode("latin-1") for name, value in scope["headers"] if name.decode() == KEY_HEADER), "")
    # Unknown keys share one count, so that nobody can make the table grow.
    key_id = key_id if key_id in services.core.accounts_by_key else ""
    services.write_requests[key_id] = services.write_requests.get(key_id, 0) + 1


async def _redirect(path: str, send: Send) -> None:
    headers = [(b"location", path.encode("ascii", "replace")), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 301, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
