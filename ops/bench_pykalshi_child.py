"""Run by the Python of the bench's own environment: pykalshi's feed and order book on the bench's frames.

`python bench_pykalshi_child.py URL FRAMES VIEWS` prints one line of JSON for every line on its standard input: seconds
of wall and of processor from the first frame to the last, and the touch of every book at the end. VIEWS is "each" (the
touch is read after every change) or "last" (only at the end). Nothing of this project is imported here.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from pykalshi.feed import Feed  # type: ignore[import-not-found]
from pykalshi.orderbook import OrderbookManager  # type: ignore[import-not-found]


class _Client:
    """What the feed asks of its client: where it is, and a signature, which the bench's server does not check."""

    api_base = "https://bench.invalid"
    api_key_id = "bench"

    def _sign_request(self, method: str, path: str) -> tuple[str, str]:
        return "0", f"{method} {path}"


class _Pass:
    """One connection, read to the last frame."""

    def __init__(self, frames: int, *, views_each: bool) -> None:
        self.left = frames - 1  # the acknowledgement reaches no handler
        self.views_each = views_each
        self.books: dict[str, Any] = {}
        self.views: dict[str, tuple[Any, Any]] = {}
        self.first: tuple[float, float] | None = None
        self.last = (0.0, 0.0)

    def handle(self, msg: Any) -> None:
        if self.first is None:
            self.first = (time.perf_counter(), time.process_time())
        book = self.books.get(msg.market_ticker)
        if book is None:
            book = self.books[msg.market_ticker] = OrderbookManager(msg.market_ticker)
        if hasattr(msg, "yes_dollars"):
            book.apply_snapshot(msg.yes_dollars, msg.no_dollars)
        else:
            book.apply_delta(msg.side, msg.price_dollars, msg.delta_fp)
        self.left -= 1
        if self.views_each or not self.left:
            self.views[msg.market_ticker] = (book.best_bid, book.best_ask)
        if not self.left:
            self.last = (time.perf_counter(), time.process_time())


def one_pass(url: str, frames: int, *, views_each: bool) -> dict[str, Any]:
    """Returns what one connection cost."""
    feed = Feed(_Client())
    feed._ws_url = url
    one = _Pass(frames, views_each=views_each)
    feed.on("orderbook_delta", one.handle)
    feed.subscribe("orderbook_delta", market_tickers=["BENCH"])
    feed.start()
    while one.left:
        time.sleep(0.01)
    feed.stop()
    assert one.first is not None
    return {
        "wall_s": one.last[0] - one.first[0],
        "cpu_s": one.last[1] - one.first[1],
        "views": {ticker: (book.best_bid, book.best_ask) for ticker, book in one.books.items()},
    }


if __name__ == "__main__":
    for _ in sys.stdin:
        print(json.dumps(one_pass(sys.argv[1], int(sys.argv[2]), views_each=sys.argv[3] == "each")), flush=True)
