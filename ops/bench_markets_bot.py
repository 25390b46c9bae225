"""The bot's process of the markets bench: feed, market actors and OrderDesk, from the socket to the plan.

The actors are the real ones with the real switchboard between them, on a real socket. Around them stand the neighbours
that they cannot do without, as thin as can be: a risk that allows everything, a Ledger without fills, and a Wire that
says yes at once and counts tokens as the exchange's budget would.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs
import trio

from actors.feed import Feed
from actors.market import MarketMaker, MarketParameters
from actors.messages.lifecycle import Heartbeat, Switches
from actors.messages.market import BookView, MarketRules, WantedMarkets
from actors.messages.money import Books, FillTape, MarketCap, PositionView, ReadBooks, RiskView
from actors.messages.orders import (
    OpenGroup,
    OrderList,
    RaiseIncarnation,
    ReadOrders,
    ReadRequest,
    Recovered,
    TargetQuotes,
    WireCommand,
    WireHealth,
    WireOutcome,
    WorkingOrders,
)
from actors.messages.table import CHANNELS
from actors.order_desk import OrderDesk
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.pacer import Pacer
from actors.runtime.seams import Seams, real_seams
from actors.runtime.server_clock import ServerClock
from actors.runtime.switchboard import Outbox, Switchboard
from kalshi.feed_connection import FeedParameters
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.signing import Signer
from kalshi.simulator.exchange import SOCKET_PATH
from kalshi.socket import Socket
from kalshi.socket_transports import TRANSPORTS
from kalshi.types import (
    AmendAck,
    AmendOrder,
    CancelAck,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseAck,
    DecreaseOrder,
    PriceRange,
)
from ops.bench_stream_server import KEY_ID, bench_tickers
from ops.collector import spare_what_is_there
from quant.orders.commands import OutcomeKind
from quant.orders.parameters import DeskParameters, FeedLimits
from quant.positions import Totals
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.decision import QuoteDecision
from quant.quoting.maker import MakerParameters

TRANSPORT: Final = "fast"
# The account's tier is "prime": 4,800 write tokens a second, three seconds of them at most.
WRITE_REFILL_PER_S: Final = 4_800.0
WRITE_CAPACITY: Final = 14_400.0

_NEIGHBOURS_EVERY_S: Final = 0.25
_CENT_GRID: Final = (PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(100)),)
_DAY_MS: Final = 86_400_000
# Two creates a market at ten tokens each, from a full bucket on, and half of the markets are enough to go on.
_QUOTING_WITHIN_S: Final = 20.0
_COST: Final = {CreateOrder: 10.0, AmendOrder: 10.0, CancelOrder: 2.0}


@attrs.define
class Tally:
    """What passed while it counted; latencies in seconds from a published view to the target decided on it."""

    updates: int = 0
    decisions: int = 0
    targets: int = 0
    latencies_s: list[float] = attrs.field(factory=list)

    def clear(self) -> None:
        """Begins anew."""
        self.updates = self.decisions = self.targets = 0
        self.latencies_s.clear()


class _TallyingOutbox(Outbox):
    """An actor's sending end that counts what goes through it."""

    def __init__(self, inner: Outbox, tally: Tally, published_s: dict[str, tuple[int, float]]) -> None:
        super().__init__(inner.actor_name, inner._routes, inner._undelivered)
        self._tally = tally
        self._published_s = published_s

    def publish(self, message: object) -> None:
        super().publish(message)
        if type(message) is BookView:
            self._tally.updates += 1
            self._published_s[message.ticker] = (message.sequence, message.published_at_s)
        elif type(message) is TargetQuotes:
            self._tally.targets += 1
            sequence, at_s = self._published_s.get(message.ticker, (-1, 0.0))
            if sequence == message.sequence:
                self._tally.latencies_s.append(message.decided_at_s - at_s)


@attrs.define(eq=False)
class _CountedMaker(MarketMaker):
    """A market maker whose decisions are counted."""

    tally: Tally = attrs.field(kw_only=True)
    published_s: dict[str, tuple[int, float]] = attrs.field(kw_only=True)

    def _decide(self) -> QuoteDecision:
        self.tally.decisions += 1
        return super()._decide()

    def turn(self, batch: tuple[object, ...]) -> None:
        super().turn(batch)
        self.published_s.pop(self.ticker, None)  # a later target on the same view is not the view's


