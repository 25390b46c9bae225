"""DiscoveryActor: reads the open events page by page in the background, and claims for each program what it selects.

It never blocks trading: its reads have the lowest priority, and its claims are a whole set that replaces the older one.
The
rules of every market that it claims, or has ever claimed, are published with it, for all who need price ranges, shard
and
close time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import attrs

from actors.messages.lifecycle import Heartbeat, Switches
from actors.messages.market import (
    Assignments,
    Claim,
    DiscoveryReport,
    EventPage,
    MarketEnded,
    MarketLiquidity,
    MarketRules,
    ProgramClaims,
    ReadEvents,
)
from actors.messages.money import MarketVerdict, Record, RecordVerdicts
from actors.runtime.asking import ask_wire
from actors.runtime.supervisor import ChildContext
from kalshi.numbers import ONE_DOLLAR_E4
from kalshi.types import Event, Market, MarketStatus
from quant.market_configuration import LiquidityFacts
from quant.programs import Listed, Program, ProgramSelection, select
from quant.selection.discovery import Candidate, DiscoveryParameters
from quant.selection.series import ListedMarket, SelectionVerdict

VERDICTS_KEPT_MAX = 200_000  # over all programs: what is past it is said again at every run
VERDICTS_AT_ONCE = 500
PAGES_MAX = 400  # of 200 events: a universe of 80,000 events is past anything listed
RULES_KEPT_MAX = 1_000
CLAIMS_TTL_FACTOR = 6.0  # claims outlive this many missed runs


@attrs.frozen(kw_only=True)
class DiscoveryTiming:
    """How often discovery runs, in seconds."""

    interval_s: float = 10.0


@attrs.define(eq=False)
class Discovery:
    """The actor; see the module."""

    context: ChildContext
    parameters: DiscoveryParameters
    timing: DiscoveryTiming
    programs: Mapping[str, Program]
    _published: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    _assigned: frozenset[str] = attrs.field(default=frozenset(), init=False)
    _claiming: set[str] = attrs.field(factory=set, init=False)
    _switches: Switches = attrs.field(factory=Switches, init=False)
    _verdicts: dict[tuple[str, str], SelectionVerdict] = attrs.field(factory=dict, init=False)

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
        """Waits for the next run, at once after a program was switched; takes in what comes meanwhile."""
        until_s, programs = self.context.seams.now() + seconds, self._switches.programs
        while (left_s := until_s - self.context.seams.now()) > 0 and self._switches.programs == programs:
            self.context.outbox.publish(
                Heartbeat(actor="discovery", incarnation=self.context.incarnation, at_s=self.context.seams.now())
            )
            for message in await self.context.mailbox.receive(timeout_s=left_s):
                match message:
                    case Assignments():
                        self._assigned = frozenset(a.ticker for a in message.assignments)
                    case MarketEnded():
                        self._market_ended(message)
                    case Switches():
                        self._switches = message
                        self._give_up_what_is_off()
                    case _:
                        pass

    def _is_on(self, name: str) -> bool:
        return self._switches.is_enabled(name, self.programs[name].is_enabled)

    def _give_up_what_is_off(self) -> None:
        for name in self.programs:
            if name in self._claiming and not self._is_on(name):
                self._claim(name, ProgramSelection(wanted=(), eligible=0, verdicts=()))
                self._claiming.discard(name)

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
        listed = tuple(
            Listed(market=_listed(event, market), candidate=_candidate(event, market)) for event, market in pairs
        )
        now_ms = self.context.seams.wall_ms()
        selections = {
            name: select(program, listed, now_ms, self.parameters)
            for name, program in self.programs.items()
            if self._is_on(name)
        }
        chosen = {ticker for selection in selections.values() for ticker, _ in selection.wanted}
        chosen |= self._published.keys() | self._assigned
        for event, market in pairs:
            if market.ticker in chosen:
                self._publish_rules(_rules(event, market))
                self.context.outbox.publish(_liquidity(market))
        self._publish_missing({market.ticker for _, market in pairs})
        for name, selection in selections.items():
            if not self._is_on(name):
                continue  # switched off while the others were recorded
            self._claiming.add(name)
            self._claim(name, selection)
            await self._report(name, selection, len(pairs))
            await self._record_verdicts(name, selection)

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

    def _claim(self, name: str, selection: ProgramSelection) -> None:
        program = self.programs[name]
        self.context.outbox.publish(
            ProgramClaims(
                program=name,
                priority=program.priority,
                claims=tuple(
                    Claim(ticker=ticker, score=score, reasons=(f"selected by {name}",))
                    for ticker, score in selection.wanted
                ),
                expires_at_s=self.context.seams.now() + CLAIMS_TTL_FACTOR * self.timing.interval_s,
            )
        )

    async def _report(self, name: str, selection: ProgramSelection, scanned: int) -> None:
        refused = [verdict for verdict in selection.verdicts if not verdict.is_selected]
        counts = Counter(verdict.reasons[0] for verdict in refused if verdict.reasons)
        report = DiscoveryReport(
            program=name,
            scanned=scanned,
            eligible=selection.eligible,
            selected=tuple(ticker for ticker, _ in selection.wanted),
            rejected_by_reason=tuple(counts.most_common(20)),
            at_ms=self.context.seams.wall_ms(),
        )
        self.context.outbox.publish(report)
        self.context.log.info(f"{name}: {scanned} markets, {report.eligible} eligible, {len(report.selected)} selected")
        values = (
            ("program", name),
            ("scanned", scanned),
            ("eligible", report.eligible),
            ("selected", " ".join(report.selected)),
            ("rejected", "; ".join(f"{count} {reason}" for reason, count in report.rejected_by_reason)),
            ("at_ms", report.at_ms),
        )
        await self.context.outbox.send(Record(table="discovery_runs", values=values))

    async def _record_verdicts(self, name: str, selection: ProgramSelection) -> None:
        """Records what is new: a verdict stands until the next one of the same market."""
        new = []
        for verdict in selection.verdicts:
            key = (name, verdict.ticker)
            if self._verdicts.get(key) != verdict:
                new.append(
                    MarketVerdict(ticker=verdict.ticker, is_selected=verdict.is_selected, reasons=verdict.reasons)
                )
                if key in self._verdicts or len(self._verdicts) < VERDICTS_KEPT_MAX:
                    self._verdicts[key] = verdict
        at_ms = self.context.seams.wall_ms()
        for start in range(0, len(new), VERDICTS_AT_ONCE):
            batch = tuple(new[start : start + VERDICTS_AT_ONCE])
            await self.context.outbox.send(RecordVerdicts(program=name, verdicts=batch, at_ms=at_ms))


def _listed(event: Event, market: Market) -> ListedMarket:
    return ListedMarket(
        ticker=market.ticker,
        event_ticker=event.ticker,
        series_ticker=event.series_ticker,
        status=market.status,
        close_time_ms=market.close_time_ms,
        volume_e2=market.volume_24h_e2,
    )


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


def _liquidity(market: Market) -> MarketLiquidity:
    facts = LiquidityFacts(
        bid_e4=market.yes_bid_e4 if market.yes_bid_e4 > 0 else None,
        ask_e4=market.yes_ask_e4 if 0 < market.yes_ask_e4 < ONE_DOLLAR_E4 else None,
        bid_size_e2=market.yes_bid_size_e2,
        ask_size_e2=market.yes_ask_size_e2,
        volume_24h_e2=market.volume_24h_e2,
    )
    return MarketLiquidity(ticker=market.ticker, facts=facts)


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
