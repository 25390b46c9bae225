"""OrderDesk: brings what rests on the exchange towards what the market actors want, through the Wire.

The thinking is `quant.orders.desk`; this is its shell: it turns messages into facts, plans into commands with reply
slots,
and states the permit. First start and restart are one path: raise our incarnation at the Wire, take up what the journal
holds
open, read all numbered fills, and compare with a resting list before anything is sent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable

import attrs

from actors.messages.lifecycle import ALL_MARKETS, Alert, Heartbeat, StopWanted, Switches
from actors.messages.market import Assignments, BookCondition, BookView, FeedHealth, MarketEnded, MarketRules
from actors.messages.money import Books, FillTape, ReadBooks, ReadNumberedFills, Record, RiskView
from actors.messages.orders import (
    CloseOrder,
    ExitClaim,
    ExitStatus,
    GroupSeen,
    JournaledOrder,
    JournaledState,
    OpenGroup,
    OrderList,
    PermitView,
    PrivateOrderSeen,
    QuoteTarget,
    RaiseIncarnation,
    ReadOrders,
    Recovered,
    TargetQuotes,
    WireCommand,
    WireHealth,
    WireOutcome,
    WorkingOrder,
    WorkingOrders,
)
from actors.runtime.asking import ask_until_answered, post_to_wire
from actors.runtime.exit_guard import ExitCode
from actors.runtime.lifecycle import ActorExited
from actors.runtime.server_clock import ServerClock
from actors.runtime.supervisor import ChildContext
from kalshi.types import (
    AmendAck,
    AmendOrder,
    CancelAck,
    CancelOrder,
    CreateAck,
    CreateOrder,
    DecreaseAck,
    DecreaseOrder,
    Fill,
    TimeInForce,
)
from quant.fills import NumberedFill
from quant.orders.commands import CommandClass, CommandOutcome, OutcomeKind, PlannedCommand
from quant.orders.desk import BookTop, Claim, Desk, Target
from quant.orders.fence import TripVerdict, judge_trip
from quant.orders.parameters import DeskParameters, FeedLimits
from quant.orders.permit import Permit, PermitFacts, decide_permit
from quant.orders.planner import Wanted
from quant.orders.rounds import Rounds, list_again_after_s
from quant.orders.table import OrderTable
from quant.orders.tracked import OrderState, TrackedOrder
from quant.orders.write_room import WriteRoom, first_to_leave, write_room

TICK_S = 0.1
PERMIT_EVERY_S = 0.25
HEALTH_COUNTS_S = 1.0  # so long after the Wire spoke its bucket is taken to fill up; it speaks four times a second
EXITS_UNHEARD = 8  # exits of a round while the Wire has not said yet what it has: they must not wait for its word
WATCHED = ("ledger", "fill_reconciler", "stop_loss")
RECENT_FILLS_MAX = 4_096  # enough for the group's 15 s window at any rate the exchange allows us
# A create into a group that was triggered, or that is not there: removed, or the exchange is another one than it was.
TRIPPED_CODES = frozenset({"exceeded_order_group_risk_limit", "order_group_not_found"})


@attrs.define(eq=False)
class OrderDesk:
    """The actor; see the module."""

    context: ChildContext
    parameters: DeskParameters
    feed_limits: FeedLimits
    clock: ServerClock
    prefix: str
    contracts_limit_e2: int
    _desk: Desk = attrs.field(init=False)
    _switches: Switches = attrs.field(factory=Switches, init=False)
    _owners: dict[str, str] = attrs.field(factory=dict, init=False)  # programs by market
    _risk: RiskView | None = attrs.field(default=None, init=False)
    _feed: FeedHealth | None = attrs.field(default=None, init=False)
    _wire: WireHealth | None = attrs.field(default=None, init=False)
    _beats: dict[str, float] = attrs.field(factory=dict, init=False)
    _reconciled: bool = attrs.field(default=False, init=False)
    _started_s: float = attrs.field(default=0.0, init=False)
    _next_list_s: float = attrs.field(default=0.0, init=False)
    _lists_out: set[str | None] = attrs.field(factory=set, init=False)
    _listed_s: dict[str, float] = attrs.field(factory=dict, init=False)
    _opening: dict[int, float] = attrs.field(factory=dict, init=False)
    _tripped: dict[str, int] = attrs.field(factory=dict, init=False)
    _fenced: set[str] = attrs.field(factory=set, init=False)
    _started_ms: int = attrs.field(default=0, init=False)
    _recent_fills: list[Fill] = attrs.field(factory=list, init=False)
    _complete_to_ms: int = attrs.field(default=0, init=False)
    _silence_judged_s: float = attrs.field(default=-math.inf, init=False)
    _tape_is_behind: bool = attrs.field(default=False, init=False)
    _permit: Permit = attrs.field(default=Permit(may_quote=False, must_withdraw=False, reasons=()), init=False)
    _permit_said_s: float = attrs.field(default=-1.0, init=False)
    _commands: int = attrs.field(default=0, init=False)
    _handed: Counter[CommandClass] = attrs.field(factory=Counter, init=False)  # since the Wire's last word
    _rounds: Rounds = attrs.field(factory=Rounds, init=False)
    _shown: dict[str, WorkingOrders] = attrs.field(factory=dict, init=False)
    _exits_shown: dict[str, ExitStatus] = attrs.field(factory=dict, init=False)
    _settled: set[str] = attrs.field(factory=set, init=False)  # of those that the desk knows: not yet forgotten

    @property
    def orders(self) -> OrderTable:
        """The orders as this desk knows them, to be looked at."""
        return self._desk.table

    async def run(self, started: Callable[[], None]) -> None:
        """Serves until cancelled."""
        self._desk = Desk(
            prefix=self.prefix,
            parameters=self.parameters,
            contracts_limit_e2=self.contracts_limit_e2,  # type: ignore[arg-type]
            # The incarnation is in the id, so that no two lives of the desk can ever make the same one.
            first_serial=self.context.incarnation << 32,
        )
        self._started_s, self._started_ms = self._now(), self.clock.latest_ms()
        await self._take_over()
        started()
        while True:
            await self._apply(await self.context.mailbox.receive(timeout_s=TICK_S))
            self._decide_permit()
            await self._ask_lists()
            await self._open_groups()
            self._show(await self._carry_out_plans())

    def _now(self) -> float:
        return self.context.seams.now()

    # -- taking over --

    async def _take_over(self) -> None:
        """Rebuilds the desk from journal and Ledger."""
        slot = self.context.mailbox.reply_slot()
        await self._to_wire(RaiseIncarnation(incarnation=self.context.incarnation), "", CommandClass.CANCEL, slot=slot)
        recovered = await slot.get()
        assert isinstance(recovered, Recovered)
        for journaled in recovered.orders:
            self._desk.adopt(_adopted(journaled, self._now(), self.clock.latest_ms()))
        for exchange_index, group_id in recovered.groups:
            self._desk.groups[exchange_index] = group_id
        books = await ask_until_answered(self.context, lambda slot: ReadBooks(reply=slot))
        assert isinstance(books, Books)
        self._desk.fills_recovered(books.fills, (ticker for ticker, _ in books.settlements), books.last_seq)
        self._recent_fills = [numbered.fill for numbered in books.fills[-RECENT_FILLS_MAX:]]
        self._next_list_s = self._now()

    async def _read_fills(self) -> None:
        after_seq = self._desk.watermark
        fills = await ask_until_answered(self.context, lambda slot: ReadNumberedFills(after_seq=after_seq, reply=slot))
        assert isinstance(fills, tuple)
        self._book(fills)

    def _book(self, fills: Iterable[NumberedFill]) -> None:
        for numbered in fills:
            if self._desk.fill_numbered(numbered.fill_seq, numbered.fill):
                self._rounds.touch((numbered.fill.ticker,))
                self._recent_fills.append(numbered.fill)
        del self._recent_fills[:-RECENT_FILLS_MAX]

    # -- facts in --

    async def _apply(self, batch: tuple[object, ...]) -> None:
        for message in batch:
            await self._apply_one(message)
        if self._tape_is_behind:
            self._tape_is_behind = False
            await self._read_fills()

    async def _apply_one(self, message: object) -> None:
        self._touch(message)
        match message:
            case BookView():
                if self._desk.set_book(message.ticker, _book_top(message)):
                    self._rounds.touch((message.ticker,))
            case TargetQuotes():
                self._desk.set_target(message.ticker, _target(message))
                if self._desk.market(message.ticker).silent:
                    self._silence_judged_s = -math.inf
                self._heard(f"market:{message.ticker}", message.decided_at_s)
            case WireOutcome():
                self._answered(message)
            case PrivateOrderSeen(order=order):
                self._desk.table.reported(order)
            case FillTape():
                self._take_tape(message)
            case RiskView():
                self._take_risk(message)
            case FeedHealth():
                self._feed = message
            case Switches():
                self._switches = message
                self._set_paused()
            case Assignments():
                self._owners = {each.ticker: each.program for each in message.assignments}
                self._set_paused()
            case WireHealth():
                self._take_wire_health(message)
            case Heartbeat():
                self._heard(message.actor, message.at_s)
            case MarketRules():
                self._desk.set_facts(message.ticker, message.exchange_index, message.price_ranges, message.is_tradable)
            case OrderList():
                await self._take_list(message)
            case ExitClaim():
                self._take_claim(message)
            case ActorExited():
                self._take_exit(message)
            case GroupSeen(kind="triggered"):
                self._desk.group_shut(message.group_id, message.ts_ms)
                self._group_tripped(message.group_id, message.ts_ms)
            case MarketEnded(kind="settled"):
                self._desk.position_settled(message.ticker)
                self._settled.add(message.ticker)
                self._forget_settled()
            case _:
                pass

    def _forget_settled(self) -> None:
        """Forgets the settled markets of which nothing is left; late fills and unknown orders keep some for a while."""
        for ticker in sorted(self._settled):
            if self._desk.forget_idle(ticker):
                self._settled.discard(ticker)
                self._shown.pop(ticker, None)
                self._beats.pop(f"market:{ticker}", None)

    def _heard(self, actor: str, at_s: float) -> None:
        self._beats[actor] = max(at_s, self._beats.get(actor, at_s))

    def _mark_silent(self) -> None:
        """A market whose actor hangs gets no quote on what it wished before, and what rests there is withdrawn."""
        now_s, age_max_s = self._now(), self.parameters.heartbeat_max_age_s
        if now_s < self._silence_judged_s + TICK_S:
            return  # a wait of seconds need not be looked at with every message
        self._silence_judged_s = now_s
        silent = {
            ticker
            for ticker in self._desk.wanted()
            if now_s - max(self._started_s, self._beats.get(f"market:{ticker}", -math.inf)) > age_max_s
        }
        if changed := self._desk.set_silent(silent):
            self._rounds.touch(changed)
            for ticker in silent.intersection(changed):
                self.context.log.warning(f"{ticker}: its actor is silent for over {age_max_s:g} s, nothing is quoted")

    def _touch(self, message: object) -> None:
        """Makes the markets due that a message is about."""
        match message:
            case TargetQuotes() | MarketRules() | ExitClaim() | MarketEnded():
                self._rounds.touch((message.ticker,))
            case PrivateOrderSeen(order=order):
                self._rounds.touch((order.ticker,))
            case WireOutcome(request=CreateOrder() | AmendOrder() | DecreaseOrder() | CancelOrder() as request):
                self._rounds.touch((request.ticker,))
            case RiskView():
                if self._risk is None or _limits(message) != _limits(self._risk):
                    self._rounds.touch_all()
            case Switches():
                if message != self._switches:
                    self._rounds.touch_all()
            case OrderList(ticker=str() as ticker):
                self._rounds.touch((ticker,))
            case GroupSeen() | ActorExited() | WireOutcome(request=OpenGroup()):
                self._rounds.touch_all()
            case _:
                pass

    def _take_tape(self, tape: FillTape) -> None:
        if tape.fills and tape.fills[0].fill_seq > self._desk.watermark + 1:
            self._tape_is_behind = True  # more than a tape's length was missed: read the Ledger
            return
        self._book(tape.fills)
        self._complete_to_ms = max(self._complete_to_ms, tape.complete_to_ms)

    def _take_risk(self, view: RiskView) -> None:
        self._risk = view
        self._desk.set_closed_sides((cap.ticker, side) for cap in view.caps for side in cap.closed_sides)
        self._desk.set_caps(
            ((cap.ticker, cap.max_long_e2, cap.max_short_e2) for cap in view.caps), view.cash_available_e6
        )

    def _take_wire_health(self, health: WireHealth) -> None:
        self._wire = health
        self._handed = Counter({CommandClass.EXIT: health.exits_waiting, CommandClass.QUOTE: health.quotes_waiting})
        self._desk.set_write_refill(health.write_refill_per_s)
        for exchange_index, group_id in list(self._desk.groups.items()):
            if group_id in health.shut_groups:  # we shut it ourselves, while nobody heard this desk
                del self._desk.groups[exchange_index]
                self._tripped.pop(group_id, None)
                self._rounds.touch_all()

    def _set_paused(self) -> None:
        programs = self._switches.paused_programs
        of_programs = {ticker for ticker, program in self._owners.items() if program in programs}
        # What is being closed is quoted by nobody, whoever owns it by now.
        self._rounds.touch(self._desk.set_paused(self._switches.paused | self._switches.flattening | of_programs))

    def _take_claim(self, claim: ExitClaim) -> None:
        now_s = self._now()
        if claim.is_done:
            self._desk.claim_exit(claim.ticker, None, now_s, claim.claimant)
            return
        self._desk.claim_exit(
            claim.ticker,
            Claim(
                claim_id=claim.claim_id,
                side=claim.side,
                count_e2=claim.count_e2,
                limit_e4=claim.limit_e4,
                renewed_at_s=claim.renewed_at_s,
                masked_since_s=now_s,
                claimant=claim.claimant,
                loss_e6=claim.loss_e6,
            ),
            now_s,
        )

    def _take_exit(self, exited: ActorExited) -> None:
        kind, _, ticker = exited.name.partition(":")
        if kind == "market":
            target = self._desk.market(ticker).target
            if target is not None and target.incarnation <= exited.incarnation:
                self._desk.set_target(ticker, None)
            if exited.at_s >= self._started_s:  # an older exit was seen to by our predecessor
                self._desk.pull(ticker)

    def _answered(self, outcome: WireOutcome) -> None:
        match outcome.request:
            case OpenGroup(exchange_index=exchange_index):
                self._opening.pop(exchange_index, None)
                if outcome.kind is OutcomeKind.ACCEPTED and isinstance(outcome.ack, str):
                    self._desk.groups[exchange_index] = outcome.ack
                else:
                    self._opening[exchange_index] = self._now() + 1.0
                    self.context.log.warning(f"no group on shard {exchange_index}: {outcome.code} {outcome.message}")
            case RaiseIncarnation() | CloseOrder():
                pass
            case request:
                ack = outcome.ack
                assert ack is None or isinstance(ack, CreateAck | AmendAck | CancelAck | DecreaseAck)
                answered = CommandOutcome(
                    client_order_id=outcome.client_order_id,
                    kind=outcome.kind,
                    request=request,
                    server_ms=outcome.server_ms,
                    ack=ack,
                    code=outcome.code,
                )
                if outcome.code in TRIPPED_CODES:
                    group_id = request.order_group_id if isinstance(request, CreateOrder) else None
                    if group_id is not None:
                        self._group_tripped(group_id, outcome.server_ms)
                self._desk.command_answered(answered, self._now())

    # -- the fence --

    def _group_tripped(self, group_id: str, ts_ms: int) -> None:
        if group_id in self._tripped:
            self._tripped[group_id] = min(ts_ms, self._tripped[group_id])  # the event is exacter than a refusal
        elif group_id in self._desk.groups.values():
            if self._wire is not None and not self._wire.latch_open:
                return  # the exit guard did it
            self._tripped[group_id] = ts_ms
            self._alert("group_tripped", "error", f"order group {group_id} was triggered, or is gone")

    def _judge_trips(self) -> None:
        for group_id, tripped_ms in list(self._tripped.items()):
            if self._wire is not None and (not self._wire.latch_open or group_id in self._wire.shut_groups):
                continue
            fills = self._desk.fills_of_group(group_id, self._recent_fills, before_us_ms=self._started_ms)
            verdict = judge_trip(tripped_ms, self._complete_to_ms, self._desk.contracts_limit_e2, fills)
            if verdict is TripVerdict.WAIT or group_id in self._fenced:
                continue
            for exchange_index, present in list(self._desk.groups.items()):
                if present == group_id:
                    del self._desk.groups[exchange_index]
            if verdict is TripVerdict.OUR_FILLS:
                del self._tripped[group_id]
            else:
                self._fenced.add(group_id)  # and stays tripped: no permit any more until the program has stopped
                reason = f"order group {group_id} was triggered or removed by somebody else: not coming back by itself"
                self._alert("fenced_from_outside", "error", reason)
                self.context.outbox.publish(StopWanted(exit_code=ExitCode.FENCED_FROM_OUTSIDE, reason=reason))

    # -- the permit --

    def _decide_permit(self) -> None:
        self._judge_trips()
        self._mark_silent()
        now_s = self._now()
        risk, feed, wire = self._risk, self._feed, self._wire
        proof_age_s = None
        if feed is not None and feed.proof_at_s > 0:
            proof_age_s = now_s - feed.proof_at_s
        facts = PermitFacts(
            risk_lease_left_s=None if risk is None else risk.lease_until_s - now_s,
            risk_halted=risk is not None and risk.is_halted,
            risk_reasons=risk.reasons if risk is not None else (),
            heartbeat_ages_s=tuple((name, self._beat_age_s(name, now_s)) for name in WATCHED),
            since_start_s=now_s - self._started_s,
            feed_proof_age_s=proof_age_s,
            is_reconciled=self._reconciled,
            journal_healthy=wire is not None and wire.journal_healthy,
            clock_sane=wire is None or wire.clock_sane,
            is_killed=self._switches.killed,
            is_paused=ALL_MARKETS in self._switches.paused,
            is_stopping=wire is not None and not wire.latch_open,
            fence_tripped=bool(self._tripped),
            exchange_pause=wire.exchange_pause if wire is not None else "",
        )
        permit = decide_permit(facts, self.parameters, self.feed_limits)
        if permit != self._permit:
            self._rounds.touch_all()
        if permit != self._permit or now_s - self._permit_said_s >= PERMIT_EVERY_S:
            if permit.may_quote != self._permit.may_quote:
                said = "permit given" if permit.may_quote else f"permit withheld: {'; '.join(permit.reasons)}"
                self.context.log.info(said)
            self._permit, self._permit_said_s = permit, now_s
            self.context.outbox.publish(
                PermitView(
                    may_quote=permit.may_quote,
                    must_withdraw=permit.must_withdraw,
                    reasons=permit.reasons,
                    decided_at_s=now_s,
                )
            )
            self.context.outbox.publish(Heartbeat(actor="order_desk", incarnation=self.context.incarnation, at_s=now_s))

    def _beat_age_s(self, name: str, now_s: float) -> float | None:
        beat_s = self._beats.get(name)
        # Heard since this desk started, or not at all: an older beat proves nothing about now.
        return None if beat_s is None or beat_s < self._started_s else now_s - beat_s

    # -- lists --

    async def _ask_lists(self) -> None:
        now_s = self._now()
        if now_s >= self._next_list_s and None not in self._lists_out:
            self._next_list_s = now_s + self.parameters.reconcile_every_s
            await self._ask_list(None)
        for ticker, since_s in self._desk.unknown_since_s(now_s).items():
            again_s = self._listed_s.get(ticker, -math.inf) + list_again_after_s(now_s - since_s)
            if ticker not in self._lists_out and now_s >= again_s:
                self._listed_s[ticker] = now_s
                await self._ask_list(ticker)

    async def _ask_list(self, ticker: str | None) -> None:
        self._lists_out.add(ticker)
        await post_to_wire(self.context, ReadOrders(ticker=ticker, resting_only=ticker is None))

    async def _take_list(self, listed: OrderList) -> None:
        if listed.ticker is not None:
            self._lists_out.discard(listed.ticker)
            if listed.as_of_ms:
                self._desk.market_list_seen(listed.as_of_ms, listed.ticker, listed.orders, self.clock.latest_ms())
            return
        self._lists_out.discard(None)
        self._forget_settled()
        if not listed.as_of_ms:
            return  # it failed; the next one is asked in its time
        verdict = self._desk.whole_list_seen(listed.as_of_ms, listed.orders, self.clock.latest_ms())
        if verdict.is_news:  # an order that is larger than we knew leaves others less room
            self._rounds.touch_all()
        for stray in verdict.strays:
            self._alert("stray_order", "warning", f"cancelling {stray.order_id}, ours but not tracked")
            request = CancelOrder(order_id=stray.order_id, ticker=stray.ticker, exchange_index=stray.exchange_index)
            await self._to_wire(request, stray.client_order_id, CommandClass.CANCEL)
        if self._complete_to_ms > 0:
            self._reconciled = True
        else:
            self._next_list_s = self._now() + TICK_S

    # -- commands out --

    async def _open_groups(self) -> None:
        if not self._permit.may_quote:
            return
        now_s = self._now()
        for exchange_index in self._desk.shards_without_group():
            if now_s >= self._opening.get(exchange_index, 0.0):
                self._opening[exchange_index] = now_s + 5.0
                request = OpenGroup(exchange_index=exchange_index, contracts_limit_e2=self._desk.contracts_limit_e2)
                await self._to_wire(request, "", CommandClass.QUOTE, valid_s=self.parameters.exit_valid_s)

    async def _carry_out_plans(self) -> list[str]:
        """Sends what is due and returns the markets that were planned for."""
        if over := self._desk.table.fills_complete_to(self._complete_to_ms):
            self._rounds.touch(self._desk.held_up())  # who waits for the room that they took
        for order in over:
            self._rounds.touch((order.ticker,))
            await self._close(order)
        wall_s = self.clock.now_s()
        room = self._room()
        losses_e6 = {ticker: claim.loss_e6 for ticker, claim in self._desk.claims().items()}
        due = first_to_leave(self._rounds.due(self._desk.tickers(), self._now()), losses_e6)
        for ticker in due:
            planned_s, wakes_at_s = self._now(), math.inf
            for command in self._desk.plan(ticker, self._permit, planned_s, wall_s):
                if not room.admits(command.kind):  # planned again when there are tokens
                    wakes_at_s = self._now() + TICK_S
                    continue
                self._desk.command_sent(command, self._now())
                self._handed[command.kind] += 1
                self._call_for_help(ticker, command)
                await self._to_wire(
                    command.request, command.client_order_id, command.kind, valid_s=self._valid_s(command)
                )
            # As of the plan: a wait that has ended since then is not over for a market that sleeps.
            self._rounds.sleep(ticker, min(wakes_at_s, self._desk.wakes_at_s(ticker, planned_s, wall_s)))
        return due

    def _call_for_help(self, ticker: str, command: PlannedCommand) -> None:
        """After so many tries of one exit a person must look; it goes on, but slowly."""
        attempts = self._desk.market(ticker).exit_attempts
        if command.kind is CommandClass.EXIT and attempts == self.parameters.exit_attempts_max:
            self._alert("exit_stuck", "error", f"{ticker}: {attempts} exit orders did not close the position")

    def _room(self) -> WriteRoom:
        """What can get its tokens before it is too old."""
        wire = self._wire
        if wire is None:
            return WriteRoom(exits=EXITS_UNHEARD, quotes=0)
        return write_room(
            tokens=wire.write_tokens
            + wire.write_refill_per_s * min(self._now() - wire.published_at_s, HEALTH_COUNTS_S),
            reserve=wire.write_reserve,
            refill_per_s=wire.write_refill_per_s,
            exits_ahead_s=TICK_S,
            quotes_ahead_s=self.parameters.command_valid_s,
            exits_handed_over=self._handed[CommandClass.EXIT],
            quotes_handed_over=self._handed[CommandClass.QUOTE] + self._handed[CommandClass.RENEW],
        )

    def _valid_s(self, command: PlannedCommand) -> float:
        """A quote may leave only while what allowed it still stands."""
        if command.kind not in (CommandClass.QUOTE, CommandClass.RENEW):
            return command.valid_s
        lease_s = self._risk.lease_until_s - self._now() if self._risk is not None else 0.0
        proof_s = self._feed.proof_at_s + self.feed_limits.freeze_s - self._now() if self._feed else 0.0
        return max(0.0, min(command.valid_s, lease_s, proof_s))

    async def _close(self, order: TrackedOrder) -> None:
        await self._to_wire(
            CloseOrder(client_order_id=order.client_order_id, outcome=order.outcome),
            order.client_order_id,
            CommandClass.CANCEL,
        )
        values = (
            ("client_order_id", order.client_order_id),
            ("ticker", order.ticker),
            ("side", order.side.value),
            ("price_e4", order.price_e4),
            ("count_e2", order.count_e2),
            ("filled_e2", order.filled_booked_e2),
            ("outcome", order.outcome),
            ("at_ms", self.clock.now_ms()),
        )
        await self.context.outbox.send(Record(table="orders", values=values))

    async def _to_wire(
        self,
        request: object,
        client_order_id: str,
        kind: CommandClass,
        *,
        valid_s: float = 60.0,
        slot: object = None,
    ) -> None:
        self._commands += 1
        await self.context.outbox.send(
            WireCommand(
                command_id=self._commands,
                client_order_id=client_order_id,
                incarnation=self.context.incarnation,
                kind=kind,
                valid_until_s=self._now() + valid_s,
                request=request,  # type: ignore[arg-type]
                reply=slot or self.context.mailbox.reply_slot(),  # type: ignore[arg-type]
            )
        )

    # -- shown to others --

    def _show(self, tickers: Iterable[str]) -> None:
        for ticker in tickers:
            # A market that never had an order has its reasons as well.
            view = WorkingOrders(
                ticker=ticker,
                orders=tuple(map(_working, self._desk.table.in_market(ticker))),
                reasons=self._desk.market(ticker).reasons,
            )
            if self._shown.get(ticker) != view:
                self._shown[ticker] = view
                self.context.outbox.publish(view)
        self._show_exits()

    def _show_exits(self) -> None:
        claims = self._desk.claims()
        for ticker in self._exits_shown.keys() - claims.keys():
            del self._exits_shown[ticker]
        for ticker, claim in claims.items():
            status = ExitStatus(
                ticker=ticker,
                claim_id=claim.claim_id,
                working=any(not order.is_quote for order in self._desk.table.in_market(ticker)),
                attempts=self._desk.market(ticker).exit_attempts,
                last_outcome="",
            )
            # Only what is new: StopLoss hears it, and its answer wakes this actor again.
            if self._exits_shown.get(ticker) != status:
                self._exits_shown[ticker] = status
                self.context.outbox.publish(status)

    def _alert(self, code: str, severity: str, text: str) -> None:
        self.context.log.warning(text)
        self.context.outbox.publish(
            Alert(code=code, severity=severity, actor="order_desk", text=text, at_ms=self.clock.now_ms())
        )


def _limits(view: RiskView) -> tuple[object, ...]:
    """What of risk's word a plan depends on."""
    return view.caps, view.cash_available_e6, view.is_halted


