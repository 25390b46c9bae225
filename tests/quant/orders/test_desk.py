"""The desk: which facts count, which of two rules wins, and what is asserted before a command leaves."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import CreateOrder, DecreaseOrder, PriceRange, Side
from quant.invariants import InvariantViolation
from quant.orders.commands import CommandClass, CommandOutcome, OrderAck, OrderRequest, OutcomeKind, PlannedCommand
from quant.orders.desk import CLAIM_TTL_S, BookTop, Claim, Desk, Target
from quant.orders.exits import ATTEMPT_EVERY_S
from quant.orders.parameters import DeskParameters
from quant.orders.permit import Permit
from quant.orders.planner import Wanted
from quant.orders.tracked import OrderState, TrackedOrder
from tests.quant.orders.sentences import (
    amend,
    cancelled,
    create,
    created,
    exit_create,
    filled,
    report,
    resting,
    unknown,
    wanted,
)

CENTS = (PriceRange(start_e4=PriceE4(0), end_e4=PriceE4(10_000), step_e4=PriceE4(100)),)
PERMIT = Permit(may_quote=True, must_withdraw=False, reasons=())
BOOK = BookTop(best_bid_e4=PriceE4(4_500), best_ask_e4=PriceE4(5_500), is_live=True, generation=1)
WALL_S = 9_900.0
CLAIM = Claim(
    claim_id="c1",
    side=Side.ASK,
    count_e2=CountE2(100),
    limit_e4=PriceE4(4_000),
    renewed_at_s=0.0,
    masked_since_s=99.0,
)


def target(bid: Wanted | None, ask: Wanted | None, generation: int = 1) -> Target:
    return Target(bid=bid, ask=ask, generation=generation)


BOTH = target(wanted(4_400), wanted(5_600))


def new_desk(parameters: DeskParameters | None = None) -> Desk:
    """A desk whose market M may be quoted at once."""
    desk = Desk(
        prefix="us-",
        parameters=parameters or DeskParameters(),
        contracts_limit_e2=CountE2(300),
        first_serial=1,
    )
    desk.set_facts("M", 0, CENTS, is_tradable=True)
    desk.set_book("M", BOOK)
    desk.set_target("M", BOTH)
    desk.groups[0] = "g1"
    allow(desk)
    return desk


def allow(desk: Desk, long_e2: int = 1_000, short_e2: int = 1_000, cash_e6: int = 10**9) -> None:
    desk.set_caps([("M", CountE2(long_e2), CountE2(short_e2))], [(0, MoneyE6(cash_e6))])


def send(desk: Desk, now_s: float = 100.0, permit: Permit = PERMIT) -> list[PlannedCommand]:
    """Plans and sends, as the actor does."""
    commands = []
    for command in desk.plan("M", permit, now_s, WALL_S):
        desk.command_sent(command, now_s)
        commands.append(command)
    return commands


def answer(
    desk: Desk,
    command: PlannedCommand,
    kind: OutcomeKind = OutcomeKind.ACCEPTED,
    ack: OrderAck | None = None,
    code: str = "",
    now_s: float = 100.0,
) -> None:
    desk.command_answered(
        CommandOutcome(
            client_order_id=command.client_order_id,
            kind=kind,
            request=command.request,
            server_ms=5_000,
            ack=ack,
            code=code,
        ),
        now_s,
    )


def quoting_desk() -> tuple[Desk, TrackedOrder, TrackedOrder]:
    """A desk with a resting bid and ask."""
    desk = new_desk()
    for place, command in enumerate(send(desk)):
        answer(desk, command, ack=created(order_id=f"o-{place + 1}"))
    bid, ask = desk.table
    return desk, bid, ask


def kinds(commands: list[PlannedCommand]) -> list[str]:
    return [type(command.request).__name__ for command in commands]


class TestAPlan:
    def test_places_both_sides(self) -> None:
        desk = new_desk()
        commands = send(desk)
        assert [(c.client_order_id, c.request.price_e4) for c in commands] == [("us-1", 4_400), ("us-2", 5_600)]  # type: ignore[union-attr]
        assert all(command.kind is CommandClass.QUOTE for command in commands)
        assert desk.market("M").reasons == ()

    def test_spends_the_same_cash_only_once(self) -> None:
        desk = new_desk()
        allow(desk, cash_e6=500_000)
        first, second = (command.request for command in send(desk))
        assert isinstance(first, CreateOrder)
        assert isinstance(second, CreateOrder)
        assert 4_400 * first.count_e2 + 4_400 * second.count_e2 <= 500_000

    def test_that_is_not_sent_is_planned_again_under_the_same_id(self) -> None:
        desk = new_desk()
        assert [c.client_order_id for c in desk.plan("M", PERMIT, 100.0, WALL_S)] == ["us-1", "us-1"]
        assert [c.client_order_id for c in send(desk)] == ["us-1", "us-2"]

    def test_wakes_for_a_cooldown_only_where_it_waits_for_one(self) -> None:
        desk, _, _ = quoting_desk()
        over_s = 100.0 + desk.parameters.cooldown_s
        assert send(desk, now_s=100.1) == []
        assert desk.wakes_at_s("M", 100.1, WALL_S) > over_s, "nothing is wanted that is not there"
        desk.set_target("M", target(wanted(4_300), wanted(5_600)))
        assert send(desk, now_s=100.1) == []
        assert desk.wakes_at_s("M", 100.1, WALL_S) == over_s
        assert kinds(send(desk, now_s=over_s)) == ["AmendOrder"]

    def test_wakes_for_a_new_order_when_its_side_has_cooled(self) -> None:
        desk, bid, _ = quoting_desk()
        bid.end(5_000, outcome="canceled")
        assert send(desk, now_s=100.1) == []
        assert desk.wakes_at_s("M", 100.1, WALL_S) == 100.0 + desk.parameters.cooldown_s

    def test_is_empty_when_all_is_as_wanted(self) -> None:
        desk, _, _ = quoting_desk()
        assert send(desk, now_s=200.0) == []

    def test_leads_with_the_ask_when_the_bid_would_meet_our_own(self) -> None:
        desk, _, _ = quoting_desk()
        desk.set_target("M", target(wanted(5_600), wanted(5_800)))
        desk.set_book("M", attrs.evolve(BOOK, best_bid_e4=PriceE4(5_500), best_ask_e4=PriceE4(5_900)))
        assert [c.client_order_id for c in send(desk, now_s=200.0)] == ["us-2"]
        assert desk.market("M").reasons == ("bid: price would cross our own other side: it moves first",)

    def test_takes_reasons_from_the_permit(self) -> None:
        desk = new_desk()
        assert send(desk, permit=Permit(may_quote=False, must_withdraw=False, reasons=("late",))) == []
        assert desk.market("M").reasons[0] == "late"

    def test_withdraws_everything_when_the_permit_says_so(self) -> None:
        desk, _, _ = quoting_desk()
        gone = Permit(may_quote=False, must_withdraw=True, reasons=("gone",))
        assert kinds(send(desk, now_s=200.0, permit=gone)) == ["CancelOrder", "CancelOrder"]


class TestWhatIsWanted:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda desk: desk.set_target("M", None), "no strategy wants anything"),
            (lambda desk: desk.set_facts("M", 0, CENTS, is_tradable=False), "not tradable"),
            (lambda desk: setattr(desk.market("M"), "paused", True), "paused by a person"),
            (lambda desk: desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=199.0), 199.0), "an exit owns"),
            (lambda desk: desk.pull("M"), "its actor crashed"),
            (lambda desk: desk.set_target("M", target(wanted(4_400), wanted(4_400))), "not below its ask"),
        ],
    )
    def test_is_nothing_then_and_what_rests_goes(self, change: Callable[[Desk], None], reason: str) -> None:
        desk, _, _ = quoting_desk()
        change(desk)
        assert kinds(send(desk, now_s=200.0)) == ["CancelOrder", "CancelOrder"]
        assert any(reason in said for said in desk.market("M").reasons)

    def test_counts_only_on_the_book_that_it_was_decided_on(self) -> None:
        desk = new_desk()
        desk.set_book("M", attrs.evolve(BOOK, generation=2))
        assert send(desk) == []
        assert any("another connection's book" in said for said in desk.market("M").reasons)
        desk.set_target("M", attrs.evolve(BOTH, generation=2))
        assert len(send(desk)) == 2

    def test_that_is_void_leaves_what_rests_but_moves_nothing(self) -> None:
        desk, _, _ = quoting_desk()
        desk.set_book("M", attrs.evolve(BOOK, generation=2))
        desk.set_target("M", target(wanted(4_300), wanted(5_700)))
        assert send(desk, now_s=200.0) == []

    def test_may_be_one_side_only(self) -> None:
        desk = new_desk()
        desk.set_target("M", target(None, wanted(5_600)))
        assert [c.request.side for c in send(desk)] == [Side.ASK]  # type: ignore[union-attr]
        assert target(None, wanted(5_600)).side(Side.BID) is None

    def test_after_a_crash_counts_again_only_when_the_old_quotes_are_gone(self) -> None:
        desk, _, _ = quoting_desk()
        desk.pull("M")
        cancels = send(desk, now_s=200.0)
        assert kinds(send(desk, now_s=200.1)) == []
        for command in cancels:
            answer(desk, command, ack=cancelled(100))
        assert kinds(send(desk, now_s=200.2)) == ["CreateOrder", "CreateOrder"]

    def test_in_a_market_without_rules_is_nothing_and_what_rests_there_goes(self) -> None:
        """As after a restart of the desk, when nobody tells of the market any more."""
        desk = Desk(prefix="us-", parameters=DeskParameters(), contracts_limit_e2=CountE2(300), first_serial=1)
        desk.adopt(resting())
        assert desk.tickers() == ["M"]
        assert kinds(send(desk)) == ["CancelOrder"]
        assert desk.market("M").reasons[-1] == "the market's rules are not known yet"


class TestCaps:
    def test_of_a_market_that_risk_does_not_name_are_zero(self) -> None:
        desk, _, _ = quoting_desk()
        desk.set_caps([("other", CountE2(5), CountE2(5))], [(0, MoneyE6(10**9))])
        assert kinds(send(desk, now_s=200.0)) == ["CancelOrder", "CancelOrder"]

    def test_bind_each_side_by_itself(self) -> None:
        desk = new_desk()
        allow(desk, long_e2=30, short_e2=40)
        assert [c.request.count_e2 for c in send(desk)] == [30, 40]  # type: ignore[union-attr]

    def test_may_close_a_side_even_to_what_would_reduce(self) -> None:
        desk, _, _ = quoting_desk()
        desk.set_closed_sides([("M", Side.BID)])
        (command,) = send(desk, now_s=200.0)
        assert command.client_order_id == "us-1"
        assert desk.market("M").reasons == ("bid: risk allows nothing",)
        answer(desk, command, ack=cancelled(100))
        desk.set_closed_sides([])
        assert kinds(send(desk, now_s=201.0)) == ["CreateOrder"]

    def test_that_shrink_take_the_size_down(self) -> None:
        desk, _, _ = quoting_desk()
        allow(desk, long_e2=30)
        (command,) = send(desk, now_s=100.1)
        assert isinstance(command.request, DecreaseOrder)
        assert command.request.reduce_to_e2 == 30


class TestFills:
    def test_make_the_position_once_each_and_in_order(self) -> None:
        desk = new_desk()
        assert desk.fill_numbered(1, filled(30, "x"))
        assert desk.fill_numbered(2, filled(10, "y", side=Side.ASK))
        assert not desk.fill_numbered(2, filled(10, "y", side=Side.ASK))
        assert (desk.market("M").position_e2, desk.watermark) == (20, 2)
        assert (desk.reducible_e2("M", Side.ASK), desk.reducible_e2("M", Side.BID)) == (20, 0)

    def test_the_end_of_a_market_that_nobody_dealt_with_leaves_no_trace(self) -> None:
        """I11: the exchange tells of every market's end."""
        desk = new_desk()
        desk.position_settled("ELSEWHERE")
        assert "ELSEWHERE" not in desk.tickers()

    def test_an_ended_market_is_forgotten_once_nothing_is_left_of_it(self) -> None:
        desk = new_desk()
        desk.fill_numbered(1, filled(30, "x"))
        assert not desk.forget_idle("M")
        desk.position_settled("M")
        desk.set_target("M", None)
        assert desk.forget_idle("M")
        assert "M" not in desk.tickers()

    def test_with_a_gap_are_a_defect(self) -> None:
        with pytest.raises(InvariantViolation, match="I4"):
            new_desk().fill_numbered(2, filled(30))

    def test_of_a_settled_market_are_cash_now(self) -> None:
        desk = new_desk()
        desk.fill_numbered(1, filled(30, "x"))
        desk.position_settled("M")
        assert desk.market("M").position_e2 == 0

    def test_belong_to_the_group_of_their_order(self) -> None:
        desk, _, _ = quoting_desk()
        ours = filled(10, "o-1", at_ms=2_000)
        theirs, before_us = filled(10, "foreign", at_ms=2_000), filled(10, "foreign", at_ms=1_000)
        assert desk.fills_of_group("g1", [ours, theirs, before_us], before_us_ms=1_500) == [ours, before_us]
        assert desk.fills_of_group("g2", [ours], before_us_ms=9_000) == []


