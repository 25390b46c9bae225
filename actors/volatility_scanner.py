"""VolatilityScanner: watches the most active markets and says which of them move and come back.

The thinking is `quant.selection.volatility_scan`; this is its shell. It reads the list of open events page by page in
the background, asks the feed for prices and trades of what it watches (whole books only where more than one level is
asked for), and sweeps over them every few seconds.

Rules:
1. It takes in its messages once a tick: two hundred books a hundred times a second are no concern of it. It works in
   steps of some markets and lets others run in between.
2. A market whose book is streamed anyway, because somebody quotes it, is seen by that book less our own orders. Every
   other is seen by its ticker. The two are never merged: the ticker lags. While own orders rest and no book is live
   the market is not seen at all, for its touch may be ourselves.
3. On a live connection a quiet market is as it was. Where the socket is down, or has not spoken of a market yet, its
   prices are read over REST, a hundred in one read.
4. Nothing is kept over a restart: the windows need ten minutes again. The events of an older life are over, and the
   new one says so.
5. Verdicts are recorded when they change, those of watched markets once a minute at most.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final

import attrs
import trio

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import (
    MARKETS_PER_READ,
    BookCondition,
    BookView,
    EventPage,
    FeedHealth,
    MarketEnded,
    MarketsRead,
    ReadEvents,
    ReadMarkets,
    TickerView,
    TradeSeen,
    WantedMarkets,
)
from actors.messages.money import Record
from actors.messages.orders import ReadFailed, WorkingOrders
from actors.messages.volatility import Direction, MarketRegime, ScannerReport, VolatilityEvent
from actors.runtime.asking import post_to_wire
from actors.runtime.supervisor import ChildContext
from actors.runtime.verdict_log import VerdictLog
from kalshi.numbers import CountE2, PriceE4, ask_or_none, bid_or_none
from kalshi.types import Event, Level, Market, MarketStatus
from quant.quoting.own_orders import OwnOrder
from quant.selection import volatility_market, volatility_scan, volatility_tracking
from quant.selection.series import SelectionVerdict
from quant.selection.volatility_market import Touch, WatchedMarket
from quant.selection.volatility_scan import EventSeen, RegimeSeen, Scanner, ScanParameters, Swept
from quant.selection.volatility_tracking import FullScan, Listing

NAME: Final = "volatility_scanner"
TICK_S: Final = 1.0  # the spacing of the signals' samples, and the pace of the pages of a full scan
PAGES_MAX: Final = 400  # of 200 events: a universe of 80,000 events is past anything listed
RETRY_S: Final = 30.0  # after a scan that failed
ANSWER_MAX_S: Final = 30.0  # an answer that has not come by then does not come
PROOF_AGE_MAX_S: Final = 5.0  # of a connection's life, as quoting has it
VERDICTS_EVERY_S: Final = 60.0
DETAIL_EVERY_S: Final = 60.0  # of sweeps in which nothing began or ended; all of them are told at DEBUG
STARTED_ANEW: Final = "the scanner was started anew"
_DIRECTIONS: Final = {1: Direction.UP, -1: Direction.DOWN, 0: Direction.NONE}


@attrs.frozen(kw_only=True)
class ScannerTiming:
    """How often the scanner sweeps and looks for markets, in seconds, and what it may read over REST."""

    refresh_interval_s: float = 3.0
    rediscovery_s: float = 600.0
    rest_reads_per_s_max: float = 2.0


@attrs.define(eq=False)
class VolatilityScanner:
    """The actor; see the module."""

    context: ChildContext
    parameters: ScanParameters
    timing: ScannerTiming
    _scanner: Scanner = attrs.field(factory=Scanner, init=False)
    # The full scan under way, the page it waits for, and when the next one begins.
    _scan: FullScan | None = attrs.field(default=None, init=False)
    _pages: int = attrs.field(default=0, init=False)
    _page_wanted: str | None = attrs.field(default=None, init=False)
    _page_asked_s: float | None = attrs.field(default=None, init=False)
    _next_scan_s: float = attrs.field(default=-math.inf, init=False)
    _listed: int = attrs.field(default=0, init=False)
    # Where a watched market's prices come from.
    _health: FeedHealth | None = attrs.field(default=None, init=False)
    _heard: set[str] = attrs.field(factory=set, init=False)  # of these the feed or a read has told the present touch
    _with_book: set[str] = attrs.field(factory=set, init=False)
    _own: dict[str, tuple[OwnOrder, ...]] = attrs.field(factory=dict, init=False)
    _reads_out: int = attrs.field(default=0, init=False)
    _read_asked_s: float = attrs.field(default=-math.inf, init=False)
    # What was said.
    _sweeps: int = attrs.field(default=0, init=False)
    _reasons: dict[str, tuple[str, ...]] = attrs.field(factory=dict, init=False)
    _log: VerdictLog = attrs.field(init=False)
    _verdicts_due_s: float = attrs.field(default=-math.inf, init=False)
    _detail_due_s: float = attrs.field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self._log = VerdictLog(self.context)

    async def run(self, started: Callable[[], None]) -> None:
        """Scans until cancelled."""
        started()
        now = self.context.seams.now
        next_sweep_s = now()
        while True:
            began_s = now()
            await self._take_in()
            await self._confirm()
            if now() >= next_sweep_s:
                next_sweep_s = now() + self.timing.refresh_interval_s
                await self._sweep()
                await self._read_prices()
            await self._go_on_scanning()
            self.context.outbox.publish(
                Heartbeat(actor=NAME, incarnation=self.context.incarnation, at_s=self.context.seams.now())
            )
            await trio.sleep(max(0.0, began_s + TICK_S - now()))

    async def _take_in(self) -> None:
        batch = await self.context.mailbox.receive(timeout_s=0)
        for start in range(0, len(batch), self.parameters.at_once):
            for message in batch[start : start + self.parameters.at_once]:
                await self._take(message)
            await trio.lowlevel.checkpoint()

    async def _take(self, message: object) -> None:
        match message:
            case TickerView():
                self._take_ticker(message)
            case BookView():
                self._take_book(message)
            case TradeSeen(ticker=ticker):
                self._change(ticker, partial(volatility_market.traded, time_s=self.context.seams.now()))
            case WorkingOrders():
                self._take_own_orders(message)
            case FeedHealth():
                self._take_health(message)
            case MarketEnded(ticker=ticker, kind=kind):
                self._change(ticker, partial(volatility_market.activity_changed, is_active=kind == "activated"))
            case EventPage():
                await self._take_page(message)
            case MarketsRead():
                self._take_prices(message)
            case ReadFailed(read=ReadEvents(), reason=reason):
                self._scan_failed(reason)
            case ReadFailed(read=ReadMarkets(), reason=reason):
                self._reads_out = max(0, self._reads_out - 1)
                self.context.log.warning(f"prices could not be read: {reason}")
            case VolatilityEvent(incarnation=incarnation, is_over=False) if incarnation != self.context.incarnation:
                await self._end_older(message)
            case _:
                pass

    def _change(self, ticker: str, change: Callable[[WatchedMarket], WatchedMarket]) -> None:
        self._scanner = volatility_scan.changed(self._scanner, ticker, change)

    # -- what is seen of watched markets --

    def _take_health(self, health: FeedHealth) -> None:
        before, self._health = self._health, health
        if before is not None and (before.reconnects, before.gaps) != (health.reconnects, health.gaps):
            self._heard.clear()  # changes may have been missed, and tickers speak of changes alone: all is read anew

    def _take_ticker(self, view: TickerView) -> None:
        ticker, bid_size_e2, ask_size_e2 = view.ticker, view.yes_bid_size_e2, view.yes_ask_size_e2
        if (volume_e2 := view.volume_e2) is not None:
            self._change(ticker, partial(volatility_market.volume_seen, volume_e2=volume_e2, time_s=view.heard_at_s))
        if bid_size_e2 is None or ask_size_e2 is None or ticker in self._with_book:
            return
        touch = _touch(view.yes_bid_e4, view.yes_ask_e4, bid_size_e2, ask_size_e2)
        self._see(ticker, touch, view.heard_at_s)

    def _take_book(self, view: BookView) -> None:
        ticker = view.ticker
        if view.condition is not BookCondition.LIVE:
            self._with_book.discard(ticker)
            self._heard.discard(ticker)  # what the ticker said meanwhile was passed over
        elif ticker in self._scanner.markets:
            self._with_book.add(ticker)
            touch = volatility_market.touch_of(view.bids, view.asks, self._own.get(ticker, ()))
            self._see(ticker, touch, view.published_at_s)

    def _take_own_orders(self, working: WorkingOrders) -> None:
        if working.orders:
            self._own[working.ticker] = working.as_own()
        elif self._own.pop(working.ticker, None) is not None:
            self._heard.discard(working.ticker)

    def _see(self, ticker: str, touch: Touch, at_s: float) -> None:
        if ticker not in self._scanner.markets or (ticker in self._own and ticker not in self._with_book):
            return
        self._heard.add(ticker)
        self._change(ticker, partial(volatility_market.seen, touch=touch, time_s=at_s))

    async def _confirm(self) -> None:
        """Sees every market again that is known to be as it was (rule 3)."""
        self._heard = {ticker for ticker in self._heard if self._is_streamed(ticker)}
        markets, now_s, at_once = self._scanner.markets, self.context.seams.now(), self.parameters.at_once
        as_before = [ticker for ticker in markets if ticker in self._heard and _is_due(markets[ticker], now_s)]
        for start in range(0, len(as_before), at_once):
            self._scanner = volatility_scan.seen_again(self._scanner, as_before[start : start + at_once], now_s)
            await trio.lowlevel.checkpoint()

    def _is_streamed(self, ticker: str) -> bool:
        health, now_s = self._health, self.context.seams.now()
        if health is None or not health.connected or ticker in health.silent:
            return False
        return now_s - min(health.proof_at_s, health.published_at_s) <= PROOF_AGE_MAX_S

    async def _read_prices(self) -> None:
        """Reads the prices of which the socket does not tell, as many at once as may be (rule 3)."""
        now_s = self.context.seams.now()
        if self._reads_out and now_s - self._read_asked_s < ANSWER_MAX_S:
            return
        due = [ticker for ticker in self._scanner.markets if ticker not in self._heard and ticker not in self._own]
        due.sort(key=lambda ticker: self._scanner.markets[ticker].observed_at_s or -math.inf)
        reads_max = max(1, int(self.timing.rest_reads_per_s_max * self.timing.refresh_interval_s))
        batches = [due[start : start + MARKETS_PER_READ] for start in range(0, len(due), MARKETS_PER_READ)][:reads_max]
        self._reads_out, self._read_asked_s = len(batches), now_s
        for batch in batches:
            await post_to_wire(self.context, ReadMarkets(tickers=tuple(batch)))

    def _take_prices(self, read: MarketsRead) -> None:
        self._reads_out = max(0, self._reads_out - 1)
        for market in read.markets:
            ticker, is_active = market.ticker, market.status is MarketStatus.ACTIVE
            watched = self._scanner.markets.get(ticker)
            if watched is None or ticker in self._heard:
                continue  # the socket has spoken since, and its word is newer
            if watched.is_active is not is_active:
                self._change(ticker, partial(volatility_market.activity_changed, is_active=is_active))
            self._change(
                ticker,
                partial(volatility_market.volume_seen, volume_e2=market.volume_e2, time_s=read.heard_at_s),
            )
            touch = _touch(market.yes_bid_e4, market.yes_ask_e4, market.yes_bid_size_e2, market.yes_ask_size_e2)
            self._see(ticker, touch, read.heard_at_s)

    # -- sweeps --

    async def _sweep(self) -> None:
        seams, swept = self.context.seams, Swept(scanner=self._scanner)
        for _ in range(volatility_scan.steps(self._scanner, self.parameters)):
            step = volatility_scan.sweep(self._scanner, seams.now(), seams.wall_ms(), self.parameters)
            self._scanner, swept = step.scanner, step.after(swept)
            await trio.lowlevel.checkpoint()
        self._sweeps += 1
        self._reasons |= swept.verdicts
        for regime in swept.regimes:
            self.context.outbox.publish(_regime(regime))
        for event in swept.events:
            self._reasons.pop(event.market.listing.ticker, None)
            await self._say(event)
        self._say_detail(swept)
        self._report()
        if seams.now() >= self._verdicts_due_s:
            self._verdicts_due_s = seams.now() + VERDICTS_EVERY_S
            await self._log.record(NAME, [self._verdict(ticker) for ticker in self._scanner.markets])

    def _say_detail(self, swept: Swept) -> None:
        now_s, log = self.context.seams.now(), self.context.log
        text = f"sweep {self._sweeps}: {swept.detail()}"
        if swept.begun or swept.ended or now_s >= self._detail_due_s:
            self._detail_due_s = now_s + DETAIL_EVERY_S
            log.info(text)
        else:
            log.debug(text)

    async def _say(self, seen: EventSeen) -> None:
        event, listing = seen.event, seen.market.listing
        said = VolatilityEvent(
            ticker=listing.ticker,
            event_id=event.event_id,
            incarnation=self.context.incarnation,
            is_over=seen.ended_because is not None,
            reason=seen.ended_because or event.reason,
            jump_e4=event.jump_e4,
            sigma_dollars_per_sqrt_s=event.sigma_dollars_per_sqrt_s,
            strength=event.strength,
            direction=_DIRECTIONS[event.direction],
            category=listing.category,
            event_ticker=listing.event_ticker,
            close_time_ms=listing.close_time_ms,
            began_at_s=event.began_at_s,
            said_at_s=self.context.seams.now(),
        )
        self.context.outbox.publish(said)
        if seen.is_new or said.is_over:
            await self._record_event(said)

    async def _end_older(self, older: VolatilityEvent) -> None:
        """Tells that an event of an older life of this actor is over (rule 4)."""
        over = attrs.evolve(older, is_over=True, reason=STARTED_ANEW, said_at_s=self.context.seams.now())
        self.context.outbox.publish(over)
        await self._record_event(over)

    async def _record_event(self, event: VolatilityEvent) -> None:
        state = "over" if event.is_over else "begun"
        self.context.log.info(
            f"{event.ticker}: event {event.event_id} {state}: {event.reason} (strength {event.strength:.2f})"
        )
        values = (
            ("event_id", event.event_id),
            ("incarnation", event.incarnation),
            ("ticker", event.ticker),
            ("category", event.category),
            ("state", state),
            ("reason", event.reason),
            ("strength", event.strength),
            ("sigma_dollars_per_sqrt_s", event.sigma_dollars_per_sqrt_s),
            ("jump_e4", event.jump_e4),
            ("direction", event.direction.value),
            ("close_time_ms", event.close_time_ms),
            ("at_ms", self.context.seams.wall_ms()),
        )
        await self.context.outbox.send(Record(table="volatility_events", values=values))

    def _report(self) -> None:
        self.context.outbox.publish(
            ScannerReport(
                listed=self._listed,
                watched=len(self._scanner.markets),
                streamed=len(self._heard),
                events=tuple(self._scanner.events),
                sweeps=self._sweeps,
                at_s=self.context.seams.now(),
            )
        )

    # -- full scans --

    async def _go_on_scanning(self) -> None:
        now_s = self.context.seams.now()
        if self._scan is None:
            if now_s < self._next_scan_s:
                return
            self._scan, self._pages, self._page_wanted = FullScan(), 0, ""
        if self._page_wanted is not None:
            cursor, self._page_wanted, self._page_asked_s = self._page_wanted, None, now_s
            await post_to_wire(self.context, ReadEvents(cursor=cursor))
        elif self._page_asked_s is not None and now_s - self._page_asked_s > ANSWER_MAX_S:
            self._scan_failed("no answer")

    def _scan_failed(self, reason: str) -> None:
        """Keeps what is watched and tries again later."""
        self.context.log.warning(f"the open events could not be read: {reason}")
        self._scan = self._page_wanted = self._page_asked_s = None
        self._next_scan_s = self.context.seams.now() + RETRY_S

    async def _take_page(self, page: EventPage) -> None:
        if self._scan is None:
            return  # it came after it was given up
        listings = [self._listing(event, market) for event in page.events for market in event.markets]
        self._scan, verdicts = volatility_tracking.add_page(
            self._scan, listings, self._scanner.markets.keys(), self.context.seams.wall_ms(), self.parameters.tracking
        )
        self._pages += 1
        await self._log.record(
            NAME,
            [
                SelectionVerdict(ticker=verdict.ticker, is_selected=False, reasons=verdict.reasons)
                for verdict in verdicts
                if verdict.reasons
            ],
        )
        if page.cursor and self._pages < PAGES_MAX:
            self._page_wanted = page.cursor
        else:
            await self._scan_done(self._scan)

    async def _scan_done(self, scan: FullScan) -> None:
        now_s = self.context.seams.now()
        self._scan = self._page_asked_s = None
        self._next_scan_s = now_s + self.timing.rediscovery_s
        self._listed = scan.looked_at
        best = [scored.listing for scored in scan.best]
        self._scanner, ended, unusable = volatility_scan.track(self._scanner, best, now_s, self.parameters)
        for seen in ended:
            await self._say(seen)
        markets = self._scanner.markets
        self._heard.intersection_update(markets)
        self._with_book.intersection_update(markets)
        self._reasons = {ticker: reasons for ticker, reasons in self._reasons.items() if ticker in markets}
        has_books = self.parameters.tracking.levels_min > 1
        self.context.outbox.publish(WantedMarkets(owner=NAME, tickers=tuple(sorted(markets)), has_books=has_books))
        why = ", ".join(f"{count} {reason}" for reason, count in scan.refused)
        self.context.log.info(
            f"full scan: {scan.looked_at} markets, {scan.passed} passed, {len(markets)} watched"
            f"{f', {len(unusable)} without usable prices' if unusable else ''}; refused: {why or 'none'}"
        )

    def _listing(self, event: Event, market: Market) -> Listing:
        watched = self._scanner.markets.get(market.ticker)
        now_s = self.context.seams.now()
        return Listing(
            ticker=market.ticker,
            event_ticker=event.ticker,
            category=event.category,
            status=market.status,
            market_type=market.market_type,
            close_time_ms=market.close_time_ms,
            yes_bid_e4=bid_or_none(market.yes_bid_e4),
            yes_ask_e4=ask_or_none(market.yes_ask_e4),
            yes_bid_size_e2=market.yes_bid_size_e2,
            yes_ask_size_e2=market.yes_ask_size_e2,
            volume_24h_e2=market.volume_24h_e2,
            price_ranges=market.price_ranges,
            last_trade_age_s=None if watched is None else volatility_market.last_trade_age_s(watched, now_s),
        )

    # -- verdicts --

    def _verdict(self, ticker: str) -> SelectionVerdict:
        event = self._scanner.events.get(ticker)
        if event is not None:
            return SelectionVerdict(ticker=ticker, is_selected=True, reasons=(event.reason,))
        reasons = self._reasons.get(ticker, ("nothing was seen of it yet",))
        return SelectionVerdict(ticker=ticker, is_selected=False, reasons=("watched, without an event", *reasons))


def _is_due(market: WatchedMarket, now_s: float) -> bool:
    """Whether the samples lack this second: what has told of itself since the last tick does not."""
    return market.observed_at_s is None or now_s - market.observed_at_s >= TICK_S / 2


def _touch(bid_e4: PriceE4, ask_e4: PriceE4, bid_size_e2: CountE2, ask_size_e2: CountE2) -> Touch:
    bid = None if bid_or_none(bid_e4) is None else Level(price_e4=bid_e4, count_e2=bid_size_e2)
    ask = None if ask_or_none(ask_e4) is None else Level(price_e4=ask_e4, count_e2=ask_size_e2)
    return Touch(bid=bid, ask=ask, levels=1 if bid is not None and ask is not None else 0)


def _regime(seen: RegimeSeen) -> MarketRegime:
    return MarketRegime(
        ticker=seen.market.listing.ticker,
        regime=seen.verdict.regime,
        reason=seen.verdict.reason,
        is_stable=seen.is_stable,
        sigma_dollars_per_sqrt_s=seen.sigma_dollars_per_sqrt_s,
        mid_e4=PriceE4(round(seen.market.mids[-1].mid_e4)),
        last_trade_at_s=seen.market.last_trade_at_s,
        judged_at_s=seen.observed_at_s,
    )
