"""What a user of pykalshi 2.0.0 would write; it runs under its own interpreter and imports nothing of this project.

Only addresses differ from real use: `api_base` is a constructor argument; the feed has its address in an attribute.
Each function is one step and returns what the test shall know; `main` tells it and waits (see conversation.py).
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

# Installed in the environment of this program alone.
from pykalshi import KalshiClient  # type: ignore[import-not-found]
from pykalshi.enums import CandlestickPeriod, MarketStatus, OrderStatus, TimeInForce  # type: ignore[import-not-found]
from pykalshi.exceptions import KalshiAPIError  # type: ignore[import-not-found]
from pykalshi.orderbook import OrderbookManager  # type: ignore[import-not-found]

WAIT_S = 20.0

Facts = dict[str, Any]


def until(wanted: Callable[[], Any]) -> Any:
    """Polls until the answer is truthy: portfolio reads lag behind the engine."""
    end = time.monotonic() + WAIT_S
    while True:
        found = wanted()
        if found or time.monotonic() > end:
            return found
        time.sleep(0.05)


def refusal(call: Callable[[], Any]) -> Facts:
    """Returns how the library reports what the exchange refuses."""
    try:
        call()
    except KalshiAPIError as error:
        return {"kind": type(error).__name__, "status": error.status_code, "code": error.error_code}
    return {"kind": "none"}


class Customer:
    """One session of a user, in steps that build on each other."""

    def __init__(self, client: Any, ticker: str, socket_address: str) -> None:
        self.client = client
        self.portfolio = client.portfolio
        self.ticker = ticker
        self.socket_address = socket_address
        self.order: Any = None
        self.group_id = ""
        self.balance_cents = self.portfolio.get_balance().balance

    def status(self) -> Facts:
        state = self.client.exchange.get_status()
        return {
            "active": [state.exchange_active, state.trading_active],
            "schedule": sorted(self.client.exchange.get_schedule()),
            "tier": self.client.api_keys.get_limits().usage_tier,
            "cutoff": self.client.history.get_cutoff().market_settled_ts,
        }

    def markets(self) -> Facts:
        listed = self.client.get_markets(status=MarketStatus.OPEN, limit=25, fetch_all=True)
        market = self.client.get_market(self.ticker)
        event = self.client.get_event(market.event_ticker)
        series = self.client.get_series(event.series_ticker)
        now_s = int(time.time())
        candles = market.get_candlesticks(now_s - 86_400, now_s, CandlestickPeriod.ONE_HOUR)
        return {
            "tickers": sorted(one.ticker for one in listed),
            "market": [market.ticker, market.status.value, market.price_level_structure],
            "event": [event.event_ticker, event.series_ticker],
            "series": series.ticker,
            "candles": len(candles.candlesticks),
            "events": len(self.client.get_events(limit=50, fetch_all=True)),
            "trades": [one.ticker for one in self.client.get_trades(ticker=self.ticker, limit=5)],
        }

    def book(self) -> Facts:
        book = self.client.get_market(self.ticker).get_orderbook()
        return {
            "yes": book.orderbook.yes_dollars,
            "no": book.orderbook.no_dollars,
            "best": [book.best_yes_bid, book.best_no_bid],
        }

    def create(self) -> Facts:
        self.order = self.portfolio.place_order(
            self.ticker,
            book_side="bid",
            count_fp="10.00",
            price_dollars="0.0200",
            client_order_id="first",
            post_only=True,
            expiration_ts=int(time.time()) + 600,
            cancel_order_on_pause=True,
        )
        listed = until(
            lambda: [one for one in self.portfolio.get_orders(status=OrderStatus.RESTING) if one == self.order]
        )
        return {
            "order_id": self.order.order_id,
            "status": self.order.status.value,
            "listed": [[one.yes_price_dollars, one.remaining_count_fp, one.book_side.value] for one in listed],
            "client_order_id": self.portfolio.get_order(self.order.order_id).client_order_id,
        }

    def amend(self) -> Facts:
        self.order.amend(price_dollars="0.0300", count_fp="7.00")
        return {"order_id": self.order.order_id, "price": self.order.yes_price_dollars}

    def decrease(self) -> Facts:
        self.order.decrease("2.00")
        return {
            "remaining": self.order.remaining_count_fp,
            "queue": self.portfolio.get_queue_position(self.order.order_id).queue_position_fp,
            "queues": [one.order_id for one in self.portfolio.get_queue_positions(market_tickers=[self.ticker])],
        }

    def cancel(self) -> Facts:
        self.order.cancel()
        again = refusal(self.order.cancel)
        self.order.wait_until_terminal(timeout=WAIT_S, poll_interval=0.05)
        return {"status": self.order.status.value, "again": again}

    def batch(self) -> Facts:
        # The second price is off the grid: the exchange refuses that item alone, and the library leaves it out.
        wanted = [
            {"ticker": self.ticker, "book_side": side, "count_fp": "4.00", "price_dollars": price, "post_only": True}
            for side, price in (("bid", "0.0100"), ("bid", "0.0155"), ("ask", "0.9900"))
        ]
        placed = self.portfolio.batch_place_orders(wanted)
        return {"orders": [[one.order_id, one.book_side.value, one.yes_price_dollars] for one in placed]}

    def batch_cancel(self) -> Facts:
        resting = until(lambda: self._resting(2))
        # The library derives a status that a cancel's answer does not carry; only the ids are the exchange's word.
        cancelled = self.portfolio.batch_cancel_orders([one.order_id for one in resting])
        return {"order_ids": [one.order_id for one in cancelled]}

    def fills(self) -> Facts:
        ask = self.client.get_market(self.ticker).yes_ask_dollars
        order = self.portfolio.place_order(
            self.ticker,
            book_side="bid",
            count_fp="1.50",
            price_dollars=ask,
            time_in_force=TimeInForce.IOC,
        )
        fills = until(lambda: self.portfolio.get_fills(order_id=order.order_id))
        return {
            "order_id": order.order_id,
            "status": order.status.value,
            "fills": [
                [one.ticker, one.book_side.value, one.count_fp, one.yes_price_dollars, one.fee_cost_dollars]
                for one in fills
            ],
        }

    def positions(self) -> Facts:
        (position,) = until(lambda: self.portfolio.get_positions(ticker=self.ticker))
        untouched_cents = self.balance_cents
        balance = until(lambda: self._balance_other_than(untouched_cents))
        return {
            "position": [position.ticker, position.position_fp],
            "balance_cents": balance.balance,
            "settlements": len(self.portfolio.get_settlements()),
        }

    def group(self) -> Facts:
        group = self.portfolio.create_order_group("30.00")
        self.group_id = group.id
        self.portfolio.update_order_group_limit(group.id, "20.00")
        self.order = self._grouped()
        held = self.portfolio.get_order_group(group.id)
        listed = [one.contracts_limit_fp for one in self.portfolio.get_order_groups() if one.id == group.id]
        return {
            "group_id": group.id,
            "order_id": self.order.order_id,
            "orders": held.orders,
            "limit": held.contracts_limit_fp,
            "listed": listed,
        }

    def trigger(self) -> Facts:
        self.portfolio.trigger_order_group(self.group_id)
        return {"refused": refusal(self._grouped)}

    def reset(self) -> Facts:
        self.portfolio.reset_order_group(self.group_id)
        self.order = self._grouped()
        return {"order_id": self.order.order_id}

    def refusals(self) -> Facts:
        self.order.cancel()
        plain = {"book_side": "bid", "count_fp": "1.00", "price_dollars": "0.0200"}
        place = self.portfolio.place_order
        return {
            "price": refusal(lambda: place(self.ticker, **{**plain, "price_dollars": "0.0255"})),
            "funds": refusal(lambda: place(self.ticker, **{**plain, "count_fp": "9000000.00"})),
            "repeat": refusal(lambda: place(self.ticker, **plain, client_order_id="first")),
            "ticker": refusal(lambda: self.client.get_market("KXNOSUCH-26")),
        }

    def feed(self) -> Facts:
        book, seen = OrderbookManager(self.ticker), _Seen()
        feed = self.client.feed()
        feed._ws_url = self.socket_address
        feed.on("orderbook_delta", lambda message: _apply(book, seen, message))
        feed.on("fill", lambda message: seen.fills.append([message.market_ticker, message.count_fp, message.book_side]))
        feed.on("user_orders", lambda message: seen.orders.append([message.status, message.remaining_count_fp]))
        feed.on("market_positions", lambda message: seen.positions.append(message.position_fp))
        feed.on("ticker", lambda message: seen.tickers.append(message.market_ticker))
        feed.on("trade", lambda message: seen.trades.append([message.market_ticker, message.count_fp]))
        feed.on("order_group_updates", lambda message: seen.groups.append(message.event_type))
        for channel in ("orderbook_delta", "ticker", "trade"):
            feed.subscribe(channel, market_ticker=self.ticker)
        for channel in ("fill", "user_orders", "market_positions", "order_group_updates"):
            feed.subscribe(channel)
        with feed:
            until(lambda: seen.snapshots and len(feed._sids) == 7)
            ask = book.best_ask
            self.order = self.portfolio.place_order(
                self.ticker, book_side="bid", count_fp="3.00", price_dollars="0.0400", client_order_id="on the feed"
            )
            self.portfolio.place_order(
                self.ticker,
                book_side="bid",
                count_fp="0.50",
                price_dollars=f"{float(ask or 0):.4f}",
                time_in_force=TimeInForce.IOC,
            )
            self.portfolio.trigger_order_group(self.group_id)
            until(lambda: seen.own and seen.fills and seen.trades and seen.positions and seen.groups and seen.tickers)
            levels = until(lambda: book.yes.get("0.0400") and {"yes": dict(book.yes), "no": dict(book.no)})
            return {**vars(seen), **levels, "connected": feed.is_connected, "reconnects": feed.reconnect_count}

    def leave(self) -> Facts:
        self.order.cancel()
        return {}

    def _balance_other_than(self, cents: int) -> Any:
        balance = self.portfolio.get_balance()
        return balance if balance.balance != cents else None

    def _resting(self, count: int) -> Any:
        orders = self.portfolio.get_orders(status=OrderStatus.RESTING)
        return orders if len(orders) == count else None

    def _grouped(self) -> Any:
        return self.portfolio.place_order(
            self.ticker,
            book_side="ask",
            count_fp="2.00",
            price_dollars="0.9800",
            order_group_id=self.group_id,
        )


class _Seen:
    """What the feed's handlers have got so far."""

    def __init__(self) -> None:
        self.snapshots = 0
        self.own: list[str] = []
        self.fills: list[object] = []
        self.orders: list[object] = []
        self.positions: list[object] = []
        self.tickers: list[object] = []
        self.trades: list[object] = []
        self.groups: list[object] = []