class TestGroups:
    def test_are_needed_where_something_is_wanted_and_there_is_cash(self) -> None:
        desk = new_desk()
        desk.groups.clear()
        assert desk.shards_without_group() == [0]
        allow(desk, cash_e6=0)
        assert desk.shards_without_group() == []
        allow(desk)
        desk.set_target("M", target(None, None))
        assert desk.shards_without_group() == []
        desk.set_target("M", BOTH)
        desk.groups[0] = "g1"
        assert desk.shards_without_group() == []

    def test_that_were_shut_end_what_was_on_its_way_into_them(self) -> None:
        desk = new_desk()
        order = unknown()
        desk.adopt(order)
        desk.group_shut("g1", 4_000)
        desk.market_list_seen(4_001, "M", (), 9_000)
        assert order.state is OrderState.ENDED


class TestUnknownOrders:
    def test_have_their_grace_before_the_list_is_asked(self) -> None:
        desk = new_desk()
        desk.adopt(unknown())
        desk.adopt(unknown(create("us-8", ticker="A")))
        assert desk.unknown_since_s(0.2) == {}
        assert list(desk.unknown_since_s(0.3)) == ["A", "M"]

    def test_are_repeated_under_their_id(self) -> None:
        desk = new_desk()
        desk.set_target("M", target(wanted(4_400), None))
        (command,) = send(desk)
        answer(desk, command, OutcomeKind.UNKNOWN)
        assert send(desk, now_s=100.9) == []
        (again,) = send(desk, now_s=101.0)
        assert again.client_order_id == command.client_order_id


