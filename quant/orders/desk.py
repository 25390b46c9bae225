"""The desk's mind: what is wanted, what is known, what works, and the commands that follow.

A state machine without I/O: the actor feeds it facts and asks for a plan. It owns the plan and nothing else:
positions are sums of numbered fills, caps are risk's word, books are the feed's word, orders are what the
exchange and the journal say.

Rules:
1. Only the newest target of a market counts; a market without one, halted, without rules or claimed for an
   exit wants nothing, and so does one whose two sides would trade with each other.
2. A target counts only on the book generation that it was decided on: a reconnect voids it.
3. One owner a side: while an exit claim stands, the market's own targets are masked (I25). Of two claimants the
   stop loss has the exit; another one gets it when nobody has, and releases only what is its own.
4. Nothing is forgotten: an order leaves the table only when the numbered fills are complete past its end
   (I2, I8).
5. A plan is made command by command, each on the table with the one before in it, so that two sides never
   spend the same cash. What must never leave is asserted once more when it is sent (I7, I8, I10, I25, I29).
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import AmendOrder, CreateOrder, Fill, Order, PriceRange, Side, TimeInForce
from quant.fills import NumberedFill
from quant.invariants import check
from quant.orders.commands import CommandClass, CommandOutcome, OutcomeKind, PlannedCommand
from quant.orders.exits import ExitContext, ExitPlan, plan_exit
from quant.orders.parameters import DeskParameters
from quant.orders.permit import Permit
from quant.orders.planner import SideContext, Wanted, lease_seconds, plan_side, withdraw
from quant.orders.rounds import wakes_at_s
from quant.orders.table import ListVerdict, OrderTable
from quant.orders.tracked import TrackedOrder

STOP_LOSS = "stop_loss"  # who claims exits before all others


@attrs.frozen(kw_only=True)
class MarketFacts:
    """What never changes while a market is quoted, or changes rarely."""

    exchange_index: int
    grid: PriceGrid
    is_tradable: bool


@attrs.frozen(kw_only=True)
class Target:
    bid: Wanted | None
    ask: Wanted | None
    generation: int
    incarnation: int = 0  # of the actor that decided
    position_max_e2: CountE2 | None = None  # its owner's own limit on the position, either way

    def side(self, side: Side) -> Wanted | None:
        return self.bid if side is Side.BID else self.ask

    @property
    def crosses_itself(self) -> bool:
        return self.bid is not None and self.ask is not None and self.bid.price_e4 >= self.ask.price_e4


@attrs.frozen(kw_only=True)
class BookTop:
    best_bid_e4: PriceE4 | None
    best_ask_e4: PriceE4 | None
    is_live: bool
    generation: int


@attrs.frozen(kw_only=True)
class Claim:
    """An exit that the stop loss wants, or another claimant."""

    claim_id: str
    side: Side
    count_e2: CountE2
    limit_e4: PriceE4
    renewed_at_s: float
    masked_since_s: float
    claimant: str = STOP_LOSS
    loss_e6: MoneyE6 = MoneyE6(0)  # what is lost by now: who loses most is let out first


CLAIM_TTL_S = 30.0
_NO_BOOK = BookTop(best_bid_e4=None, best_ask_e4=None, is_live=False, generation=-1)


@attrs.define
class MarketDesk:
    """What the desk knows of one market."""

    facts: MarketFacts | None = None
    target: Target | None = None
    book: BookTop = _NO_BOOK
    claim: Claim | None = None
    exit_attempts: int = 0
    exit_sent_s: float | None = None
    paused: bool = False
    silent: bool = False  # its actor gives no sign of life: what it wished for is nobody's wish any more
    closed_sides: frozenset[Side] = frozenset()  # where risk allows nothing at all
    pulling: bool = False  # its actor crashed: what rests goes first, whatever the next one wants
    max_long_e2: CountE2 = CountE2(0)
    max_short_e2: CountE2 = CountE2(0)
    position_e2: CountE2 = CountE2(0)
    filled_e2: dict[Side, int] = attrs.field(factory=lambda: dict.fromkeys(Side, 0))  # by all numbered fills, ever
    cooling_until_s: dict[Side, float] = attrs.field(factory=dict)
    is_cooling: bool = False  # its last plan lacked a command because of that
    reasons: tuple[str, ...] = ()

    def cap_e2(self, side: Side) -> CountE2:
        """How far the position may go in this side's direction (positive): by risk, and by the owner's own limit.

        The owner sizes by the position that it has heard of; orders that have ended, whose fills are not booked yet,
        only the desk counts.
        """
        by_risk_e2 = self.max_long_e2 if side is Side.BID else self.max_short_e2
        own_e2 = None if self.target is None else self.target.position_max_e2
        return by_risk_e2 if own_e2 is None else min(by_risk_e2, own_e2)

    def may_fill_e2(self, side: Side) -> int | None:
        """How much more may be filled on a side by its target's own bound; None where it has none."""
        wanted = None if self.target is None else self.target.side(side)
        if wanted is None or wanted.filled_max_e2 is None:
            return None
        return wanted.filled_max_e2 - self.filled_e2[side]