def _apply(book: Any, seen: _Seen, message: Any) -> None:
    if hasattr(message, "yes_dollars"):
        seen.snapshots += 1
        book.apply_snapshot(message.yes_dollars, message.no_dollars)
        return
    book.apply_delta(message.side, message.price_dollars, message.delta_fp)
    if message.client_order_id:
        seen.own.append(message.client_order_id)


STEPS = (
    Customer.status,
    Customer.markets,
    Customer.book,
    Customer.create,
    Customer.amend,
    Customer.decrease,
    Customer.cancel,
    Customer.batch,
    Customer.batch_cancel,
    Customer.fills,
    Customer.positions,
    Customer.group,
    Customer.trigger,
    Customer.reset,
    Customer.refusals,
    Customer.feed,
    Customer.leave,
)


def tell(step: str, facts: object) -> None:
    """Tells one step and waits until the test has looked."""
    sys.stdout.write(json.dumps({"step": step, "facts": facts}) + "\n")
    sys.stdout.flush()
    sys.stdin.readline()


def main() -> None:
    """Does all steps; a failed one is told as such and ends the program."""
    client = KalshiClient(
        api_key_id=os.environ["KEY_ID"],
        private_key_path=os.environ["KEY_FILE"],
        api_base=os.environ["REST_ADDRESS"],
        max_retries=0,
    )
    customer = Customer(client, sys.argv[1], os.environ["SOCKET_ADDRESS"])
    for step in STEPS:
        try:
            facts = step(customer)
        except Exception:
            tell("failed", traceback.format_exc())
            raise
        tell(step.__name__, facts)


if __name__ == "__main__":
    main()