class TestRefusals:
    def test_are_not_repeated_in_a_storm(self) -> None:
        desk = new_desk()
        desk.set_target("M", target(wanted(4_400), None))
        (command,) = send(desk)
        answer(desk, command, OutcomeKind.REJECTED, code="insufficient_balance", now_s=100.05)
        desk.table.fills_complete_to(0)
        assert send(desk, now_s=101.0) == []
        assert len(send(desk, now_s=101.05)) == 1

    def test_of_orders_that_nobody_tracks_are_no_concern(self) -> None:
        desk = new_desk()
        answer(desk, PlannedCommand(kind=CommandClass.CANCEL, client_order_id="?", request=amend(1), valid_s=1.0))
        assert len(desk.table) == 0

    def test_never_sent_quotes_are_planned_again_after_the_cooldown(self) -> None:
        desk = new_desk()
        desk.set_target("M", target(wanted(4_400), None))
        (command,) = send(desk)
        answer(desk, command, OutcomeKind.NEVER_SENT, code="late")
        desk.table.fills_complete_to(0)
        assert send(desk, now_s=100.29) == []
        assert [c.client_order_id for c in send(desk, now_s=100.3)] == ["us-2"]


class TestExits:
    @staticmethod
    def holding_desk() -> Desk:
        desk = new_desk()
        desk.set_target("M", None)
        desk.fill_numbered(1, filled(100, "x"))
        return desk

    def test_work_a_claim(self) -> None:
        desk = self.holding_desk()
        desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=100.0), 100.0)
        (command,) = send(desk)
        assert (command.kind, desk.market("M").exit_attempts) == (CommandClass.EXIT, 1)
        order = desk.table.get(command.client_order_id)
        assert order is not None
        assert not order.is_quote

    def test_mask_what_the_market_wants_until_they_let_go(self) -> None:
        """I25: the quotes leave, and none comes back while the exit owns the market."""
        desk, _, _ = quoting_desk()
        desk.fill_numbered(1, filled(100, "x"))
        desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=100.0), 100.0)
        leaving = send(desk)
        assert kinds(leaving) == ["CancelOrder", "CancelOrder"]
        for place, command in enumerate(leaving):
            answer(desk, command, ack=attrs.evolve(cancelled(100), order_id=f"o-{place + 1}"))
        (exit_,) = send(desk, 102.0)
        assert exit_.kind is CommandClass.EXIT
        assert send(desk, 104.0) == []
        answer(desk, exit_, OutcomeKind.NEVER_SENT, now_s=104.0)
        desk.claim_exit("M", None, 105.0)
        assert [command.kind for command in send(desk, 110.0)] == [CommandClass.QUOTE] * 2

    def test_go_on_while_the_claim_is_renewed_and_start_anew_with_another_claim(self) -> None:
        desk = self.holding_desk()
        desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=100.0), 100.0)
        send(desk)
        desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=105.0), 105.0)
        market = desk.market("M")
        assert market.claim is not None
        assert (market.claim.masked_since_s, market.exit_attempts) == (100.0, 1)
        desk.claim_exit("M", attrs.evolve(CLAIM, claim_id="c2", renewed_at_s=106.0), 106.0)
        assert (market.claim.masked_since_s, market.exit_attempts, market.exit_sent_s) == (106.0, 0, None)

    def test_end_with_the_claim(self) -> None:
        desk = self.holding_desk()
        desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=100.0), 100.0)
        desk.claim_exit("M", None, 101.0)
        assert send(desk) == []

    def test_end_when_the_claim_is_not_renewed(self) -> None:
        desk = self.holding_desk()
        desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=100.0), 100.0)
        assert send(desk, now_s=100.0 + CLAIM_TTL_S + 0.1) == []
        assert desk.market("M").claim is None

    def test_that_never_left_were_no_attempts_but_still_have_their_pause(self) -> None:
        desk = self.holding_desk()
        desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=100.0), 100.0)
        (command,) = send(desk)
        answer(desk, command, OutcomeKind.NEVER_SENT, code="late")
        desk.table.fills_complete_to(0)
        assert desk.market("M").exit_attempts == 0
        assert send(desk, now_s=100.0 + ATTEMPT_EVERY_S - 0.01) == []
        assert len(send(desk, now_s=100.0 + ATTEMPT_EVERY_S)) == 1

    def test_give_way_where_others_have_orders(self) -> None:
        desk = self.holding_desk()
        desk.whole_list_seen(5_000, (report(client_order_id="theirs"),), 6_000)
        desk.claim_exit("M", attrs.evolve(CLAIM, renewed_at_s=100.0), 100.0)
        (command,) = send(desk)
        assert command.request.self_trade_prevention == "taker_at_cross"  # type: ignore[union-attr]