class Bot:
    """Feed, market actors and desk of so many markets."""

    def __init__(self, url: str, signer: Signer, markets: int) -> None:
        self._url, self._signer = url, signer
        self._tickers = bench_tickers(markets)
        self._seams = real_seams(1)
        self._switchboard = Switchboard(CHANNELS, self._seams.now)
        self._published_s: dict[str, tuple[int, float]] = {}
        self.tally = Tally()
        self._pacer = Pacer(self._seams.now)
        self._started = trio.Event()
        self.wire = _Wire(self._switchboard, self._seams)
        self._desk = OrderDesk(
            self._context("order_desk"),
            DeskParameters(orders_max=4 * markets),
            FeedLimits(),
            ServerClock(now=self._seams.now, wall_ms=self._seams.wall_ms),
            "bench-",
            contracts_limit_e2=10_000_000,
        )

    @property
    def orders(self) -> int:
        """How many orders rest, as the desk sees it."""
        return len(self._desk.orders)

    async def quotes(self, orders: int) -> None:
        """Waits until so many orders rest, or for _QUOTING_WITHIN_S."""
        await self._started.wait()
        for _ in range(round(_QUOTING_WITHIN_S / _NEIGHBOURS_EVERY_S)):
            if self.orders >= orders:
                return
            await trio.sleep(_NEIGHBOURS_EVERY_S)

    async def run(self) -> None:
        """Lives until cancelled."""
        self._switchboard.mailbox("ledger")
        feed = Feed(self._context("feed"), FeedParameters(), self._connect)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.wire.run)
            nursery.start_soon(self._play_ledger)
            self._state_rules()
            nursery.start_soon(self._be_well)
            nursery.start_soon(self._desk.run, self._started.set)
            for ticker in self._tickers:
                nursery.start_soon(self._market(ticker).run, lambda: None)
            nursery.start_soon(feed.run, lambda: None)

    def _context(self, name: str, keys: dict[type, str | None] | None = None) -> ChildContext:
        outbox = self._switchboard.outbox(name)
        return ChildContext(
            name=name,
            incarnation=1,
            mailbox=self._switchboard.mailbox(name, keys=keys),
            outbox=_TallyingOutbox(outbox, self.tally, self._published_s),
            seams=self._seams,
            log=silent_log(name),
        )

    def _market(self, ticker: str) -> MarketMaker:
        keyed: tuple[type, ...] = (BookView, MarketRules, PositionView, WorkingOrders)
        context = self._context(f"market:{ticker}", dict.fromkeys(keyed, ticker))

        sizes = MarketParameters()
        parameters = MakerParameters(
            strategy=AvellanedaStoikovParameters(),
            order_size_e2=sizes.order_size_e2,
            max_position_e2=sizes.max_position_e2,
        )
        return _CountedMaker(
            context, ticker, "bench", parameters, self._pacer, tally=self.tally, published_s=self._published_s
        )

    async def _connect(self, nursery: trio.Nursery) -> Socket:
        headers = list(self._signer.headers("GET", SOCKET_PATH, self._seams.wall_ms()).items())
        return await TRANSPORTS[TRANSPORT](nursery, self._url, headers)

    def _state_rules(self) -> None:
        outbox = self._switchboard.outbox
        self._switchboard.mailbox("order_desk")
        outbox("allocation").publish(WantedMarkets(owner="allocation", tickers=tuple(self._tickers)))
        outbox("outer").publish(Switches())
        for ticker in self._tickers:
            outbox("discovery").publish(
                MarketRules(
                    ticker=ticker,
                    event_ticker="",
                    series_ticker="",
                    category="",
                    title="",
                    is_tradable=True,
                    price_ranges=_CENT_GRID,
                    close_time_ms=self._seams.wall_ms() + _DAY_MS,
                    exchange_index=0,
                    mutually_exclusive=False,
                )
            )

    async def _play_ledger(self) -> None:
        while True:
            for message in await self._switchboard.mailbox("ledger").receive():
                if isinstance(message, ReadBooks):
                    message.reply.put(Books(fills=(), settlements=(), retired=Totals(), last_seq=0, opened=0))

    async def _be_well(self) -> None:
        outbox = self._switchboard.outbox
        limit = CountE2(10_000)
        caps = tuple(
            MarketCap(ticker=ticker, max_long_e2=limit, max_short_e2=limit, reasons=()) for ticker in self._tickers
        )
        while True:
            now_s = self._seams.now()
            for name in ("ledger", "fill_reconciler", "stop_loss"):
                outbox(name).publish(Heartbeat(actor=name, incarnation=1, at_s=now_s))
            outbox("ledger").publish(FillTape(last_seq=0, fills=(), complete_to_ms=self._seams.wall_ms()))
            outbox("portfolio_risk").publish(
                RiskView(
                    lease_until_s=now_s + 5.0,
                    is_halted=False,
                    reasons=(),
                    caps=caps,
                    cash_available_e6=((0, MoneyE6(10**13)),),
                    watermark=0,
                )
            )
            self.wire.say_health()
            await trio.sleep(_NEIGHBOURS_EVERY_S)


