"""The simulated account of a replay: an exchange in this process, without traders, that lists the recorded markets.

Rules:
1. Its clock begins with the recording and runs with trio's, while the actors' wall clock jumps from frame to
   frame. At `max` speed recorded time passes a hundred times too fast for what an account does with time:
   signatures live for seconds, `Date` headers know whole seconds, and a wall clock that leaps against the
   monotonic one is rightly distrusted. At speed 1 the two agree.
2. Its markets close long after the recording ends, for the same reason; when a market closes is told to the
   actors by rules.
3. Its own books are empty: our orders rest there and nobody trades with them. With a queue model they meet the
   recorded book and its trades instead (`kalshi.simulator.replay_market`), on the recording's clock, LATENCY_MS
   after they were sent. At `max` speed the bot thinks while recorded time flies, so its quotes are older there
   than they would be; `--speed 1` is the honest one.
"""

from __future__ import annotations

from functools import partial
from typing import Final

import attrs
import httpx
import trio

from actors.runtime.seams import Seams, real_seams
from actors.runtime.server_clock import ServerClock
from kalshi.numbers import CountE2, MoneyE6
from kalshi.rest import make_http
from kalshi.signing import Signer, generate_key_pair
from kalshi.simulator.events import Event, OrderChanged
from kalshi.simulator.exchange import SOCKET_PATH, SimulatedExchange
from kalshi.simulator.listings import Catalogue, EventListing, MarketListing, SeriesListing
from kalshi.simulator.queue_model import QueueModel
from kalshi.simulator.replay_market import ReplayMarkets
from kalshi.simulator.settings import AccountSettings, SimulatorSettings
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.socket import Socket
from kalshi.socket_transports import TRANSPORTS
from kalshi.types import Side
from ops.money_text import contracts, signed_dollars
from ops.ports import Ports
from ops.replay_books import Bell
from ops.replay_recording import UNKNOWN_CATEGORY, Frame, Recording
from ops.replay_stage import event_of, series_of
from ops.settings import Settings

BASE_URL: Final = "http://replay.invalid/trade-api/v2"
CASH_E6: Final = 10_000_000_000
# From the bot to the exchange and back, as measured from a good host.
LATENCY_MS: Final = 50
_DAY_MS: Final = 86_400_000
_NS_PER_MS: Final = 1_000_000


class RecordedClock:
    """The wall clock of the actors: the time at which the newest frame that was served had been received."""

    def __init__(self, start_ns: int) -> None:
        self._now_ns = start_ns

    def reach(self, at_ns: int) -> None:
        """Goes on to a frame's time; never back."""
        self._now_ns = max(self._now_ns, at_ns)

    def wall_ms(self) -> int:
        """Returns recorded wall time in ms."""
        return self._now_ns // _NS_PER_MS


@attrs.frozen(kw_only=True)
class QueueReport:
    """What a queue model made of our orders: counts in 1/100 contract, money in 1/1,000,000 dollar."""

    model: QueueModel
    fills: int
    filled_e2: CountE2
    fees_e6: MoneyE6
    cash_e6: MoneyE6  # what the fills did to it, fees included
    marks_e6: MoneyE6  # what closing the positions would bring, by the last books before their markets' close
    trades: int
    prints: int
    unplaced: int
    imbalance_e6: int

    def summary(self) -> str:
        """Returns the figures in a line or two."""
        told = f"{self.trades:,} trades" if self.trades else f"{self.prints:,} prints ({self.unplaced:,} not placed)"
        return (
            f"queue model {self.model}: {self.fills:,} fills, {contracts(self.filled_e2)} contracts, of {told}\n"
            f"PnL {signed_dollars(MoneyE6(self.cash_e6 + self.marks_e6), 4)} = cash {signed_dollars(self.cash_e6, 4)} "
            f"{signed_dollars(self.marks_e6, 4)} marks; fees {signed_dollars(self.fees_e6, 4).lstrip('+')}"
        )