class TestTheLease:
    def test_is_longer_where_renewals_would_eat_the_budget(self) -> None:
        desk = new_desk(DeskParameters(lease_floor_s=10.0))
        desk.set_write_refill(0.0)  # nonsense counts as one token a second
        desk.adopt(unknown(create("us-8", ticker="N")))
        first, _ = (command.request for command in send(desk))
        assert isinstance(first, CreateOrder)
        assert first.expiration_ts_s == WALL_S + 100


class TestLists:
    def test_show_strays_of_ours(self) -> None:
        stray = report(client_order_id="us-77")
        assert new_desk().whole_list_seen(5_000, (stray, report(client_order_id="theirs")), 6_000).strays == (stray,)


class TestBeforeACommandLeaves:
    """Defects of our own: each check is made once more, independently, and breaking one stops the program."""

    @staticmethod
    def quote(request: OrderRequest, client_order_id: str = "us-1") -> PlannedCommand:
        return PlannedCommand(
            kind=CommandClass.QUOTE,
            client_order_id=client_order_id,
            request=request,
            valid_s=1.0,
        )

    def refused(self, desk: Desk, command: PlannedCommand, invariant: str) -> None:
        with pytest.raises(InvariantViolation) as broken:
            desk.command_sent(command, 100.0)
        assert broken.value.invariant == invariant

    def test_no_quote_on_a_book_that_is_not_live(self) -> None:
        desk = new_desk()
        desk.set_book("M", attrs.evolve(BOOK, is_live=False))
        self.refused(desk, self.quote(create()), "I7")

    def test_no_renewal_on_a_book_that_is_not_live(self) -> None:
        desk, bid, _ = quoting_desk()
        request = amend(bid.count_e2, expiry_ts_s=99)
        renewal = attrs.evolve(self.quote(request, bid.client_order_id), kind=CommandClass.RENEW)
        for book in (attrs.evolve(BOOK, is_live=False), attrs.evolve(BOOK, generation=2)):
            desk.set_book("M", book)
            self.refused(desk, renewal, "I7")
        desk.set_book("M", BOOK)
        self.refused(desk, attrs.evolve(renewal, request=amend(bid.count_e2 + 1, expiry_ts_s=99)), "I8")
        self.refused(desk, attrs.evolve(renewal, request=amend(bid.count_e2, 4_500, expiry_ts_s=99)), "I8")
        self.refused(desk, attrs.evolve(renewal, request=amend(bid.count_e2)), "I29")
        desk.command_sent(renewal, 100.0)
        assert bid.pending == request

    def test_no_quote_for_a_target_of_another_book(self) -> None:
        desk = new_desk()
        desk.set_target("M", attrs.evolve(BOTH, generation=0))
        self.refused(desk, self.quote(create()), "I7")

    def test_no_quote_without_a_target(self) -> None:
        desk = new_desk()
        desk.set_target("M", None)
        self.refused(desk, self.quote(create()), "I7")

    def test_no_quote_in_a_market_that_an_exit_owns(self) -> None:
        desk = new_desk()
        desk.claim_exit("M", CLAIM, 100.0)
        self.refused(desk, self.quote(create()), "I25")

    def test_no_second_quote_on_a_side(self) -> None:
        desk, _, _ = quoting_desk()
        self.refused(desk, self.quote(create("us-99", count_e2=1), "us-99"), "I25")

    @pytest.mark.parametrize("total_e2", [1_001, 1_100])
    def test_no_quote_that_could_pass_the_cap(self, total_e2: int) -> None:
        desk, _, _ = quoting_desk()
        self.refused(desk, self.quote(amend(total_e2, expiry_ts_s=99)), "I8")
        self.refused(new_desk(), self.quote(create(count_e2=total_e2)), "I8")

    @pytest.mark.parametrize("request_", [create(group_id=None), create(expiry_ts_s=None)])
    def test_no_quote_without_group_and_lease(self, request_: CreateOrder) -> None:
        self.refused(new_desk(), self.quote(request_), "I29")

    def test_no_exit_that_could_open_a_position(self) -> None:
        desk = new_desk()
        command = attrs.evolve(self.quote(exit_create("us-1")), kind=CommandClass.EXIT)
        self.refused(desk, command, "I10")
        desk.fill_numbered(1, filled(100, "x"))
        rests = attrs.evolve(command, request=attrs.evolve(exit_create("us-1"), reduce_only=False))
        self.refused(desk, rests, "I10")

    def test_no_second_exit(self) -> None:
        desk = new_desk()
        desk.fill_numbered(1, filled(100, "x"))
        command = attrs.evolve(self.quote(exit_create("us-1")), kind=CommandClass.EXIT)
        desk.command_sent(command, 100.0)
        second = attrs.evolve(command, client_order_id="us-2", request=exit_create("us-2"))
        self.refused(desk, second, "I10")


