"""The world around the recorded frames: the stage, the two actors that direct the bot, and the witness.

The bot's tree is the real one but for two children. Discovery would look for markets that the recording does
not have, and allocation would weigh claims that nobody makes; in their places, and under their names, since
the channel table knows senders by name, stand two actors that tell the rules of the present connection's
markets and who may quote them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import attrs

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import Assignment, Assignments, BookView, FeedHealth, MarketRules, WantedMarkets
from actors.messages.orders import PermitView, TargetQuotes
from actors.runtime.child import Actor, ChildContext, ChildSpec
from actors.runtime.mailbox import Mailbox
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import PriceE4
from kalshi.simulator.price_grid import STRUCTURES
from kalshi.types import PriceRange
from ops.life import BuildTree, TreeParts
from ops.replay_books import Bell
from ops.replay_recording import UNKNOWN_CATEGORY, RecordedConnection, Recording
from quant.programs import Program

HEARTBEAT_S = 1.0
PROGRAM = "replay"
STRATEGY = "avellaneda_stoikov"
# The table lets everybody of the kind "snapshot" look on; no market is called so, thus no book wakes the witness.
WITNESS = "snapshot:replay"
NO_MARKET = "(none)"


@attrs.define
class Stage:
    """Which connection of the recording is on, and how far its subscription has grown."""

    recording: Recording
    category: str = UNKNOWN_CATEGORY
    bell: Bell = attrs.field(factory=Bell)
    number: int = 0
    step: int = 0
    version: int = 0

    @property
    def connection(self) -> RecordedConnection | None:
        """The present connection, None when the recording is over."""
        connections = self.recording.connections
        return connections[self.number] if self.number < len(connections) else None

    @property
    def wanted(self) -> tuple[str, ...]:
        """The markets whose books should be subscribed now."""
        return self.connection.steps[self.step] if self.connection is not None else ()

    def grow(self) -> bool:
        """Goes on to the next set of markets of this connection; returns whether it is another one."""
        before = self.wanted
        if self.connection is not None and self.step + 1 < len(self.connection.steps):
            self.step += 1
        self._changed()
        return set(self.wanted) != set(before)

    def next_connection(self) -> None:
        """Goes on to the next connection, or past the last one."""
        self.number, self.step = self.number + 1, 0
        self._changed()

    def _changed(self) -> None:
        self.version += 1
        self.bell.ring()


@attrs.define(eq=False)
class _Director:
    """Says something whenever the stage has changed, and a heartbeat a second."""

    context: ChildContext
    stage: Stage
    say: Callable[[ChildContext, Stage], None]

    async def run(self, started: Callable[[], None]) -> None:
        """Serves until cancelled."""
        started()
        seen = -1
        while True:
            if self.stage.version != seen:
                seen = self.stage.version
                self.say(self.context, self.stage)
            self.context.outbox.publish(
                Heartbeat(
                    actor=self.context.name,
                    incarnation=self.context.incarnation,
                    at_s=self.context.seams.now(),
                )
            )
            await self.stage.bell.wait_until(lambda: self.stage.version != seen, HEARTBEAT_S)  # noqa: B023


def say_rules(context: ChildContext, stage: Stage) -> None:
    """Publishes the rules of all markets so far; only those of the present connection are tradable."""
    for number, connection in enumerate(stage.recording.connections[: stage.number + 1]):
        for ticker in connection.tickers:
            structure = stage.recording.structures[ticker]
            context.outbox.publish(
                market_rules(
                    ticker,
                    structure,
                    connection.close_ms[ticker],
                    is_tradable=number == stage.number,
                    category=stage.category,
                )
            )


def say_wishes(context: ChildContext, stage: Stage) -> None:
    """Publishes who may quote what, and which books are wanted for it."""
    tickers = stage.connection.tickers if stage.connection is not None else ()
    context.outbox.publish(
        Assignments(
            assignments=tuple(Assignment(ticker=ticker, program=PROGRAM, strategy=STRATEGY) for ticker in tickers)
        )
    )
    context.outbox.publish(WantedMarkets(owner="allocation", tickers=stage.wanted))


def market_rules(
    ticker: str, structure: str, close_ms: int, *, is_tradable: bool, category: str = UNKNOWN_CATEGORY
) -> MarketRules:
    """Returns the facts of a recorded market: its name tells event and series, the recording all but the category."""
    return MarketRules(
        ticker=ticker,
        event_ticker=event_of(ticker),
        series_ticker=series_of(ticker),
        category=category,
        title=ticker,
        is_tradable=is_tradable,
        price_ranges=tuple(
            PriceRange(start_e4=PriceE4(part.start_e4), end_e4=PriceE4(part.end_e4), step_e4=PriceE4(part.step_e4))
            for part in STRUCTURES[structure]
        ),
        close_time_ms=close_ms,
        exchange_index=0,
        mutually_exclusive=False,
    )


def series_of(ticker: str) -> str:
    """Returns the series that a market's ticker begins with."""
    return ticker.partition("-")[0]