class ReplayAccount:
    """The exchange, its one customer, and the way there; `accepted` counts the orders that it took."""

    def __init__(self, recording: Recording, model: QueueModel | None, clock: RecordedClock) -> None:
        private_pem, public_pem = generate_key_pair("ed25519")
        began_s = trio.current_time()
        start_ms = recording.first_ms

        def wall_ms() -> int:
            return start_ms + int((trio.current_time() - began_s) * 1000)

        self.seams: Seams = attrs.evolve(real_seams(), wall_ms=wall_ms)
        self.key_id = self.seams.new_id()
        self.signer = Signer(self.key_id, private_pem)
        self.exchange = SimulatedExchange(
            seed=0,
            wall_ms=wall_ms,
            settings=SimulatorSettings(flow=False),
            accounts=(AccountSettings(key_id=self.key_id, public_key_pem=public_pem, cash_by_shard_e6={0: CASH_E6}),),
            catalogue=catalogue_of(recording),
        )
        self.markets: ReplayMarkets | None = None
        if model is not None:
            self.markets = ReplayMarkets(self.exchange.core, model, latency_ms=LATENCY_MS, market_ms=clock.wall_ms)
            for ticker in recording.structures:
                self.markets.drive(ticker)
        self._clock = clock
        self._close_ms = {
            ticker: close_ms for one in recording.connections for ticker, close_ms in one.close_ms.items()
        }
        self._touches_e4: dict[str, tuple[int, int]] = {}
        self.bell = Bell()
        self._accepted: set[str] = set()
        self.exchange.core.listeners.append(self._take)

    @property
    def accepted(self) -> int:
        return len(self._accepted)

    def take_frame(self, frame: Frame) -> None:
        """Lets our orders meet a recorded frame, just before the bot gets it."""
        if self.markets is None:
            return
        self.markets.take_frame(frame)
        if frame["type"] == "ticker":
            self._mark(frame["msg"]["market_ticker"])

    def _mark(self, ticker: str) -> None:
        """Remembers the touch of a book while its market is open: about once a second, when its ticker comes."""
        if self.markets is None or ticker not in self.markets.tickers:
            return
        bids, asks = (self.markets.queue(ticker).levels[side] for side in Side)
        if bids and asks and self._clock.wall_ms() < self._close_ms[ticker]:
            self._touches_e4[ticker] = max(bids), min(asks)

    def queue_report(self) -> QueueReport | None:
        """Returns what became of our orders; None without a queue model."""
        if self.markets is None:
            return None
        counters, truth = self.markets.counters, self.exchange.truth
        positions = truth.positions(self.key_id)
        for ticker in positions.keys() - self._touches_e4.keys():
            self._mark(ticker)
        fills = truth.fills(self.key_id)
        return QueueReport(
            model=self.markets.model,
            fills=len(fills),
            filled_e2=CountE2(sum(fill.count_e2 for fill in fills)),
            fees_e6=MoneyE6(sum(fill.fee_e6 for fill in fills)),
            cash_e6=MoneyE6(truth.cash_e6(self.key_id) - CASH_E6),
            marks_e6=MoneyE6(sum(value_e6(held, self._touches_e4.get(ticker)) for ticker, held in positions.items())),
            trades=counters.trades,
            prints=counters.prints,
            unplaced=counters.unplaced,
            imbalance_e6=truth.imbalance_e6(),
        )

    def _take(self, event: Event) -> None:
        if isinstance(event, OrderChanged) and event.order.order_id not in self._accepted:
            self._accepted.add(event.order.order_id)
            self.bell.ring()

    def open_ports(self, settings: Settings, socket_port: int, clock: ServerClock) -> Ports:
        """Returns the bot's doors: REST to the exchange in this process, the socket over loopback to the replay."""
        client = partial(make_http, BASE_URL)
        open_websocket = TRANSPORTS[settings.websockets.transport]

        def transport() -> httpx.AsyncBaseTransport:
            return httpx.ASGITransport(app=self.exchange.app)  # type: ignore[arg-type]

        async def connect(nursery: trio.Nursery) -> Socket:
            headers = list(self.signer.headers("GET", SOCKET_PATH, clock.now_ms()).items())
            return await open_websocket(nursery, f"ws://127.0.0.1:{socket_port}{SOCKET_PATH}", headers)

        return Ports(
            base_url=BASE_URL,
            data_http=client(settings.exchange.data_connections, transport=transport()),
            control_http=client(settings.exchange.control_connections, transport=transport()),
            connect=connect,
        )


def value_e6(count_e2: int, touch_e4: tuple[int, int] | None) -> int:
    """Returns what closing a position would bring at the best bid and ask; nothing where no book was ever seen."""
    bid_e4, ask_e4 = touch_e4 or (0, DOLLAR_E4)
    return abs(count_e2) * (bid_e4 if count_e2 > 0 else DOLLAR_E4 - ask_e4)


def catalogue_of(recording: Recording, category: str = UNKNOWN_CATEGORY) -> Catalogue:
    """Returns a listing of the recorded markets, one event for each group of tickers that share its name."""
    events: dict[str, list[MarketListing]] = {}
    for ticker, structure in recording.structures.items():
        events.setdefault(event_of(ticker), []).append(_listing(recording, ticker, structure))
    series = {listed[0].series_ticker for listed in events.values()}
    return Catalogue(
        series=tuple(
            SeriesListing(ticker=ticker, title=ticker, category=category, frequency="custom")
            for ticker in sorted(series)
        ),
        events=tuple(_event(recording, ticker, tuple(listed), category) for ticker, listed in events.items()),
    )


def _listing(recording: Recording, ticker: str, structure: str) -> MarketListing:
    return MarketListing(
        ticker=ticker,
        event_ticker=event_of(ticker),
        series_ticker=series_of(ticker),
        title=ticker,
        yes_sub_title=ticker,
        created_ms=recording.first_ms - _DAY_MS,
        open_ms=recording.first_ms - _DAY_MS,
        close_ms=recording.last_close_ms + _DAY_MS,
        structure=structure,
        exchange_index=0,
        fair_e4=5_000,
        half_spread_e4=100,
        trades_per_minute=1.0,
        volume_e2=0,
        volume_24h_e2=0,
        open_interest_e2=0,
    )


def _event(recording: Recording, ticker: str, listed: tuple[MarketListing, ...], category: str) -> EventListing:
    return EventListing(
        ticker=ticker,
        series_ticker=listed[0].series_ticker,
        title=ticker,
        sub_title="",
        category=category,
        mutually_exclusive=False,
        strike_ms=listed[0].close_ms,
        exchange_index=0,
        created_ms=recording.first_ms - _DAY_MS,
        markets=listed,
    )
