"""DiscoveryActor: reads the open events page by page in the background, ranks their markets, and claims the best.

It never blocks trading: its reads have the lowest priority, and its claims are a whole set that replaces the older one.
The
rules of every market that it claims, or has ever claimed, are published with it, for all who need price ranges, shard
and
close time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs

from actors.messages.lifecycle import Heartbeat
from actors.messages.market import (
    Assignments,
    Claim,
    DiscoveryReport,
    EventPage,
    MarketEnded,
    MarketRules,
    ProgramClaims,
    ReadEvents,
)
from actors.messages.money import Record
from actors.runtime.asking import ask_wire
from actors.runtime.supervisor import ChildContext
from kalshi.numbers import ONE_DOLLAR_E4
from kalshi.types import Event, Market, MarketStatus
from quant.selection.discovery import Candidate, DiscoveryOutcome, DiscoveryParameters, rank

PAGES_MAX = 400  # of 200 events: a universe of 80,000 events is past anything listed
RULES_KEPT_MAX = 1_000
CLAIMS_TTL_FACTOR = 6.0  # claims outlive this many missed runs
PROGRAM = "discovery"


@attrs.frozen(kw_only=True)
class DiscoveryTiming:
    """How often discovery runs, in seconds, and the priority of its claims."""

    interval_s: float = 10.0
    priority: int = 10


@attrs.define(eq=False)
class Discovery:
    """The actor; see the module."""

    context: ChildContext
    parameters: DiscoveryParameters
    timing: DiscoveryTiming
    _published: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    _assigned: frozenset[str] = attrs.field(default=frozenset(), init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Runs discovery every interval until cancelled."""
        started()
        now = self.context.seams.now
        while True:
            began_s = now()
            events = await self._read_universe()
            if events is not None:
                await self._work_in(events)
            await self._rest(max(1.0, began_s + self.timing.interval_s - now()))

    async def _rest(self, seconds: float) -> None:
        """Waits for the next run; takes in what comes meanwhile."""
        until_s = self.context.seams.now() + seconds
        while (left_s := until_s - self.context.seams.now()) > 0:
            self.context.outbox.publish(
                Heartbeat(actor="discovery", incarnation=self.context.incarnation, at_s=self.context.seams.now())
            )
            for message in await self.context.mailbox.receive(timeout_s=left_s):
                match message:
                    case Assignments():
                        self._assigned = frozenset(a.ticker for a in message.assignments)
                    case MarketEnded():
                        self._market_ended(message)
                    case _:
                        pass

    def _market_ended(self, ended: MarketEnded) -> None:
        rules = self._published.get(ended.ticker)
        if rules is not None and rules.is_tradable:
            self._publish_rules(attrs.evolve(rules, is_tradable=ended.kind == "activated"))

    async def _read_universe(self) -> tuple[Event, ...] | None:
        events: list[Event] = []
        cursor = ""
        for _ in range(PAGES_MAX):
            page = await ask_wire(self.context, ReadEvents(cursor=cursor))
            if not isinstance(page, EventPage):
                self.context.log.warning(f"discovery could not read the open events: {page}")
                return None
            events += page.events
            if not page.cursor or page.cursor == cursor:
                break
            cursor = page.cursor
        return tuple(events)

    async def _work_in(self, events: tuple[Event, ...]) -> None:
        pairs = [(event, market) for event in events for market in event.markets]
        outcome = rank(
            tuple(_candidate(event, market) for event, market in pairs),
            self.context.seams.wall_ms(),
            self.parameters,
        )
        chosen = set(outcome.selected) | set(self._published) | self._assigned
        for event, market in pairs:
            if market.ticker in chosen:
                self._publish_rules(_rules(event, market))
        self._publish_missing({market.ticker for _, market in pairs})
        self._claim(outcome)
        await self._report(outcome, len(pairs))

    def _publish_rules(self, rules: MarketRules) -> None:
        if self._published.get(rules.ticker) == rules:
            return
        if rules.ticker not in self._published and len(self._published) >= RULES_KEPT_MAX:
            over = (t for t, kept in self._published.items() if not kept.is_tradable and t not in self._assigned)
            if (gone := next(over, None)) is None:
                return
            del self._published[gone]
        self._published[rules.ticker] = rules
        self.context.outbox.publish(rules)

    def _publish_missing(self, seen: set[str]) -> None:
        """A market that is listed as open no more cannot be quoted."""
        for ticker in sorted(self._published.keys() - seen):
            rules = self._published[ticker]
            if rules.is_tradable:
                self._publish_rules(attrs.evolve(rules, is_tradable=False))

    def _claim(self, outcome: DiscoveryOutcome) -> None:
        scores = {verdict.ticker: verdict.score or 0.0 for verdict in outcome.verdicts}
        self.context.outbox.publish(
            ProgramClaims(
                program=PROGRAM,
                priority=self.timing.priority,
                claims=tuple(
                    Claim(ticker=ticker, score=scores[ticker], reasons=("selected by discovery",))
                    for ticker in outcome.selected
                ),
                expires_at_s=self.context.seams.now() + CLAIMS_TTL_FACTOR * self.timing.interval_s,
            )
        )

    async def _report(self, outcome: DiscoveryOutcome, scanned: int) -> None:
        counts = Counter(verdict.reasons[0] for verdict in outcome.verdicts if verdict.reasons)
        report = DiscoveryReport(
            program=PROGRAM,
            scanned=scanned,
            eligible=sum(verdict.score is not None for verdict in outcome.verdicts),
            selected=outcome.selected,
            rejected_by_reason=tuple(counts.most_common(20)),
            at_ms=self.context.seams.wall_ms(),
        )
        self.context.outbox.publish(report)
        self.context.log.info(f"{scanned} markets, {report.eligible} eligible, {len(outcome.selected)} selected")
        values = (
            ("program", PROGRAM),
            ("scanned", scanned),
            ("eligible", report.eligible),
            ("selected", " ".join(outcome.selected)),
            ("rejected", "; ".join(f"{count} {reason}" for reason, count in report.rejected_by_reason)),
            ("at_ms", report.at_ms),
        )
        await self.context.outbox.send(Record(table="discovery_runs", values=values))


def _candidate(event: Event, market: Market) -> Candidate:
    return Candidate(
        ticker=market.ticker,
        event_ticker=event.ticker,
        category=event.category,
        status=market.status,
        market_type=market.market_type,
        open_time_ms=market.open_time_ms,
        close_time_ms=market.close_time_ms,
        yes_bid_e4=market.yes_bid_e4 if market.yes_bid_e4 > 0 else None,
        yes_ask_e4=market.yes_ask_e4 if 0 < market.yes_ask_e4 < ONE_DOLLAR_E4 else None,
        yes_bid_size_e2=market.yes_bid_size_e2,
        yes_ask_size_e2=market.yes_ask_size_e2,
        volume_24h_e2=market.volume_24h_e2,
    )


def _rules(event: Event, market: Market) -> MarketRules:
    return MarketRules(
        ticker=market.ticker,
        event_ticker=event.ticker,
        series_ticker=event.series_ticker,
        category=event.category,
        title=market.title,
        is_tradable=market.status is MarketStatus.ACTIVE,
        price_ranges=market.price_ranges,
        close_time_ms=market.close_time_ms,
        exchange_index=market.exchange_index,
        mutually_exclusive=event.mutually_exclusive,
    )