def test_the_stop_loss_has_the_exit_before_a_session_and_only_the_owner_lets_go() -> None:
    """I25: one owner of exits at a time."""
    desk = new_desk()
    stop_loss = attrs.evolve(CLAIM, renewed_at_s=100.0)
    session = attrs.evolve(CLAIM, claim_id="s1", claimant="session_manager", renewed_at_s=100.0)
    other = attrs.evolve(session, claim_id="s2", claimant="somebody")

    def owner() -> str | None:
        claim = desk.market("M").claim
        return None if claim is None else claim.claim_id

    desk.claim_exit("M", session, 100.0)
    desk.claim_exit("M", other, 100.0)
    assert owner() == "s1"
    desk.claim_exit("M", stop_loss, 101.0)
    assert owner() == "c1"
    desk.claim_exit("M", attrs.evolve(session, renewed_at_s=102.0), 102.0)
    desk.claim_exit("M", None, 102.0, "session_manager")
    assert owner() == "c1"
    desk.claim_exit("M", attrs.evolve(session, renewed_at_s=130.0), 130.0)
    assert owner() == "c1"
    desk.claim_exit("M", attrs.evolve(session, renewed_at_s=130.1), 130.1)
    assert owner() == "s1", "the stop loss did not renew its claim for 30 s"
    desk.claim_exit("M", None, 131.0)
    assert owner() == "s1"
    desk.claim_exit("M", None, 131.0, "session_manager")
    assert owner() is None