def event_of(ticker: str) -> str:
    """Returns the event of a market: its ticker without the last part, if that leaves something."""
    return ticker.rpartition("-")[0] or ticker


def replay_tree(build_tree: BuildTree, stage: Stage, recorded_ms: Callable[[], int]) -> BuildTree:
    """Returns the bot's tree with the two directors in it, and every actor on the recording's wall clock."""
    directors = {"discovery": say_rules, "allocation": say_wishes}

    def build(parts: TreeParts) -> tuple[ChildSpec, ...]:
        # Every recorded market belongs to one program, which quotes it as the first of the settings would.
        first = next(iter(parts.settings.programs.values()), Program())
        parts = attrs.evolve(parts, settings=attrs.evolve(parts.settings, programs={PROGRAM: first}))
        return tuple(_on_stage(spec, directors.get(spec.name), stage, recorded_ms) for spec in build_tree(parts))

    return build


def _on_stage(
    spec: ChildSpec, say: Callable[[ChildContext, Stage], None] | None, stage: Stage, recorded_ms: Callable[[], int]
) -> ChildSpec:
    def factory(context: ChildContext) -> Actor:
        context = attrs.evolve(context, seams=attrs.evolve(context.seams, wall_ms=recorded_ms))
        return spec.factory(context) if say is None else _Director(context, stage, say)

    return attrs.evolve(spec, factory=factory)


@attrs.define
class Witness:
    """Sees what the bot decides and reports: quotes, permit, gaps, disconnects."""

    bell: Bell = attrs.field(factory=Bell)
    quotes: int = 0
    targets: dict[str, TargetQuotes] = attrs.field(factory=dict)
    may_quote: bool = False
    permit_reasons: tuple[str, ...] = ()
    gaps: int = 0
    disconnects: int = 0
    _health: FeedHealth | None = None

    def mailbox(self, switchboard: Switchboard) -> Mailbox:
        """Returns the mailbox to read."""
        return switchboard.mailbox(WITNESS, keys={BookView: NO_MARKET})

    async def run(self, mailbox: Mailbox) -> None:
        """Looks on until cancelled."""
        while True:
            for message in await mailbox.receive():
                self._take(message)
            self.bell.ring()

    def _take(self, message: object) -> None:
        match message:
            case TargetQuotes():
                self.targets[message.ticker] = message
                self.quotes += message.bid is not None or message.ask is not None
            case PermitView():
                self.may_quote, self.permit_reasons = message.may_quote, message.reasons
            case FeedHealth():
                self._take_health(message)
            case _:
                pass

    def _take_health(self, health: FeedHealth) -> None:
        # A feed that was restarted counts from zero again.
        before = self._health
        is_same_life = before is not None and health.reconnects >= before.reconnects and health.gaps >= before.gaps
        old_gaps, old_reconnects = (before.gaps, before.reconnects) if is_same_life and before else (0, 0)
        self.gaps += health.gaps - old_gaps
        self.disconnects += health.reconnects - old_reconnects
        self._health = health

    def has_decided(self, tickers: Iterable[str], since_s: float) -> bool:
        """Whether every one of these markets has been thought about since, with its book."""
        return all(
            (target := self.targets.get(ticker)) is not None
            and target.generation >= 0
            and target.decided_at_s >= since_s
            for ticker in tickers
        )

    def wants_quotes(self, tickers: Iterable[str]) -> bool:
        """Whether one of these markets is to be quoted on at least one side."""
        return any(
            target is not None and (target.bid is not None or target.ask is not None)
            for target in map(self.targets.get, tickers)
        )
