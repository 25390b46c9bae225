"""DiscoveryActor: reads the open events page by page in the background, and claims for each program what it selects.

1. It never blocks trading. Its reads have the lowest priority and a pace; between two pages, and between two slices of
   markets that it judges, others run.
2. A page is judged when it comes, and what is refused is forgotten (quant.scanning). Claims are a whole set that
   replaces the older one; they outlive some missed runs, and no more.
3. The rules of every market that it claims, or has ever claimed, are published with it, for all who need price ranges,
   shard and close time; the reward programs of what is claimed as well.
4. Our own fills are followed to the price ten seconds later, and realised PnL by market. Where they lost, no program
   gets the market for a while (quant.selection.toxicity). What was learned is stored with the Ledger at once, so that a
   restart neither forgives nor condemns.
5. Tapes and books are read after the claims, for the leading markets only, and fees for those that are claimed: what
   is not known yet refuses nothing, and is known at the next run.
6. Where we rest in a market with a reward program, its shadow accrues (actors.runtime.reward_watch).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import attrs
import trio

from actors.messages.lifecycle import Heartbeat, Switches
from actors.messages.market import (
    Assignments,
    BookView,
    Claim,
    EventPage,
    MarketEnded,
    MarketRules,
    ProgramClaims,
    ProgramTerms,
    ReadEvents,
    TickerView,
)
from actors.messages.money import FillTape, PositionView
from actors.messages.orders import WorkingOrders
from actors.messages.selection import KeepLearned, ReadLearned
from actors.runtime.asking import ask_until_answered
from actors.runtime.listing_views import liquidity_of, listed, rules_of
from actors.runtime.paced_reader import PacedReader
from actors.runtime.reward_watch import RewardWatch
from actors.runtime.selection_facts import FactsParameters, SelectionFacts
from actors.runtime.series_fees import MarketFees, SeriesFees
from actors.runtime.stepwise import stepwise
from actors.runtime.supervisor import ChildContext
from actors.runtime.verdict_log import VerdictLog
from kalshi.numbers import ONE_DOLLAR_E4, MoneyE6
from kalshi.types import Event, Market
from quant.programs import Program, ProgramSelection, SelectionKind
from quant.quoting.strategies import StrategyName
from quant.scanning import Scan
from quant.selection.discovery import DiscoveryParameters
from quant.selection.experience import HORIZON_S, Learned, OwnFills
from quant.selection.series import SelectionVerdict
from quant.selection.toxicity import adverse_selection_per_contract, block_reason
from quant.signals.markouts import MarkedFill
from quant.steps import slices

PAGES_MAX: Final = 800  # of 100 events: a universe of 80,000 events is past anything listed
RULES_KEPT_MAX: Final = 1_000
CLAIMS_TTL_FACTOR: Final = 6.0  # claims outlive this many missed runs
JUDGED_AT_ONCE: Final = 50  # markets, some two milliseconds
LISTEN_EVERY_S: Final = 1.0  # prices for markouts come quietly: somebody has to look


@attrs.frozen(kw_only=True)
class DiscoveryTiming:
    """How often discovery runs, in seconds."""

    interval_s: float = 10.0


@attrs.define(eq=False)
class _Run:
    """One reading of the universe: a scan per program that is on, and the rules of what they keep."""

    scans: Mapping[str, Scan]
    began_s: float
    found: dict[str, tuple[Event, Market]] = attrs.field(factory=dict)  # what may still be selected, as it was listed
    seen: set[str] = attrs.field(factory=set)  # of those whose rules are published
    scanned: int = 0
    refused: dict[str, Counter[str]] = attrs.field(factory=dict)

    def count(self, name: str, verdict: SelectionVerdict) -> None:
        if not verdict.is_selected and verdict.reasons:
            self.refused.setdefault(name, Counter())[verdict.reasons[0]] += 1


@attrs.define(eq=False)
class Discovery:
    """The actor; see the module."""

    context: ChildContext
    parameters: DiscoveryParameters
    timing: DiscoveryTiming
    programs: Mapping[str, Program]
    facts_parameters: FactsParameters = attrs.field(factory=FactsParameters)
    _reader: PacedReader = attrs.field(init=False)
    _facts: SelectionFacts = attrs.field(init=False)
    _fees: SeriesFees = attrs.field(init=False)
    _fills: OwnFills = attrs.field(init=False)
    _log: VerdictLog = attrs.field(init=False)
    _rewards: RewardWatch = attrs.field(factory=RewardWatch, init=False)
    _published: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    _terms: dict[str, ProgramTerms] = attrs.field(factory=dict, init=False)
    _assigned: frozenset[str] = attrs.field(default=frozenset(), init=False)
    _held: set[str] = attrs.field(factory=set, init=False)
    _leading: frozenset[str] = attrs.field(default=frozenset(), init=False)
    _claiming: set[str] = attrs.field(factory=set, init=False)
    _switches: Switches = attrs.field(factory=Switches, init=False)
    _fill_seq: int = attrs.field(default=0, init=False)
    _last_run_s: float = attrs.field(default=0.0, init=False)

    def __attrs_post_init__(self) -> None:
        parameters = self.facts_parameters
        self._reader = PacedReader(self.context, parameters.read_every_s, self._listen)
        self._facts = SelectionFacts(parameters, self.parameters.recent_window_s, self._reader, self.context.seams)
        self._fees = SeriesFees(parameters.fees, self._reader, self.context.seams)
        self._fills = OwnFills(parameters.toxicity)
        self._log = VerdictLog(self.context)

    async def run(self, started: Callable[[], None]) -> None:
        """Runs discovery every interval until cancelled."""
        started()
        stored = await ask_until_answered(self.context, lambda slot: ReadLearned(reply=slot))
        assert isinstance(stored, Learned)
        self._fills.restore(stored)
        while True:
            began_s, programs = self.context.seams.now(), self._switches.programs
            leading = await self._run_once(began_s)
            if leading is not None:
                await self._facts.read_tapes(leading)
            next_s = max(self.context.seams.now() + 1.0, began_s + self.timing.interval_s)
            # Reads have a pace, and the next run begins with one.
            last_read_s = next_s - self.facts_parameters.read_every_s
            await self._fees.read(self._traded_series(), partial(self._may_wait, last_read_s, programs))
            await self._rest(next_s, programs)

    # What others say.

    def _may_wait(self, until_s: float, programs: tuple[tuple[str, bool], ...]) -> bool:
        """Says whether the next run is not due yet; after a program was switched it is at once."""
        return self.context.seams.now() < until_s and self._switches.programs == programs

    async def _rest(self, until_s: float, programs: tuple[tuple[str, bool], ...]) -> None:
        """Waits for the next run; takes in what comes meanwhile."""
        while self._may_wait(until_s, programs):
            await self._listen_once(min(until_s - self.context.seams.now(), LISTEN_EVERY_S))

    async def _listen(self, seconds: float) -> None:
        """Takes in what comes for so long; at once what has come where it is no time at all."""
        until_s = self.context.seams.now() + seconds
        await self._listen_once(min(seconds, LISTEN_EVERY_S))
        while (left_s := until_s - self.context.seams.now()) > 0:
            await self._listen_once(min(left_s, LISTEN_EVERY_S))

    async def _listen_once(self, timeout_s: float) -> None:
        now_s = self.context.seams.now()
        self.context.outbox.publish(Heartbeat(actor="discovery", incarnation=self.context.incarnation, at_s=now_s))
        batch = await self.context.mailbox.receive(timeout_s=timeout_s)
        for message in sorted(batch, key=lambda one: not isinstance(one, TickerView)):  # prices before what they price
            self._take_in(message)
        learned = self._fills.settle(self.context.seams.now(), self.context.seams.wall_ms())
        if learned:
            await self.context.outbox.send(KeepLearned(learned=learned))
        now_s, now_ms = self.context.seams.now(), self.context.seams.wall_ms()
        for row in self._rewards.look(self._facts.programs, self._facts.own, now_s, now_ms):
            await self.context.outbox.send(row)

    def _take_in(self, message: object) -> None:
        match message:
            case Assignments():
                self._assigned = frozenset(a.ticker for a in message.assignments)
            case MarketEnded():
                self._market_ended(message)
            case Switches():
                self._switches = message
                self._give_up_what_is_off()
            case WorkingOrders():
                self._facts.working_orders(message)
            case TickerView(yes_bid_e4=bid_e4, yes_ask_e4=ask_e4) if 0 < bid_e4 < ask_e4 < ONE_DOLLAR_E4:
                self._fills.mid_seen(message.ticker, message.heard_at_s, (bid_e4 + ask_e4) / 2 / ONE_DOLLAR_E4)
            case BookView():
                self._rewards.book_seen(message)
            case FillTape():
                self._take_fills(message)
            case PositionView(ticker=ticker):
                (self._held.add if message.position_e2 else self._held.discard)(ticker)
                net_e6 = MoneyE6(message.realised_e6 - message.fees_e6)
                self._fills.realised(ticker, self._series_of(ticker), net_e6, self.context.seams.wall_ms())
            case _:
                pass

    def _take_fills(self, tape: FillTape) -> None:
        now_s, now_ms = self.context.seams.now(), self.context.seams.wall_ms()
        for numbered in tape.fills:
            fill, age_s = numbered.fill, max(0.0, (now_ms - numbered.fill.ts_ms) / 1000)
            if numbered.fill_seq <= self._fill_seq or age_s > HORIZON_S:
                continue
            marked = MarkedFill(time_s=now_s - age_s, side=fill.side, price_e4=fill.price_e4, count_e2=fill.count_e2)
            self._fills.filled(fill.ticker, self._series_of(fill.ticker), marked)
        self._fill_seq = max(self._fill_seq, tape.last_seq)

    def _series_of(self, ticker: str) -> str:
        rules = self._published.get(ticker)
        return ticker.partition("-")[0] if rules is None else rules.series_ticker

    def _traded_series(self) -> tuple[str, ...]:
        """The series of what is quoted or held, and of everything else whose rules were published."""
        first = [t for t in self._published if t in self._assigned or t in self._held]
        return tuple(dict.fromkeys(self._published[ticker].series_ticker for ticker in (*first, *self._published)))

    def _is_on(self, name: str) -> bool:
        return self._switches.is_enabled(name, self.programs[name].is_enabled)

    def _give_up_what_is_off(self) -> None:
        for name in self.programs:
            if name in self._claiming and not self._is_on(name):
                self._claim(name, ())
                self._claiming.discard(name)

    def _market_ended(self, ended: MarketEnded) -> None:
        rules = self._published.get(ended.ticker)
        if rules is not None and rules.is_tradable:
            self._publish_rules(attrs.evolve(rules, is_tradable=ended.kind == "activated"))

    # One run.

    async def _run_once(self, began_s: float) -> tuple[str, ...] | None:
        """Reads and judges everything, and claims; returns the leading markets, or None where the reading failed."""
        on = {name: program for name, program in self.programs.items() if self._is_on(name)}
        if any(_needs_terms(program) for program in on.values()):
            await self._facts.read_programs()
        run = _Run({name: Scan(program, self.parameters) for name, program in on.items()}, began_s)
        cursor = ""
        for _ in range(PAGES_MAX):
            page = await self._reader.read(ReadEvents(cursor=cursor), EventPage)
            if page is None:
                return None
            await self._take_page(run, page)
            if not page.cursor or page.cursor == cursor:
                break
            cursor = page.cursor
        self._publish_missing(run.seen)
        return await self._decide(run)

    async def _take_page(self, run: _Run, page: EventPage) -> None:
        """Judges the markets of one page, slice by slice."""
        pairs = [(event, market) for event in page.events for market in event.markets]
        settled: dict[str, list[SelectionVerdict]] = {name: [] for name in run.scans}
        now_ms = self.context.seams.wall_ms()
        for part in slices(pairs, JUDGED_AT_ONCE):
            for event, market in part:
                self._take_market(run, event, market, now_ms, settled)
            await trio.lowlevel.checkpoint()
        run.scanned += len(pairs)
        for name, verdicts in settled.items():
            await self._log.record(name, verdicts)

    def _take_market(
        self, run: _Run, event: Event, market: Market, now_ms: int, settled: dict[str, list[SelectionVerdict]]
    ) -> None:
        ticker, memory, facts = market.ticker, self._fills.memory, self._facts
        fees = self._fees.of(event, market, now_ms)
        if ticker in self._leading:
            facts.watch(market)
        each = listed(
            event,
            market,
            block_reason=block_reason(memory, ticker, event.series_ticker, now_ms),
            held_back=(*facts.refusals(market, now_ms), *fees.refusals),
            activity=facts.tape(ticker),
            programs=facts.programs.get(ticker, ()),
            adverse_selection_per_contract=adverse_selection_per_contract(
                memory, ticker, now_ms, self.facts_parameters.toxicity
            ),
        )
        for name, scan in run.scans.items():
            if (verdict := scan.take(each, now_ms)) is not None:
                settled[name].append(verdict)
                run.count(name, verdict)
        # What is held needs rules as well, whoever bought it: without them no cap and no stop loss works there.
        if ticker in self._published or ticker in self._assigned or ticker in self._held:
            run.seen.add(ticker)
            self._publish_market(event, market, fees)
        elif any(scan.keeps(ticker) for scan in run.scans.values()):
            run.found[ticker] = (event, market)

    async def _decide(self, run: _Run) -> tuple[str, ...]:
        """Selects of what was kept and claims it; returns the leading markets of all programs."""
        leading: list[str] = []
        selections: dict[str, ProgramSelection] = {}
        for name, scan in run.scans.items():
            wanted = await stepwise(scan.books_wanted(self.context.seams.wall_ms()))
            for ticker, book in (await self._facts.read_books(wanted)).items():
                scan.give_book(ticker, book)
            selections[name] = await stepwise(scan.end(self.context.seams.wall_ms()))
            leading += selections[name].leading
        self._last_run_s = self.context.seams.now() - run.began_s
        claimed: set[str] = set()
        for name, selection in selections.items():
            if not self._is_on(name):
                continue  # switched off meanwhile
            claimed.update(ticker for ticker, _ in selection.wanted)
            for ticker, _ in selection.wanted:
                if ticker in run.found:
                    event, market = run.found[ticker]
                    self._publish_market(event, market, self._fees.of(event, market, self.context.seams.wall_ms()))
            self._claiming.add(name)
            self._claim(name, selection.wanted)
        self._publish_terms(claimed)
        for name, selection in selections.items():
            for part in slices(selection.verdicts):
                for verdict in part:
                    run.count(name, verdict)
                await trio.lowlevel.checkpoint()
            refused = run.refused.get(name, Counter())
            await self._log.report(name, run.scanned, selection, refused, self._rewards.ledger)
            await self._log.record(name, selection.verdicts)
        self._leading = frozenset(leading)
        return tuple(dict.fromkeys(leading))

    # What it says.

    def _publish_market(self, event: Event, market: Market, fees: MarketFees) -> None:
        self._publish_rules(rules_of(event, market, fees))
        self.context.outbox.publish(liquidity_of(market))

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

    def _publish_terms(self, wanted: set[str]) -> None:
        """Says the reward programs of what is claimed or quoted, and of whom they were said before, again with the
        newest list.
        """
        for ticker in sorted((wanted | self._assigned) & self._facts.programs.keys() | self._terms.keys()):
            terms = ProgramTerms(
                ticker=ticker,
                programs=self._facts.programs.get(ticker, ()),
                heard_at_s=self._facts.programs_at_s,
            )
            if self._terms.get(ticker) != terms:
                self._terms[ticker] = terms
                self.context.outbox.publish(terms)
            if not terms.programs and ticker not in wanted:
                del self._terms[ticker]

    def _claim(self, name: str, wanted: tuple[tuple[str, float], ...]) -> None:
        between_s = self.timing.interval_s + self._last_run_s
        self.context.outbox.publish(
            ProgramClaims(
                program=name,
                priority=self.programs[name].priority,
                claims=tuple(
                    Claim(ticker=ticker, score=score, reasons=(f"selected by {name}",)) for ticker, score in wanted
                ),
                expires_at_s=self.context.seams.now() + CLAIMS_TTL_FACTOR * between_s,
            )
        )


def _needs_terms(program: Program) -> bool:
    """Whether its selection or its strategy is made of reward programs."""
    return program.selection is SelectionKind.INCENTIVES or program.strategy is StrategyName.INCENTIVE
