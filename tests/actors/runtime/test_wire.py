"""The Wire: what leaves, what does not, and that every command is journaled and answered whatever happens around it."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from actors.messages.money import ReadAccount
from actors.messages.orders import CloseOrder, JournaledState, OpenGroup, OrderList, ReadFailed, ReadOrders, WireOutcome
from actors.runtime.journal import GroupOpened, JournalState, replay
from actors.runtime.server_clock import LATEST_MARGIN_MS
from actors.runtime.wire import (
    CANCELS_MAX,
    COMMANDS_MAX,
    HEALTH_EVERY_S,
    READS_MAX,
    RESERVE_PER_GROUP,
    RESERVE_PER_ORDER,
)
from kalshi.errors import ExchangeError, OutcomeUnknown, RateLimited, Rejected, Unavailable
from kalshi.numbers import CountE2
from kalshi.types import CreateOrder, Order
from quant.orders.commands import CommandClass, OrderRequest, OutcomeKind
from tests.actors.runtime.wire_stage import ScriptedClient, WireStage
from tests.quant.orders.sentences import CANCEL, amend, create, created, decrease, exit_create

RESTING_CODES = ["CreateIntended", "CreateAnswered"]
REDUCING: list[OrderRequest] = [CANCEL, decrease(40)]


def class_of(request: OrderRequest) -> CommandClass:
    if request in REDUCING:
        return CommandClass.CANCEL
    return CommandClass.EXIT if isinstance(request, CreateOrder) and request.reduce_only else CommandClass.QUOTE


class TestAnEnd:
    async def test_yes_is_accepted_with_its_answer(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            outcome = await stage.command(create())
            assert (outcome.kind, outcome.ack, outcome.request) == (
                OutcomeKind.ACCEPTED,
                created(order_id="o-us-1"),
                create(),
            )
            assert (outcome.client_order_id, outcome.command_id) == ("us-1", stage.commands)
            assert outcome.server_ms == stage.clock.now_ms() + LATEST_MARGIN_MS
            assert stage.journal.state.orders["us-1"].state is JournaledState.RESTING

    @pytest.mark.parametrize(
        ("end", "kind", "code"),
        [
            (Rejected(400, "Invalid_Price", "no"), OutcomeKind.REJECTED, "invalid_price"),
            (OutcomeUnknown("no answer"), OutcomeKind.UNKNOWN, ""),
            (Unavailable("not connected"), OutcomeKind.NEVER_SENT, "unavailable"),
            (RateLimited("429"), OutcomeKind.NEVER_SENT, "unavailable"),
        ],
    )
    @pytest.mark.parametrize("request_", [create(), exit_create("us-1"), amend(150), *REDUCING])
    async def test_no_and_nothing_are_told_apart(
        self, autojump_clock: MockClock, end: ExchangeError, kind: OutcomeKind, code: str, request_: OrderRequest
    ) -> None:
        async with WireStage(ScriptedClient(ends=[end])).running() as stage:
            outcome = await stage.command(request_, kind=class_of(request_))
            assert (outcome.kind, outcome.code, outcome.ack) == (kind, code, None)
            assert outcome.message == str(end)

    @pytest.mark.parametrize(
        ("end", "state"),
        [
            (Rejected(400, "no", ""), None),
            (Unavailable("down"), None),
            (OutcomeUnknown("?"), JournaledState.UNKNOWN),
            (Rejected(409, "order_already_exists", ""), JournaledState.UNKNOWN),
        ],
    )
    async def test_of_a_create_is_what_the_journal_says(
        self, autojump_clock: MockClock, end: ExchangeError, state: JournaledState | None
    ) -> None:
        async with WireStage(ScriptedClient(ends=[end])).running() as stage:
            await stage.command(create())
            order = stage.journal.state.orders.get("us-1")
            assert (order.state if order else None) is state
            assert stage.kinds_written() == RESTING_CODES

    @pytest.mark.parametrize(
        ("request_", "kind", "records"),
        [
            (amend(150), CommandClass.QUOTE, ["AmendIntended", "AmendAnswered"]),
            (amend(150), CommandClass.RENEW, ["AmendIntended", "AmendAnswered"]),
            (decrease(40), CommandClass.CANCEL, ["DecreaseIntended", "DecreaseAnswered"]),
            (CANCEL, CommandClass.CANCEL, ["CancelIntended", "ChangeAnswered"]),
        ],
    )
    async def test_of_every_command_is_journaled_after_its_intent(
        self, autojump_clock: MockClock, request_: OrderRequest, kind: CommandClass, records: list[str]
    ) -> None:
        async with WireStage().running() as stage:
            await stage.command(create())
            outcome = await stage.command(request_, kind=kind)
            assert outcome.kind is OutcomeKind.ACCEPTED
            assert stage.kinds_written() == [*RESTING_CODES, *records]

    async def test_of_a_group_is_its_id(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            outcome = await stage.open_group(3)
            assert (outcome.kind, outcome.ack) == (OutcomeKind.ACCEPTED, "group-3")
            assert stage.wire.open_groups == {"group-3": 3}
            stage.data.ends.append(OutcomeUnknown("?"))
            assert (await stage.open_group(4)).kind is OutcomeKind.UNKNOWN
            assert stage.wire.open_groups == {"group-3": 3}

    async def test_of_an_order_closes_it_in_the_journal(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            await stage.command(create())
            await stage.post(CloseOrder(client_order_id="us-1", outcome="done"), kind=CommandClass.CANCEL)
            await trio.sleep(0.01)
            assert stage.journal.state.orders == {}


class TestTheIntent:
    async def test_is_in_the_journal_before_the_first_byte(self, autojump_clock: MockClock) -> None:
        stage = WireStage()
        seen: list[list[str]] = []
        stage.data.on_check = lambda: seen.append(stage.kinds_written())
        async with stage.running():
            await stage.command(create())
            await stage.command(amend(150))
        assert seen == [["CreateIntended"], [*RESTING_CODES, "AmendIntended"]]

    @pytest.mark.parametrize("request_", [create(), amend(150), exit_create("us-1")])
    async def test_that_cannot_be_written_keeps_the_order_here(
        self, autojump_clock: MockClock, request_: OrderRequest
    ) -> None:
        async with WireStage().running() as stage:
            stage.disk_is_full = True
            outcome = await stage.command(request_, kind=class_of(request_))
            assert (outcome.kind, outcome.code, stage.data.sent) == (OutcomeKind.NEVER_SENT, "journal", [])
            assert "No space left" in outcome.message

    @pytest.mark.parametrize("request_", REDUCING)
    async def test_of_what_only_reduces_may_be_lost(self, autojump_clock: MockClock, request_: OrderRequest) -> None:
        async with WireStage().running() as stage:
            stage.disk_is_full = True
            assert (await stage.command(request_, kind=CommandClass.CANCEL)).kind is OutcomeKind.ACCEPTED

    async def test_no_group_is_opened_that_the_journal_would_not_know(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            stage.disk_is_full = True
            await stage.command(create())
            outcome = await stage.open_group()
            assert (outcome.kind, outcome.code, stage.data.sent) == (OutcomeKind.NEVER_SENT, "journal", [])

    async def test_of_a_repeat_that_failed_does_not_answer_the_first(self, autojump_clock: MockClock) -> None:
        """The first create is on its way, its desk crashed, the repeat cannot be journaled: nothing is forgotten."""
        stage = WireStage(ScriptedClient(latency_s=1.0))
        async with stage.running():
            await stage.post(create())
            await trio.sleep(0.1)
            await stage.take_over()
            stage.disk_is_full = True
            assert (await stage.command(create())).kind is OutcomeKind.NEVER_SENT
            stage.disk_is_full = False
            stage.permit(False)
            assert (await stage.command(create())).kind is OutcomeKind.NEVER_SENT
            assert "us-1" in stage.journal.state.orders
            again = JournalState()
            replay(stage.lines, again)
            assert "us-1" in again.orders


class TestTheLastCheck:
    @staticmethod
    async def refused(stage: WireStage, request: OrderRequest | OpenGroup = create()) -> str:  # noqa: B008
        kind = CommandClass.QUOTE if isinstance(request, OpenGroup) else class_of(request)
        outcome = await stage.command(request, kind=kind)
        assert (outcome.kind, outcome.code, stage.data.sent) == (OutcomeKind.NEVER_SENT, "last_check", [])
        return outcome.message

    @pytest.mark.parametrize(
        "request_",
        [create(), amend(150), exit_create("us-1"), OpenGroup(exchange_index=0, contracts_limit_e2=CountE2(1))],
    )
    async def test_stops_everything_that_adds_once_the_latch_is_closed(
        self, autojump_clock: MockClock, request_: OrderRequest | OpenGroup
    ) -> None:
        async with WireStage().running() as stage:
            stage.latch.close("over")
            assert "latch" in await self.refused(stage, request_)

    @pytest.mark.parametrize("request_", [create(), amend(150), exit_create("us-1")])
    async def test_is_made_again_right_before_the_first_byte(
        self, autojump_clock: MockClock, request_: OrderRequest
    ) -> None:
        stage = WireStage()

        def close_latch() -> None:
            stage.latch.close("now")

        stage.data.on_check = close_latch
        async with stage.running():
            assert "latch" in await self.refused(stage, request_)
            assert stage.journal.state.orders == {}

    @pytest.mark.parametrize("request_", [create(), amend(150)])
    async def test_stops_quotes_without_a_permit(self, autojump_clock: MockClock, request_: OrderRequest) -> None:
        async with WireStage().running() as stage:
            stage.permit(False)
            assert await self.refused(stage, request_) == "no permit"

    async def test_stops_quotes_before_any_permit_was_heard(self, autojump_clock: MockClock) -> None:
        stage = WireStage()
        async with trio.open_nursery() as nursery:
            await nursery.start(stage.wire.run)
            await stage.take_over()
            assert await self.refused(stage) == "no permit"
            nursery.cancel_scope.cancel()

    async def test_lets_exits_and_groups_pass_without_a_permit(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            stage.permit(False)
            assert (await stage.command(exit_create(), "us-x", CommandClass.EXIT)).kind is OutcomeKind.ACCEPTED
            assert (await stage.open_group()).kind is OutcomeKind.ACCEPTED

    async def test_stops_a_create_into_a_group_that_is_shut(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            await stage.open_group()
            await stage.wire.shut_groups("test")
            stage.data.sent.clear()
            assert "shut" in await self.refused(stage, create(group_id="group-0"))
            assert (await stage.command(create("us-2", group_id="other"), "us-2")).kind is OutcomeKind.ACCEPTED

    async def test_stops_what_was_asked_by_an_older_desk(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            stage.incarnation = 5
            await stage.take_over()
            stage.incarnation = 1
            assert "newer OrderDesk (6)" in await self.refused(stage)

    async def test_stops_what_is_late(self, autojump_clock: MockClock) -> None:
        stage = WireStage()
        async with stage.running():
            outcome = await stage.command(create(), valid_s=-0.1)
            assert (outcome.kind, outcome.message) == (OutcomeKind.NEVER_SENT, "0.100 s too late")

    async def test_lets_what_only_reduces_pass_whatever_happened(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            stage.latch.close("over")
            stage.permit(False)
            stage.incarnation = 0
            for request in REDUCING:
                assert (await stage.command(request, kind=CommandClass.CANCEL)).kind is OutcomeKind.ACCEPTED

    async def test_hears_of_a_permit_that_was_withdrawn_while_the_token_was_waited_for(
        self, autojump_clock: MockClock
    ) -> None:
        async with WireStage(ScriptedClient(token_wait_s=0.2)).running() as stage:
            slot = await stage.post(create())
            await trio.sleep(0.1)
            stage.permit(False)
            assert (await slot.get()).message == "no permit"
            assert stage.data.sent == []

    async def test_hears_of_a_permit_behind_more_commands_than_may_be_under_way(
        self, autojump_clock: MockClock
    ) -> None:
        async with WireStage(ScriptedClient(token_wait_s=0.2)).running() as stage:
            slots = [await stage.post(create(f"us-{n}"), f"us-{n}") for n in range(COMMANDS_MAX + 20)]
            stage.permit(False)
            outcomes = [await slot.get() for slot in slots]
            assert {outcome.kind for outcome in outcomes} == {OutcomeKind.NEVER_SENT}
            assert [outcome.code for outcome in outcomes].count("busy") == 20
            assert stage.data.sent == []
            assert stage.journal.state.orders == {}


class TestWaiting:
    @pytest.mark.parametrize("request_", [create(), amend(150), exit_create("us-1"), *REDUCING])
    async def test_for_a_token_ends_at_valid_until(self, autojump_clock: MockClock, request_: OrderRequest) -> None:
        async with WireStage(ScriptedClient(token_wait_s=10.0)).running() as stage:
            before_s = trio.current_time()
            outcome = await stage.command(request_, kind=class_of(request_), valid_s=0.25)
            assert (outcome.kind, outcome.code, stage.data.sent) == (OutcomeKind.NEVER_SENT, "late", [])
            assert trio.current_time() - before_s == pytest.approx(0.25)
            assert stage.journal.state.orders == {}

    async def test_for_a_connection_does_not_hold_back_a_cancel(self, autojump_clock: MockClock) -> None:
        async with WireStage(ScriptedClient(connect_s=1.0)).running() as stage:
            assert (await stage.command(CANCEL, kind=CommandClass.CANCEL, valid_s=0.25)).kind is OutcomeKind.ACCEPTED

    async def test_for_a_connection_makes_a_quote_too_old(self, autojump_clock: MockClock) -> None:
        async with WireStage(ScriptedClient(connect_s=1.0)).running() as stage:
            outcome = await stage.command(create(), valid_s=0.25)
            assert (outcome.code, outcome.message, stage.data.sent) == ("last_check", "0.750 s too late", [])

    async def test_for_an_answer_does_not(self, autojump_clock: MockClock) -> None:
        async with WireStage(ScriptedClient(latency_s=2.5)).running() as stage:
            assert (await stage.command(create(), valid_s=0.25)).kind is OutcomeKind.ACCEPTED


class TestAnotherDesk:
    async def test_gets_the_unsent_commands_of_the_older_one_back_before_it_reads_the_journal(
        self, autojump_clock: MockClock
    ) -> None:
        async with WireStage(ScriptedClient(token_wait_s=1.0)).running() as stage:
            await stage.post(create("us-1"), "us-1", valid_s=5.0)
            await stage.post(CANCEL, "us-0", CommandClass.CANCEL, valid_s=5.0)
            await trio.sleep(0.1)
            recovered = await stage.take_over()
            assert (recovered.orders, trio.current_time()) == ((), 0.1)
            await trio.sleep(2.0)
            assert stage.data.sent == [CANCEL]  # an older cancel is as good as a new one

    async def test_finds_what_has_left_as_unknown_and_its_answer_later_in_the_journal(
        self, autojump_clock: MockClock
    ) -> None:
        async with WireStage(ScriptedClient(latency_s=1.0)).running() as stage:
            slot = await stage.post(create())
            await trio.sleep(0.1)
            stage.switchboard.reincarnate("order_desk", 7)
            stage.desk_mailbox = stage.switchboard.mailbox("order_desk")
            (order,) = (await stage.take_over()).orders
            assert (order.state, order.order_id, trio.current_time()) == (JournaledState.INTENT, None, 0.1)
            await trio.sleep(1.0)
            assert stage.journal.state.orders["us-1"].state is JournaledState.RESTING
            (order,) = (await stage.take_over()).orders
            assert order.order_id == "o-us-1"
            assert stage.desk_mailbox.statistics().dead_letters == 1
            assert slot is not None

    async def test_is_not_fooled_by_an_answer_that_overtakes_the_handover(self, autojump_clock: MockClock) -> None:
        stage = WireStage()
        async with stage.running():
            await stage.command(create())
            slot = await stage.post(amend(300, order_id="o-us-1"), valid_s=2.0)
            stage.data.latency_s = 0.5
            await trio.sleep(0.2)
            (order,) = (await stage.take_over()).orders
            assert (order.state, order.order_id, order.request.count_e2) == (
                JournaledState.UNKNOWN,
                "o-us-1",
                300,
            )
            assert (await slot.get()).kind is OutcomeKind.ACCEPTED

    async def test_learns_which_groups_are_open(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            await stage.open_group(0)
            await stage.open_group(1)
            assert (await stage.take_over()).groups == ((0, "group-0"), (1, "group-1"))
            await stage.wire.shut_groups("silence")
            await stage.open_group(2)
            assert (await stage.take_over()).groups == ((2, "group-2"),)

    async def test_cannot_be_older_than_the_present_one(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            stage.incarnation = 8
            await stage.take_over()
            stage.incarnation = 2
            await stage.take_over()  # 3: answered, but its commands are refused
            assert (await stage.command(create())).code == "last_check"


class TestShuttingTheEpoch:
    async def test_triggers_every_group_and_says_so(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            await stage.open_group(0)
            await stage.open_group(1)
            await stage.wire.shut_groups("nobody is there")
            assert sorted(stage.control.triggers) == ["group-0", "group-1"]
            assert (await stage.health()).shut_groups == ("group-0", "group-1")
            assert stage.alerts() == ["epoch_shut"]
            assert all(group.triggered for group in stage.journal.state.groups.values())

    async def test_goes_on_until_the_exchange_answers(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            await stage.open_group(0)
            stage.control.trigger_ends = [Unavailable("down")] * 300
            await stage.wire.shut_groups("nobody is there")
            assert len(stage.control.triggers) == 301
            assert stage.journal.state.groups["group-0"].triggered

    async def test_twice_triggers_once(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            await stage.open_group(0)
            await stage.wire.shut_groups("once")
            await stage.wire.shut_groups("twice")
            assert stage.control.triggers == ["group-0"]

    async def test_ends_with_a_group_that_does_not_exist(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            await stage.open_group(0)
            stage.control.trigger_ends = [Rejected(404, "not_found", "")] * 2
            await stage.wire.shut_groups("once")
            assert stage.control.triggers == ["group-0"]


class TestHealth:
    async def test_is_told_every_moment(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            health = await stage.health()
            assert (health.journal_healthy, health.clock_sane, health.latch_open) == (True, True, True)
            assert (health.clock_offset_ms, health.shut_groups) == (0, ())
            assert health.published_at_s == pytest.approx(trio.current_time(), abs=HEALTH_EVERY_S)

    async def test_tells_of_the_latch_at_once(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            await stage.health()
            stage.latch.close("over")
            before_s = trio.current_time()
            (health,) = await stage.snapshot_mailbox.receive()
            assert (health.latch_open, trio.current_time()) == (False, before_s)  # type: ignore[attr-defined]

    async def test_finds_the_disk_free_again_although_nothing_is_sent(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            stage.disk_is_full = True
            await stage.command(create())
            assert not (await stage.health()).journal_healthy
            stage.disk_is_full = False
            assert (await stage.health()).journal_healthy

    async def test_keeps_tokens_back_for_the_way_out(self, autojump_clock: MockClock) -> None:
        async with WireStage().running() as stage:
            stage.journal.write(GroupOpened(group_id="g1", exchange_index=0))
            await stage.command(create(group_id="g1"))
            health = await stage.health()
            snapshot = stage.budget.snapshot().write
            assert snapshot.reserve == RESERVE_PER_GROUP + RESERVE_PER_ORDER
            assert health.write_tokens == snapshot.tokens - snapshot.reserve
            assert health.write_refill_per_s == 100.0


class TestReads:
    async def test_that_fail_are_told_as_such(self, autojump_clock: MockClock) -> None:
        async with WireStage(FailingReads()).running() as stage:
            assert await stage.read(ReadOrders(ticker="M", resting_only=False)) == OrderList(
                ticker="M", as_of_ms=0, orders=()
            )
            read = ReadAccount()
            assert await stage.read(read) == ReadFailed(read=read, reason="down")

    async def test_are_answered_with_what_was_read(self, autojump_clock: MockClock) -> None:
        async with WireStage(Reads()).running() as stage:
            assert await stage.read(ReadOrders()) == OrderList(ticker=None, as_of_ms=5_000, orders=())

    async def test_that_are_too_many_do_not_hold_up_a_cancel(self, autojump_clock: MockClock) -> None:
        async with WireStage(SlowReads()).running() as stage:
            failed = 0
            async with trio.open_nursery() as nursery:

                async def read() -> None:
                    nonlocal failed
                    answer = await stage.read(ReadOrders())
                    failed += answer == OrderList(ticker=None, as_of_ms=0, orders=())

                for _ in range(READS_MAX + 5):
                    nursery.start_soon(read)
                await trio.sleep(0.1)
                before_s = trio.current_time()
                assert (await stage.command(CANCEL, kind=CommandClass.CANCEL)).kind is OutcomeKind.ACCEPTED
                assert trio.current_time() - before_s < 0.2
            assert failed == 5


class Reads(ScriptedClient):
    async def user_data_timestamp(self, **_: object) -> int:
        await trio.lowlevel.checkpoint()
        return 5_000

    async def orders_page(self, cursor: str, **_: object) -> tuple[tuple[Order, ...], str]:
        await trio.lowlevel.checkpoint()
        return (), ""


class SlowReads(Reads):
    async def user_data_timestamp(self, **_: object) -> int:
        await trio.sleep(30.0)
        return 5_000


class FailingReads(ScriptedClient):
    async def user_data_timestamp(self, **_: object) -> int:
        await trio.lowlevel.checkpoint()
        raise Unavailable("down")


class TestTooMuchAtOnce:
    async def test_is_answered_and_never_waited_for(self, autojump_clock: MockClock) -> None:
        async with WireStage(ScriptedClient(token_wait_s=1.0)).running() as stage:
            slots = [await stage.post(CANCEL, "us-1", CommandClass.CANCEL, valid_s=9.0) for _ in range(CANCELS_MAX + 1)]
            outcomes: list[WireOutcome] = [await slot.get() for slot in slots]
            assert [outcome.code for outcome in outcomes].count("busy") == 1