def _adopted(journaled: JournaledOrder, now_s: float, latest_ms: int) -> TrackedOrder:
    """An order of this boot from the journal. One without any answer counts as unknown; one that landed and has a
    change without an answer rests, but the change may still come, so it is to be cancelled.
    """
    has_landed = journaled.order_id is not None
    in_doubt = has_landed and journaled.state is not JournaledState.RESTING
    return TrackedOrder(
        request=journaled.request,
        is_quote=journaled.request.time_in_force is TimeInForce.GOOD_TILL_CANCELED,
        state=OrderState.RESTING if has_landed else OrderState.UNKNOWN,
        order_id=journaled.order_id,
        filled_seen_e2=journaled.filled_e2,
        is_total_sure=not in_doubt,
        must_cancel=in_doubt,
        may_change_late=in_doubt,
        landed_by_ms=journaled.ts_ms if has_landed else None,
        unknown_since_s=None if has_landed else now_s,
        signed_before_ms=latest_ms,
        next_change_s=now_s + 1.0,
        last_change_ms=journaled.ts_ms,
    )


def _book_top(view: BookView) -> BookTop:
    best_bid, best_ask = view.best_bid, view.best_ask
    return BookTop(
        best_bid_e4=best_bid.price_e4 if best_bid else None,
        best_ask_e4=best_ask.price_e4 if best_ask else None,
        is_live=view.condition is BookCondition.LIVE,
        generation=view.generation,
    )


def _target(message: TargetQuotes) -> Target:
    return Target(
        bid=_wanted(message.bid),
        ask=_wanted(message.ask),
        generation=message.generation,
        incarnation=message.incarnation,
        position_max_e2=message.position_max_e2,
    )


def _wanted(target: QuoteTarget | None) -> Wanted | None:
    if target is None:
        return None
    return Wanted(price_e4=target.price_e4, count_e2=target.count_e2, filled_max_e2=target.filled_max_e2)


def _working(order: TrackedOrder) -> WorkingOrder:
    return WorkingOrder(
        client_order_id=order.client_order_id,
        side=order.side,
        price_e4=order.price_e4,
        remaining_e2=order.remaining_e2,
        state=order.state.value,
        is_quote=order.is_quote,
    )
