"""The desk's mind: what is wanted, what is known, what works, and the commands that follow.

A state machine without I/O: the actor feeds it facts and asks for a plan. It owns the plan and nothing else: positions
are
sums of numbered fills, caps are risk's word, books are the feed's word, orders are what the exchange and the journal
say.

Rules:
1. Only the newest target of a market counts; a market without one, halted, stale-ruled or claimed for an exit wants
nothing.
2. A target counts only on the book generation that it was decided on: a reconnect voids it.
3. One owner a side: while an exit claim stands, the market's own targets are masked (I25).
4. Nothing is forgotten: an order leaves the table only when the numbered fills are complete past its end (I2, I8).
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from kalshi.grid import PriceGrid
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import CreateOrder, Fill, Order, PriceRange, Side
from quant.invariants import check
from quant.orders.commands import CommandClass, CommandOutcome, PlannedCommand
from quant.orders.exits import ExitContext, plan_exit
from quant.orders.parameters import DeskParameters
from quant.orders.permit import Permit
from quant.orders.planner import SideContext, Wanted, lease_seconds, plan_side
from quant.orders.table import OrderTable
from quant.orders.tracked import OrderState, TrackedOrder


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

    def side(self, side: Side) -> Wanted | None:
        return self.bid if side is Side.BID else self.ask


@attrs.frozen(kw_only=True)
class BookTop:
    best_bid_e4: PriceE4 | None
    best_ask_e4: PriceE4 | None
    is_live: bool
    generation: int


@attrs.frozen(kw_only=True)
class Claim:
    """An exit that the stop loss wants."""

    claim_id: str
    side: Side
    count_e2: CountE2
    limit_e4: PriceE4
    renewed_at_s: float
    masked_since_s: float


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
    paused: bool = False
    max_long_e2: CountE2 = CountE2(0)
    max_short_e2: CountE2 = CountE2(0)
    position_e2: CountE2 = CountE2(0)
    changed_at_s: dict[Side, float] = attrs.field(factory=dict)
    reasons: tuple[str, ...] = ()


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
        self.watermark = 0

    # -- facts in --

    def market(self, ticker: str) -> MarketDesk:
        """Returns the desk's notes on a market, made at the first mention."""
        return self._markets.setdefault(ticker, MarketDesk())

    def tickers(self) -> list[str]:
        return list(self._markets)

    def set_facts(self, ticker: str, exchange_index: int, ranges: tuple[PriceRange, ...], is_tradable: bool) -> None:
        """The market's rules, from discovery."""
        grid = PriceGrid(ranges)
        self.market(ticker).facts = MarketFacts(exchange_index=exchange_index, grid=grid, is_tradable=is_tradable)

    def set_target(self, ticker: str, target: Target | None) -> None:
        """What the MarketActor wants; None when it wants nothing or is gone (rule 1)."""
        self.market(ticker).target = target

    def set_book(self, ticker: str, book: BookTop) -> None:
        self.market(ticker).book = book

    def set_caps(self, caps: Iterable[tuple[str, CountE2, CountE2]], cash_e6: Iterable[tuple[int, MoneyE6]]) -> None:
        """Risk's word, whole: a market that is not named may hold nothing more."""
        for market in self._markets.values():
            market.max_long_e2 = market.max_short_e2 = CountE2(0)
        for ticker, max_long_e2, max_short_e2 in caps:
            market = self.market(ticker)
            market.max_long_e2, market.max_short_e2 = max_long_e2, max_short_e2
        self._cash_e6 = dict(cash_e6)

    def set_write_refill(self, per_s: float) -> None:
        self._write_refill_per_s = max(1.0, per_s)

    def set_foreign(self, tickers: Iterable[str]) -> None:
        """Markets in which somebody else's orders of this account rest (I28)."""
        self._foreign_tickers = frozenset(tickers)

    def claim_exit(self, ticker: str, claim: Claim | None, now_s: float) -> None:
        """The stop loss takes a market, renews its claim, or lets go."""
        market = self.market(ticker)
        if claim is None:
            market.claim, market.exit_attempts = None, 0
        elif market.claim is not None and market.claim.claim_id == claim.claim_id:
            market.claim = attrs.evolve(claim, masked_since_s=market.claim.masked_since_s)
        else:
            market.claim, market.exit_attempts = attrs.evolve(claim, masked_since_s=now_s), 0

    def fill_numbered(self, fill_seq: int, fill: Fill) -> bool:
        """Books the next numbered fill; returns False for one already booked. Raises InvariantViolation on a gap."""
        if fill_seq <= self.watermark:
            return False
        check(fill_seq == self.watermark + 1, "I4", f"fill {fill_seq} follows {self.watermark}")
        self.watermark = fill_seq
        market = self.market(fill.ticker)
        market.position_e2 = CountE2(market.position_e2 + fill.side.sign * fill.count_e2)
        self.table.fill_booked(fill)
        return True

    def position_settled(self, ticker: str) -> None:
        """The market paid out: what was held there is cash now."""
        self.market(ticker).position_e2 = CountE2(0)

    def command_sent(self, command: PlannedCommand, now_s: float) -> None:
        """The actor handed a planned command to the Wire."""
        order = self.table.get(command.client_order_id)
        if order is None:
            assert isinstance(command.request, CreateOrder)
            is_quote = command.kind is not CommandClass.EXIT
            order = TrackedOrder(request=command.request, is_quote=is_quote)
            self.table.add(order)
        order.command_sent(command.request)
        market = self.market(order.ticker)
        if command.kind is CommandClass.QUOTE:
            market.changed_at_s[order.side] = now_s
        elif command.kind is CommandClass.EXIT:
            market.exit_attempts += 1

    def command_answered(self, outcome: CommandOutcome, now_s: float) -> None:
        """The Wire answered a command about an order."""
        order = self.table.get(outcome.client_order_id)
        if order is None:
            return
        order.command_answered(outcome, now_s=now_s, retry_s=self.parameters.unknown_repeat_s)
        self.table.index(order)

    def adopt(self, order: TrackedOrder) -> None:
        """Takes up an order of this boot that an earlier OrderDesk left (from the journal)."""
        self.table.add(order)

    # -- questions --

    def unknown_tickers(self, now_s: float) -> list[str]:
        """Markets whose order list must be read: an order of unknown fate had its grace."""
        grace_s = self.parameters.unknown_grace_s
        late = {
            order.ticker
            for order in self.table
            if order.state is OrderState.UNKNOWN
            and order.unknown_since_s is not None
            and now_s - order.unknown_since_s >= grace_s
        }
        return sorted(late)

    def shards_without_group(self) -> list[int]:
        """Shards on which something is wanted but no group is open."""
        wanted = {
            market.facts.exchange_index
            for market in self._markets.values()
            if market.facts is not None and market.target is not None and (market.target.bid or market.target.ask)
        }
        return sorted(wanted - self.groups.keys())

    def reducible_e2(self, ticker: str, side: Side) -> CountE2:
        """How much an exit on this side could close."""
        return CountE2(max(0, -self.market(ticker).position_e2 * side.sign))

    # -- the plan --

    def plan(self, ticker: str, permit: Permit, now_s: float, wall_s: float) -> list[PlannedCommand]:
        """Returns the commands that are due in one market; the market's reasons are updated on the way."""
        market = self.market(ticker)
        claim = market.claim
        if claim is not None and now_s - claim.renewed_at_s > CLAIM_TTL_S:
            market.claim, market.exit_attempts, claim = None, 0, None
        if market.facts is None:
            market.reasons = ("the market's rules are not known yet",)
            return []
        commands: list[PlannedCommand] = []
        reasons: list[str] = list(permit.reasons)
        reasons += self._market_objections(market)
        for side in self._leading_side_first(market):
            context = self._side_context(ticker, market, market.facts, side, permit, now_s, wall_s)
            plan = plan_side(self._wanted(market, side), context, self.table, self.parameters, self._next_id())
            commands += plan.commands
            reasons += plan.reasons
            if any(isinstance(command.request, CreateOrder) for command in plan.commands):
                self._serial += 1
        if claim is not None:
            exit_command = self._plan_exit(ticker, market, market.facts, claim, now_s)
            if exit_command is not None:
                self._serial += 1
                commands.append(exit_command)
        market.reasons = tuple(dict.fromkeys(reasons))
        return commands

    def _next_id(self) -> str:
        return f"{self._prefix}{self._serial:x}"

    def _market_objections(self, market: MarketDesk) -> list[str]:
        reasons = []
        if market.claim is not None:
            reasons.append("an exit owns this market")
        if market.paused:
            reasons.append("paused by a person")
        if market.facts is not None and not market.facts.is_tradable:
            reasons.append("the market is not tradable now")
        if market.target is None:
            reasons.append("no strategy wants anything here")
        elif market.target.generation != market.book.generation:
            reasons.append("the target was decided on another connection's book")
        return reasons

    def _wanted(self, market: MarketDesk, side: Side) -> Wanted | None:
        target, facts = market.target, market.facts
        if target is None or facts is None or not facts.is_tradable or market.paused or market.claim is not None:
            return None
        return target.side(side)

    def _leading_side_first(self, market: MarketDesk) -> tuple[Side, Side]:
        """When both sides move up the ask must go first, or the new bid would cross our own old ask."""
        target, bid_e4 = market.target, None
        if target is not None and target.bid is not None:
            bid_e4 = target.bid.price_e4
        best_bid_e4 = market.book.best_bid_e4
        moves_up = bid_e4 is not None and best_bid_e4 is not None and bid_e4 >= best_bid_e4
        return (Side.ASK, Side.BID) if moves_up else (Side.BID, Side.ASK)

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
            cap_e2=market.max_long_e2 if side is Side.BID else market.max_short_e2,
            cash_available_e6=self._cash_e6.get(facts.exchange_index, MoneyE6(0)),
            may_quote=permit.may_quote,
            must_withdraw=permit.must_withdraw,
            group_id=self.groups.get(facts.exchange_index),
            lease_s=lease_seconds(len(self.table), self._write_refill_per_s, self.parameters.lease_floor_s),
            now_s=now_s,
            wall_s=wall_s,
            last_change_s=market.changed_at_s.get(side),
        )

    def _plan_exit(
        self, ticker: str, market: MarketDesk, facts: MarketFacts, claim: Claim, now_s: float
    ) -> PlannedCommand | None:
        context = ExitContext(
            ticker=ticker,
            exchange_index=facts.exchange_index,
            side=claim.side,
            wanted_e2=claim.count_e2,
            limit_e4=claim.limit_e4,
            position_e2=market.position_e2,
            masked_since_s=claim.masked_since_s,
            now_s=now_s,
            foreign_orders_rest=ticker in self._foreign_tickers,
            attempts=market.exit_attempts,
        )
        return plan_exit(context, self.table, self.parameters, self._next_id())

    def lists_seen(self, as_of_ms: int, orders: tuple[Order, ...]) -> tuple[Order, ...]:
        """Applies a whole resting list; returns orders of ours that nobody tracks, and notes where others' rest."""
        self.set_foreign(o.ticker for o in orders if not o.client_order_id.startswith(self._prefix))
        return self.table.resting_list(as_of_ms, orders).strays
