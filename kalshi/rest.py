"""The exchange's REST interface, typed: one method per endpoint that the bot uses.

The methods stand in areas, each a file: `rest_exchange`, `rest_markets`, `rest_portfolio`, `rest_orders`,
`rest_groups`, `rest_transfers`. How a request goes out, and what Rejected, Unavailable and OutcomeUnknown mean, is
told in `kalshi.rest_send` and `kalshi.errors`; every method may raise them. Reads also raise Malformed, writes also
SendRefused.

Source: Kalshi OpenAPI 3.34.0 of October 2026.
"""

from __future__ import annotations

from collections.abc import Callable

from kalshi.budget import RateBudget
from kalshi.http_client import HttpClient
from kalshi.rest_area import read_all
from kalshi.rest_exchange import ExchangeReads
from kalshi.rest_groups import OrderGroups
from kalshi.rest_markets import MarketReads
from kalshi.rest_orders import OrderWrites
from kalshi.rest_portfolio import PortfolioReads
from kalshi.rest_send import Sender, make_http
from kalshi.rest_transfers import ShardTransfers
from kalshi.signing import Signer

__all__ = ["RestClient", "make_http", "read_all"]


class RestClient(ExchangeReads, MarketReads, PortfolioReads, OrderWrites, OrderGroups, ShardTransfers):
    """A client of one account on one exchange; several may share a budget, each has its own pool.

    `connections` must not exceed the pool of `http`. `deadline_s` is the total for one request, from the
    moment that it has its tokens and its place. `on_server_date(date_ms, wall_ms)` hears the Date header of
    every answer. Without `shields_writes` a write can be cancelled at any moment, and then nobody knows what became
    of it: for triggers and cancels alone, which bear repeating.
    """

    def __init__(
        self,
        *,
        http: HttpClient,
        base_url: str,
        signer: Signer,
        budget: RateBudget,
        wall_ms: Callable[[], int],
        connections: int,
        deadline_s: float,
        on_server_date: Callable[[int, int], None] | None = None,
        shields_writes: bool = True,
    ) -> None:
        sender = Sender(
            http=http,
            base_url=base_url,
            signer=signer,
            budget=budget,
            wall_ms=wall_ms,
            connections=connections,
            deadline_s=deadline_s,
            on_server_date=on_server_date,
            shields_writes=shields_writes,
        )
        super().__init__(sender)