class _Wire:
    """Says yes to every command at once, and counts tokens."""

    def __init__(self, switchboard: Switchboard, seams: Seams) -> None:
        self._mailbox = switchboard.mailbox("wire")
        self._outbox = switchboard.outbox("wire")
        self._seams = seams
        self._tokens, self._counted_s = WRITE_CAPACITY, 0.0
        self.commands = 0
        self._taken = 0

    async def run(self) -> None:
        while True:
            for message in await self._mailbox.receive():
                match message:
                    case WireCommand(request=RaiseIncarnation(), reply=reply):
                        reply.put(Recovered(orders=(), groups=()))
                    case WireCommand():
                        self._carry_out(message)
                    case ReadRequest(read=ReadOrders(ticker=ticker), reply=reply):
                        reply.put(OrderList(ticker=ticker, as_of_ms=1, orders=()))
                    case _:
                        pass

    def _carry_out(self, command: WireCommand) -> None:
        self.commands += 1
        self._tokens -= _COST.get(type(command.request), 0.0)
        command.reply.put(
            WireOutcome(
                command_id=command.command_id,
                client_order_id=command.client_order_id,
                kind=OutcomeKind.ACCEPTED,
                request=command.request,
                ack=self._ack(command),
                server_ms=self._seams.wall_ms(),
            )
        )

    def _ack(self, command: WireCommand) -> object:
        request, ts_ms = command.request, self._seams.wall_ms()
        match request:
            case OpenGroup():
                return "group-1"
            case CreateOrder():
                self._taken += 1
                return CreateAck(
                    order_id=f"order-{self._taken}",
                    client_order_id=command.client_order_id,
                    filled_e2=CountE2(0),
                    remaining_e2=request.count_e2,
                    ts_ms=ts_ms,
                )
            case AmendOrder():
                return AmendAck(
                    order_id=request.order_id,
                    remaining_e2=request.total_count_e2,
                    filled_e2=CountE2(0),
                    ts_ms=ts_ms,
                )
            case DecreaseOrder():
                return DecreaseAck(order_id=request.order_id, remaining_e2=request.reduce_to_e2, ts_ms=ts_ms)
            case CancelOrder():
                return CancelAck(order_id=request.order_id, reduced_by_e2=CountE2(0), ts_ms=ts_ms)
            case _:
                return None

    def say_health(self) -> None:
        now_s = self._seams.now()
        refilled = WRITE_REFILL_PER_S * (now_s - self._counted_s) if self._counted_s else 0.0
        self._tokens, self._counted_s = min(WRITE_CAPACITY, self._tokens + refilled), now_s
        self._outbox.publish(
            WireHealth(
                journal_healthy=True,
                clock_sane=True,
                clock_offset_ms=0,
                latch_open=True,
                shut_groups=(),
                write_tokens=self._tokens,
                write_reserve=0.0,
                exits_waiting=0,
                quotes_waiting=0,
                write_refill_per_s=WRITE_REFILL_PER_S,
                read_refill_per_s=WRITE_REFILL_PER_S,
                published_at_s=now_s,
            )
        )


async def measured(bot: Bot, seconds: float) -> dict[str, object]:
    """Returns what the process did in so many seconds, and what that cost it."""
    bot.tally.clear()
    commands = bot.wire.commands
    start, start_cpu, start_waited = time.perf_counter(), time.process_time(), _waited_s()
    await trio.sleep(seconds)
    wall_s, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    tally = bot.tally
    cuts = statistics.quantiles(tally.latencies_s, n=100) if len(tally.latencies_s) > 1 else [0.0] * 99
    return {
        "wall_s": wall_s,
        "cpu_s": cpu_s,
        "waited_s": _waited_s() - start_waited,
        "updates": tally.updates,
        "decisions": tally.decisions,
        "targets": tally.targets,
        "commands": bot.wire.commands - commands,
        "orders": bot.orders,
        "latency_p50_s": cuts[49],
        "latency_p99_s": cuts[98],
    }


def _waited_s() -> float:
    """Returns how long this thread was ready to run and had no core; nothing where the system does not tell."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:
        return 0.0


async def _live(markets: int) -> None:
    async with trio.lowlevel.FdStream(0) as commands, trio.open_nursery() as nursery:
        where = json.loads(await commands.receive_some(65_536))
        signer = Signer(KEY_ID, where["private_key_pem"].encode())
        bot = Bot(f"ws://127.0.0.1:{where['port']}{SOCKET_PATH}", signer, markets)
        nursery.start_soon(bot.run)
        await bot.quotes(markets)
        print(json.dumps({"orders": bot.orders}), flush=True)
        while line := await commands.receive_some(4_096):
            wanted = json.loads(line)
            await trio.sleep(wanted["warm_s"])
            print(json.dumps(await measured(bot, wanted["seconds"])), flush=True)
        nursery.cancel_scope.cancel()


def main(arguments: Sequence[str]) -> None:
    spare_what_is_there()  # as the bot does
    trio.run(_live, int(arguments[0]))


if __name__ == "__main__":
    main(sys.argv[1:])