class Desk:
    """See the module."""

    def __init__(
        self, *, prefix: str, parameters: DeskParameters, contracts_limit_e2: CountE2, first_serial: int
    ) -> None:
        self.parameters = parameters
        self.table = OrderTable(prefix)
        self.groups: dict[int, str] = {}  # the present group of each shard
        self.contracts_limit_e2 = contracts_limit_e2
        self._prefix = prefix
        self._serial = first_serial
        self._markets: dict[str, MarketDesk] = {}
        self._cash_e6: dict[int, MoneyE6] = {}
        self._write_refill_per_s = 100.0
        self._foreign_tickers: frozenset[str] = frozenset()
        self._paused: frozenset[str] = frozenset()
        self.watermark = 0

    # -- facts in --

    def market(self, ticker: str) -> MarketDesk:
        """Returns the desk's notes on a market, made at the first mention."""
        market = self._markets.get(ticker)
        if market is None:
            market = self._markets[ticker] = MarketDesk(paused=ticker in self._paused)
        return market

    def tickers(self) -> list[str]:
        return list(self._markets)

    def set_facts(self, ticker: str, exchange_index: int, ranges: tuple[PriceRange, ...], is_tradable: bool) -> None:
        """The market's rules, from discovery."""
        grid = PriceGrid(ranges)
        self.market(ticker).facts = MarketFacts(exchange_index=exchange_index, grid=grid, is_tradable=is_tradable)

    def set_target(self, ticker: str, target: Target | None) -> None:
        """What the MarketActor wants; None when it wants nothing or is gone (rule 1)."""
        self.market(ticker).target = target

    def pull(self, ticker: str) -> None:
        """The market's actor is gone: its quotes leave before a successor's wishes count."""
        self.market(ticker).pulling = True

    def set_book(self, ticker: str, book: BookTop) -> bool:
        """Takes in the top of a book; returns whether a plan may change by it.

        Prices alone matter where a plan looked at them and sent nothing because of them, which is then one of its
        reasons, and to an exit. What rests as wanted stays, wherever the touch goes: the next target moves it.
        """
        market = self.market(ticker)
        before, market.book = market.book, book
        if before.is_live is not book.is_live or before.generation != book.generation:
            return True
        return before != book and (market.claim is not None or bool(market.reasons))

    def set_caps(self, caps: Iterable[tuple[str, CountE2, CountE2]], cash_e6: Iterable[tuple[int, MoneyE6]]) -> None:
        """Risk's word, whole: a market that is not named may hold nothing more."""
        for market in self._markets.values():
            market.max_long_e2 = market.max_short_e2 = CountE2(0)
        for ticker, max_long_e2, max_short_e2 in caps:
            market = self.market(ticker)
            market.max_long_e2, market.max_short_e2 = max_long_e2, max_short_e2
        self._cash_e6 = dict(cash_e6)

    def set_closed_sides(self, closed: Iterable[tuple[str, Side]]) -> None:
        """Risk's word, whole: on these sides nothing may rest, not even what would reduce."""
        sides: dict[str, set[Side]] = {}
        for ticker, side in closed:
            sides.setdefault(ticker, set()).add(side)
        for ticker in {*self._markets, *sides}:
            self.market(ticker).closed_sides = frozenset(sides.get(ticker, ()))

    def set_paused(self, paused: frozenset[str]) -> list[str]:
        """A person's word, whole: in these markets nothing is wanted. Returns those for which that has changed."""
        self._paused = paused
        changed = [ticker for ticker, market in self._markets.items() if market.paused is not (ticker in paused)]
        for ticker in changed:
            self._markets[ticker].paused = ticker in paused
        return changed

    def set_silent(self, silent: Container[str]) -> list[str]:
        """Whose actors are silent, whole; returns the markets for which that has changed."""
        changed = [ticker for ticker, market in self._markets.items() if market.silent is not (ticker in silent)]
        for ticker in changed:
            self._markets[ticker].silent = ticker in silent
        return changed

    def set_write_refill(self, per_s: float) -> None:
        self._write_refill_per_s = max(1.0, per_s)

    def set_foreign(self, tickers: Iterable[str]) -> None:
        """Markets in which somebody else's orders of this account rest (I28)."""
        self._foreign_tickers = frozenset(tickers)

    def claim_exit(self, ticker: str, claim: Claim | None, now_s: float, claimant: str = STOP_LOSS) -> None:
        """A claimant takes a market, renews its claim, or lets go (None; `claimant` says who does); see rule 3."""
        market = self.market(ticker)
        present, who = market.claim, claimant if claim is None else claim.claimant
        if present is not None and present.claimant != who:
            lasts = now_s - present.renewed_at_s <= CLAIM_TTL_S
            if claim is None or (lasts and who != STOP_LOSS):
                return
        if claim is None:
            self._release(market)
        elif present is not None and present.claim_id == claim.claim_id:
            market.claim = attrs.evolve(claim, masked_since_s=present.masked_since_s)
        else:
            self._release(market)
            market.claim = attrs.evolve(claim, masked_since_s=now_s)

    @staticmethod
    def _release(market: MarketDesk) -> None:
        market.claim, market.exit_attempts, market.exit_sent_s = None, 0, None

    def fill_numbered(self, fill_seq: int, fill: Fill) -> bool:
        """Books the next numbered fill; returns False for one already booked. Raises InvariantViolation on a gap."""
        if fill_seq <= self.watermark:
            return False
        check(fill_seq == self.watermark + 1, "I4", f"fill {fill_seq} follows {self.watermark}")
        self.watermark = fill_seq
        self._book(fill)
        return True

    def _book(self, fill: Fill) -> None:
        market = self.market(fill.ticker)
        market.position_e2 = CountE2(market.position_e2 + fill.side.sign * fill.count_e2)
        market.filled_e2[fill.side] += fill.count_e2
        self.table.fill_booked(fill)

    def fills_recovered(self, fills: Iterable[NumberedFill], settled: Iterable[str], last_seq: int) -> None:
        """Begins with everything up to `last_seq`: the fills of the markets that are not over, and which of those have
        paid out.
        """
        check(self.watermark == 0, "I4", f"fills up to {last_seq} are to begin with, and {self.watermark} are booked")
        for numbered in fills:
            self._book(numbered.fill)
        for ticker in settled:
            self.position_settled(ticker)
        self.watermark = last_seq

    def position_settled(self, ticker: str) -> None:
        """The market paid out: what was held there is cash now. One that was never dealt with is not remembered."""
        if ticker in self._markets:
            self._markets[ticker].position_e2 = CountE2(0)

    def forget_idle(self, ticker: str) -> bool:
        """Forgets an ended market that nothing is known or wanted of any more; says whether it is gone."""
        market = self._markets.get(ticker)
        is_known = market is not None and (market.target or market.claim or market.position_e2)
        if market is not None and not is_known and not any(self.table.in_market(ticker)):
            del self._markets[ticker]
        return ticker not in self._markets

    def group_shut(self, group_id: str, at_ms: int) -> None:
        """The exchange triggered a group of ours by `at_ms`: what is still on its way into it cannot land."""
        self.table.group_shut(group_id, at_ms)

    def command_sent(self, command: PlannedCommand, now_s: float) -> None:
        """The actor hands a planned command to the Wire. Raises InvariantViolation for one that must never leave."""
        order = self.table.get(command.client_order_id)
        if order is None:
            assert isinstance(command.request, CreateOrder)
            order = TrackedOrder(request=command.request, is_quote=command.kind is not CommandClass.EXIT)
            self._serial += 1
        market = self.market(order.ticker)
        if command.kind is CommandClass.QUOTE:
            self._check_quote(command, order, market)
            market.cooling_until_s[order.side] = now_s + self.parameters.cooldown_s
        elif command.kind is CommandClass.EXIT:
            self._check_exit(command, order, market)
            market.exit_attempts += 1
            market.exit_sent_s = now_s
        elif command.kind is CommandClass.RENEW:
            self._check_renewal(command, order, market)
        if self.table.get(command.client_order_id) is None:
            self.table.add(order)
        order.command_sent(command.request)

    @staticmethod
    def _check_book(order: TrackedOrder, market: MarketDesk) -> None:
        is_decided_now = market.target is not None and market.target.generation == market.book.generation
        check(market.book.is_live and is_decided_now, "I7", f"{order.ticker}: a quote on a book that is not live")

    def _check_renewal(self, command: PlannedCommand, order: TrackedOrder, market: MarketDesk) -> None:
        request = command.request
        assert isinstance(request, AmendOrder)
        self._check_book(order, market)
        is_same = (request.price_e4, request.total_count_e2) == (order.price_e4, order.count_e2)
        check(is_same, "I8", f"{order.ticker}: a renewal that changes price or size")
        check(request.expiration_ts_s is not None, "I29", f"{order.ticker}: a renewal without expiry")

    def _check_quote(self, command: PlannedCommand, order: TrackedOrder, market: MarketDesk) -> None:
        request, side = command.request, order.side
        self._check_book(order, market)
        check(market.claim is None, "I25", f"{order.ticker}: a quote in a market that an exit owns")
        rivals = [o for o in self.table.in_market(order.ticker) if o.is_quote and o.is_live and o is not order]
        is_alone = all(rival.side is not side for rival in rivals)
        check(is_alone or isinstance(request, AmendOrder), "I25", f"{order.ticker}: a second {side} quote")
        assert isinstance(request, CreateOrder | AmendOrder)
        total_e2 = request.count_e2 if isinstance(request, CreateOrder) else request.total_count_e2
        open_e2 = self.table.open_e2(order.ticker, side, without=order) + total_e2 - order.filled_booked_e2
        worst_e2 = market.position_e2 * side.sign + open_e2
        check(worst_e2 <= market.cap_e2(side), "I8", f"{order.ticker}: {side} could reach {worst_e2}")
        may_fill_e2 = market.may_fill_e2(side)
        is_bounded = may_fill_e2 is None or open_e2 <= may_fill_e2
        check(is_bounded, "I8", f"{order.ticker}: {side} could fill {open_e2} of {may_fill_e2}")
        has_lease = request.expiration_ts_s is not None
        has_group = isinstance(request, AmendOrder) or request.order_group_id is not None
        check(has_lease and has_group, "I29", f"{order.ticker}: a quote without group or expiry")

    def _check_exit(self, command: PlannedCommand, order: TrackedOrder, market: MarketDesk) -> None:
        request = command.request
        assert isinstance(request, CreateOrder)
        only_reduces = request.reduce_only and request.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
        is_held = request.count_e2 <= self.reducible_e2(order.ticker, order.side)
        check(only_reduces and is_held, "I10", f"{order.ticker}: an exit that could open a position")
        exits = [o for o in self.table.in_market(order.ticker) if not o.is_quote and o is not order]
        check(not exits, "I10", f"{order.ticker}: a second exit while one is open")

    def command_answered(self, outcome: CommandOutcome, now_s: float) -> None:
        """The Wire answered a command about an order."""
        order = self.table.get(outcome.client_order_id)
        if order is None:
            return
        retry_s = self.parameters.unknown_repeat_s
        order.command_answered(outcome, now_s=now_s, retry_s=retry_s)
        self.table.index(order)
        market = self.market(order.ticker)
        if outcome.kind is OutcomeKind.NEVER_SENT and not order.is_quote:
            market.exit_attempts = max(0, market.exit_attempts - 1)
        if outcome.kind is OutcomeKind.REJECTED and isinstance(outcome.request, CreateOrder) and order.is_quote:
            # Unchanged it would be refused again; a storm of refusals would burn the tokens of all.
            market.cooling_until_s[order.side] = now_s + retry_s

    def adopt(self, order: TrackedOrder) -> None:
        """Takes up an order of this boot that an earlier OrderDesk left (from the journal)."""
        self.market(order.ticker)  # so that it is planned for even if nobody else mentions its market
        self.table.add(order)

    # -- questions --

    def wanted(self) -> list[str]:
        """Returns the markets in which an actor wants something."""
        return [ticker for ticker, market in self._markets.items() if market.target is not None]

    def held_up(self) -> list[str]:
        """Returns the markets whose last plan had an objection."""
        return [ticker for ticker, market in self._markets.items() if market.reasons]

    def claims(self) -> dict[str, Claim]:
        """Returns the exits that are claimed, by ticker."""
        return {ticker: market.claim for ticker, market in self._markets.items() if market.claim is not None}

    def unknown_since_s(self, now_s: float) -> dict[str, float]:
        """Markets whose order list must be read, because an order of unknown fate had its grace, and since when its
        youngest such order is in doubt.
        """
        since_s: dict[str, float] = {}
        for order in self.table.unknown():
            unknown_s = order.unknown_since_s
            if unknown_s is not None and now_s - unknown_s >= self.parameters.unknown_grace_s:
                since_s[order.ticker] = max(since_s.get(order.ticker, 0.0), unknown_s)
        return dict(sorted(since_s.items()))

    def shards_without_group(self) -> list[int]:
        """Shards with cash on which something is wanted but no group is open."""
        funded = {shard for shard, cash_e6 in self._cash_e6.items() if cash_e6 > 0}
        if funded <= self.groups.keys():
            return []
        wanted = {
            market.facts.exchange_index
            for market in self._markets.values()
            if market.facts is not None and market.target is not None and (market.target.bid or market.target.ask)
        }
        return sorted((wanted & funded) - self.groups.keys())

    def fills_of_group(self, group_id: str, fills: Iterable[Fill], *, before_us_ms: int) -> list[Fill]:
        """The fills of orders of one group. One of an order that we never knew, from before `before_us_ms`, was a
        predecessor's and may be the group's, so it is among them.
        """
        return [
            fill
            for fill in fills
            if group_id in (self.table.groups_of(fill.order_id) or ((group_id,) if fill.ts_ms < before_us_ms else ()))
        ]

    def reducible_e2(self, ticker: str, side: Side) -> CountE2:
        """How much an exit on this side could close."""
        return CountE2(max(0, -self.market(ticker).position_e2 * side.sign))

    # -- the plan --

    def plan(self, ticker: str, permit: Permit, now_s: float, wall_s: float) -> Iterator[PlannedCommand]:
        """Yields the commands that are due in one market, then updates the market's reasons.

        A command that the caller sends must go through `command_sent` before the next one is asked for (rule 5).
        """
        market = self.market(ticker)
        if market.claim is not None and now_s - market.claim.renewed_at_s > CLAIM_TTL_S:
            self._release(market)
        quotes = [order for order in self.table.in_market(ticker) if order.is_quote and order.is_live]
        if market.pulling and not quotes:
            market.pulling = False
        reasons: list[str] = [*permit.reasons, *self._market_objections(market)]
        market.is_cooling = False
        if market.facts is None:
            yield from withdraw(quotes, now_s, self.parameters)
            reasons = [*reasons, "the market's rules are not known yet"]
        else:
            for side in self._leading_side_first(ticker, market):
                context = self._side_context(ticker, market, market.facts, side, permit, now_s, wall_s)
                plan = plan_side(self._wanted(market, side), context, self.table, self.parameters, self._next_id())
                yield from plan.commands
                reasons += plan.reasons
                market.is_cooling |= plan.is_cooling
            exit_plan = self._plan_exit(ticker, market, market.facts, now_s)
            if exit_plan.command is not None:
                yield exit_plan.command
            reasons += exit_plan.reasons
        market.reasons = tuple(dict.fromkeys(reasons))

    def wakes_at_s(self, ticker: str, now_s: float, wall_s: float) -> float:
        """Returns when time alone may give this market a new command; at once while an exit is claimed."""
        market = self.market(ticker)
        if market.claim is not None:
            return now_s
        cooling_until_s = market.cooling_until_s.values() if market.is_cooling else ()
        return wakes_at_s(self.table.in_market(ticker), cooling_until_s, self._lease_s(), now_s, wall_s)

    def _lease_s(self) -> float:
        return lease_seconds(len(self.table), self._write_refill_per_s, self.parameters.lease_floor_s)

    def _next_id(self) -> str:
        return f"{self._prefix}{self._serial:x}"

    def _market_objections(self, market: MarketDesk) -> list[str]:
        reasons = []
        if market.claim is not None:
            reasons.append("an exit owns this market")
        if market.pulling:
            reasons.append("its actor crashed: the quotes are pulled first")
        if market.paused:
            reasons.append("paused by a person")
        if market.silent:
            reasons.append("its actor is silent: nobody decides here")
        reasons += [f"{side}: risk allows nothing" for side in sorted(market.closed_sides)]
        if market.facts is not None and self._cash_e6 and self._cash_e6.get(market.facts.exchange_index, 0) <= 0:
            reasons.append(f"shard {market.facts.exchange_index} has no cash")
        if market.facts is not None and not market.facts.is_tradable:
            reasons.append("the market is not tradable now")
        if market.target is None:
            reasons.append("no strategy wants anything here")
        elif market.target.crosses_itself:
            reasons.append("the target's bid is not below its ask: that is a defect of the strategy")
        elif market.target.generation != market.book.generation:
            reasons.append("the target was decided on another connection's book")
        return reasons

    def _wanted(self, market: MarketDesk, side: Side) -> Wanted | None:
        target, facts = market.target, market.facts
        if target is None or target.crosses_itself or facts is None or not facts.is_tradable:
            return None
        if market.paused or market.silent or market.pulling or market.claim is not None or side in market.closed_sides:
            return None
        return target.side(side)

    def _leading_side_first(self, ticker: str, market: MarketDesk) -> tuple[Side, Side]:
        """A bid that would cross our own resting ask must wait for it: the ask goes first, and gets the tokens."""
        bid = market.target.bid if market.target is not None else None
        own_ask_e4 = self.table.own_extreme_e4(ticker, Side.ASK)
        is_blocked = bid is not None and own_ask_e4 is not None and bid.price_e4 >= own_ask_e4
        return (Side.ASK, Side.BID) if is_blocked else (Side.BID, Side.ASK)

    def _side_context(
        self,
        ticker: str,
        market: MarketDesk,
        facts: MarketFacts,
        side: Side,
        permit: Permit,
        now_s: float,
        wall_s: float,
    ) -> SideContext:
        same_book = market.target is None or market.target.generation == market.book.generation
        return SideContext(
            ticker=ticker,
            side=side,
            exchange_index=facts.exchange_index,
            grid=facts.grid,
            best_bid_e4=market.book.best_bid_e4,
            best_ask_e4=market.book.best_ask_e4,
            book_is_live=market.book.is_live and same_book,
            position_e2=market.position_e2,
            cap_e2=market.cap_e2(side),
            cash_available_e6=self._cash_e6.get(facts.exchange_index, MoneyE6(0)),
            may_quote=permit.may_quote,
            must_withdraw=permit.must_withdraw,
            group_id=self.groups.get(facts.exchange_index),
            lease_s=self._lease_s(),
            now_s=now_s,
            wall_s=wall_s,
            cooling_until_s=market.cooling_until_s.get(side, now_s),
            may_fill_e2=market.may_fill_e2(side),
        )

    def _plan_exit(self, ticker: str, market: MarketDesk, facts: MarketFacts, now_s: float) -> ExitPlan:
        claim = market.claim
        if claim is None:
            return ExitPlan(command=None)
        context = ExitContext(
            ticker=ticker,
            exchange_index=facts.exchange_index,
            grid=facts.grid,
            side=claim.side,
            wanted_e2=claim.count_e2,
            limit_e4=claim.limit_e4,
            position_e2=market.position_e2,
            masked_since_s=claim.masked_since_s,
            now_s=now_s,
            foreign_orders_rest=ticker in self._foreign_tickers,
            attempts=market.exit_attempts,
            last_attempt_s=market.exit_sent_s,
        )
        return plan_exit(context, self.table, self.parameters, self._next_id())

    # -- lists --

    def whole_list_seen(self, as_of_ms: int, orders: tuple[Order, ...], heard_ms: int) -> ListVerdict:
        """Applies a list of all resting orders; returns what was new in it, and notes where others' rest.

        `heard_ms` is the latest that the exchange's clock can have read when the list was made.
        """
        self.set_foreign(o.ticker for o in orders if not o.client_order_id.startswith(self._prefix))
        return self.table.resting_list(as_of_ms, orders, heard_ms)

    def market_list_seen(self, as_of_ms: int, ticker: str, orders: tuple[Order, ...], heard_ms: int) -> None:
        """Applies a list of one market's newest orders in every state."""
        self.table.full_list(as_of_ms, ticker, orders, heard_ms)
