"""One order: what is known of it after every kind of answer, report and fill, and what may still surprise us."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kalshi.types import OrderStatus, Side
from quant.orders.commands import OutcomeKind
from quant.orders.tracked import ALREADY_EXISTS, SIGNATURE_LIFE_MS, UNSENT_WAIT_S, OrderState, TrackedOrder
from tests.quant.orders.sentences import (
    CANCEL,
    EXPIRY_TS_S,
    RETRY_S,
    SERVER_MS,
    amend,
    amended,
    answered,
    book,
    cancelled,
    create,
    created,
    decrease,
    decreased,
    done,
    exit_create,
    failed,
    report,
    resting,
    sent,
    unknown,
)

UNKNOWN, REJECTED, NEVER_SENT = OutcomeKind.UNKNOWN, OutcomeKind.REJECTED, OutcomeKind.NEVER_SENT


class TestACreate:
    def test_counts_in_full_from_the_moment_it_is_sent(self) -> None:
        order = sent()
        assert (order.state, order.open_e2, order.is_live) == (OrderState.SENT, 100, True)

    def test_rests_when_it_was_accepted(self) -> None:
        order = resting()
        assert (order.order_id, order.open_e2, order.remaining_e2, order.has_landed) == ("o-1", 100, 100, True)

    def test_that_was_done_at_once_has_ended_with_what_it_filled(self) -> None:
        order = sent(exit_create())
        answered(order, order.request, ack=created(filled_e2=40, remaining_e2=0))
        assert (order.state, order.open_e2, order.ended_ms) == (OrderState.ENDED, 40, 1_000)

    @pytest.mark.parametrize("kind", [REJECTED, NEVER_SENT])
    def test_that_never_was_is_closed_and_counts_nothing(self, kind: OutcomeKind) -> None:
        order = sent()
        answered(order, order.request, kind, code="invalid_order")
        assert (order.state, order.open_e2, order.outcome) == (OrderState.CLOSED, 0, "invalid_order")

    def test_without_an_answer_is_unknown_and_counts_in_full(self) -> None:
        order = unknown()
        assert (order.state, order.open_e2, order.unknown_since_s) == (OrderState.UNKNOWN, 100, 0.0)
        assert order.next_change_s == RETRY_S

    def test_that_the_exchange_already_has_did_land(self) -> None:
        order = sent()
        answered(order, order.request, REJECTED, code=ALREADY_EXISTS)
        assert (order.state, order.has_landed, order.landed_by_ms) == (OrderState.UNKNOWN, True, SERVER_MS)

    def test_that_has_filled_cannot_have_been_refused(self) -> None:
        order = sent()
        book(order, 50, 900)
        answered(order, order.request, REJECTED, code="strange")
        assert (order.state, order.open_e2) == (OrderState.UNKNOWN, 50)

    def test_answer_that_comes_after_the_private_channel_changes_nothing(self) -> None:
        order = sent()
        order.reported(report(remaining_e2=70, filled_e2=30, at_ms=1_100))
        answered(order, order.request, UNKNOWN)
        assert (order.state, order.filled_seen_e2, order.pending) == (OrderState.RESTING, 30, None)

    def test_that_filled_before_its_answer_ends_with_the_answer(self) -> None:
        order = sent()
        book(order, 100, 900)
        assert order.state is OrderState.ENDED
        answered(order, order.request, ack=created())
        assert (order.state, order.open_e2) == (OrderState.ENDED, 0)


class TestARepeat:
    def test_that_is_accepted_is_the_order(self) -> None:
        order = unknown(create(price_e4=4_400, count_e2=100, group_id="g1"))
        again = create(price_e4=4_500, count_e2=50, group_id="g2", expiry_ts_s=EXPIRY_TS_S + 60)
        order.command_sent(again)
        assert (order.open_e2, order.worst_price_e4) == (100, 4_500)
        answered(order, again, ack=created(remaining_e2=50))
        assert (order.state, order.open_e2, order.worst_price_e4) == (OrderState.RESTING, 50, 4_500)
        assert (order.request, order.group_ids, order.expiry_ts_s) == (again, ("g2",), EXPIRY_TS_S + 60)

    @pytest.mark.parametrize("kind", [REJECTED, NEVER_SENT])
    def test_that_was_refused_or_never_left_proves_nothing_about_the_first(self, kind: OutcomeKind) -> None:
        order = unknown(create(count_e2=100))
        failed(order, create(count_e2=300, price_e4=4_600), kind, "insufficient_balance")
        assert (order.state, order.open_e2, order.worst_price_e4) == (OrderState.UNKNOWN, 100, 4_400)
        assert not order.has_landed

    def test_without_an_answer_leaves_either_of_the_two(self) -> None:
        order = unknown(create(count_e2=100, price_e4=4_400, group_id="g1"))
        failed(order, create(count_e2=300, price_e4=4_600, group_id="g2", expiry_ts_s=EXPIRY_TS_S + 9), UNKNOWN)
        assert (order.open_e2, order.worst_price_e4) == (300, 4_600)
        assert (order.group_ids, order.expiry_ts_s) == (("g1", "g2"), EXPIRY_TS_S + 9)
        assert not order.is_total_sure

    def test_of_an_ask_keeps_the_lower_price(self) -> None:
        order = unknown(create(side=Side.ASK, price_e4=5_600))
        failed(order, create(side=Side.ASK, price_e4=5_500), UNKNOWN)
        assert order.worst_price_e4 == 5_500

    def test_that_is_refused_as_a_duplicate_proves_the_first(self) -> None:
        order = unknown()
        failed(order, create(), REJECTED, ALREADY_EXISTS, server_ms=7_000)
        failed(order, create(), REJECTED, ALREADY_EXISTS, server_ms=9_000)
        assert (order.state, order.has_landed, order.landed_by_ms) == (OrderState.UNKNOWN, True, 7_000)

    def test_keeps_the_moment_at_which_it_became_unknown(self) -> None:
        order = unknown()
        order.command_sent(create())
        answered(order, create(), UNKNOWN, now_s=3.0)
        assert (order.unknown_since_s, order.next_change_s) == (0.0, 4.0)


class TestAnAmend:
    def test_in_flight_counts_at_the_larger_size_and_both_prices(self) -> None:
        order = resting()
        order.command_sent(amend(250, 4_600))
        assert (order.open_e2, order.worst_price_e4, order.price_e4) == (250, 4_600, 4_400)
        order.command_sent(amend(50, 4_300))
        assert (order.open_e2, order.worst_price_e4) == (100, 4_400)

    def test_that_was_accepted_gives_total_price_and_expiry(self) -> None:
        order = resting()
        done(order, amend(250, 4_600, EXPIRY_TS_S + 60), amended(filled_e2=20))
        assert (order.open_e2, order.worst_price_e4, order.expiry_ts_s) == (250, 4_600, EXPIRY_TS_S + 60)
        assert (order.filled_seen_e2, order.remaining_e2, order.last_change_ms) == (20, 230, 2_000)

    def test_that_leaves_nothing_resting_has_ended_the_order(self) -> None:
        order = resting()
        done(order, amend(100, 4_600), amended(remaining_e2=0))
        assert (order.state, order.open_e2) == (OrderState.ENDED, 100)

    def test_of_unknown_fate_counts_with_both_sizes_until_the_order_is_cancelled(self) -> None:
        order = resting()
        failed(order, amend(250, 4_600, EXPIRY_TS_S + 60), UNKNOWN)
        assert (order.open_e2, order.worst_price_e4, order.must_cancel) == (250, 4_600, True)
        order.reported(report(remaining_e2=100, at_ms=4_000))  # it may land after this
        assert (order.open_e2, order.worst_price_e4, order.expiry_ts_s) == (250, 4_600, EXPIRY_TS_S + 60)

    def test_that_was_refused_changes_nothing_but_waits(self) -> None:
        order = resting()
        failed(order, amend(250), REJECTED, "invalid_price")
        assert (order.open_e2, order.state, order.next_change_s) == (100, OrderState.RESTING, RETRY_S)
        assert order.next_cancel_s == 0.0

    @pytest.mark.parametrize("code", ["not_found", "cannot_update_filled_order"])
    def test_that_finds_no_order_shows_that_it_has_ended(self, code: str) -> None:
        order = resting()
        failed(order, amend(250), REJECTED, code)
        assert (order.state, order.ended_ms, order.open_e2) == (OrderState.ENDED, SERVER_MS, 100)

    def test_that_never_left_waits_a_moment_lest_the_desk_spins(self) -> None:
        order = resting()
        failed(order, amend(250), NEVER_SENT)
        assert (order.open_e2, order.next_change_s, order.pending) == (100, UNSENT_WAIT_S, None)


class TestADecrease:
    def test_bounds_what_rests_but_not_what_may_have_filled_before(self) -> None:
        order = resting()
        done(order, decrease(40), decreased(40))
        assert (order.remaining_e2, order.open_e2, order.is_total_sure) == (40, 100, False)

    def test_is_understood_once_a_report_shows_it(self) -> None:
        order = resting()
        done(order, decrease(40), decreased(40, ts_ms=2_000))
        order.reported(report(remaining_e2=30, filled_e2=10, at_ms=2_000))
        assert (order.remaining_e2, order.open_e2, order.is_total_sure) == (30, 40, True)

    def test_is_not_mistaken_for_a_trade_of_the_same_millisecond(self) -> None:
        order = resting()
        done(order, decrease(40), decreased(40, ts_ms=2_000))
        order.reported(report(remaining_e2=95, filled_e2=5, at_ms=2_000))
        assert (order.remaining_e2, order.open_e2, order.is_total_sure) == (40, 100, False)

    def test_to_nothing_ends_the_order(self) -> None:
        order = resting()
        done(order, decrease(0), decreased(0))
        assert (order.state, order.ended_ms, order.filled_final_e2) == (OrderState.ENDED, 2_000, None)

    def test_makes_the_filled_part_of_a_cancel_uncertain(self) -> None:
        order = resting()
        done(order, decrease(40), decreased(40))
        done(order, CANCEL, cancelled(40))
        assert order.filled_final_e2 is None
        assert order.fills_complete_to(3_001)

    def test_of_unknown_fate_means_cancelling(self) -> None:
        order = resting()
        failed(order, decrease(40), UNKNOWN)
        assert (order.must_cancel, order.open_e2) == (True, 100)


class TestACancel:
    def test_tells_what_has_filled(self) -> None:
        order = resting()
        done(order, CANCEL, cancelled(70))
        assert (order.state, order.filled_final_e2, order.open_e2) == (OrderState.ENDED, 30, 30)

    @pytest.mark.parametrize("reduced_by_e2", [0, 101])
    def test_that_removed_nothing_or_too_much_tells_nothing(self, reduced_by_e2: int) -> None:
        order = resting()
        done(order, CANCEL, cancelled(reduced_by_e2))
        assert (order.filled_final_e2, order.open_e2) == (None, 100)

    def test_that_finds_nothing_leaves_all_for_the_fills_to_tell(self) -> None:
        order = resting()
        failed(order, CANCEL, REJECTED, "not_found")
        assert (order.state, order.ended_ms, order.open_e2) == (OrderState.ENDED, SERVER_MS, 100)

    def test_of_unknown_fate_is_repeated(self) -> None:
        order = resting()
        failed(order, CANCEL, UNKNOWN)
        assert (order.state, order.must_cancel, order.next_cancel_s) == (OrderState.RESTING, True, RETRY_S)

    @pytest.mark.parametrize("code", ["market_not_found", "market_inactive", "exchange_is_paused"])
    def test_that_was_refused_for_another_reason_proves_nothing(self, code: str) -> None:
        order = resting()
        failed(order, CANCEL, REJECTED, code)
        assert (order.state, order.must_cancel, order.next_cancel_s) == (OrderState.RESTING, False, RETRY_S)


class TestAReport:
    @pytest.mark.parametrize("start", [sent, unknown])
    def test_shows_that_an_order_landed_however_old_it_is(self, start: Callable[[], TrackedOrder]) -> None:
        order = start()
        book(order, 20, 1_500)
        order.reported(report(remaining_e2=100, at_ms=900, group_id="g9"))
        assert (order.state, order.order_id, order.group_ids) == (OrderState.RESTING, "o-1", ("g9",))
        assert (order.open_e2, order.remaining_e2, order.last_change_ms) == (80, 80, 1_500)

    def test_without_a_group_leaves_those_that_were_asked_for(self) -> None:
        order = unknown()
        order.reported(report(group_id=None))
        assert order.group_ids == ("g1",)

    def test_of_the_past_does_not_undo_an_amend(self) -> None:
        order = resting()
        done(order, amend(250, 4_600), amended(ts_ms=2_000))
        order.reported(report(remaining_e2=100, at_ms=1_999))
        assert (order.open_e2, order.price_e4) == (250, 4_600)

    def test_of_the_same_millisecond_can_only_widen_what_is_known(self) -> None:
        order = resting()
        done(order, amend(250, 4_500), amended(ts_ms=2_000))
        order.reported(report(remaining_e2=60, filled_e2=40, price_e4=4_400, at_ms=2_000))
        assert (order.open_e2, order.price_e4, order.worst_price_e4) == (250, 4_500, 4_500)
        order.reported(report(remaining_e2=210, filled_e2=40, price_e4=4_500, at_ms=2_000))
        assert (order.open_e2, order.other_prices_e4, order.filled_seen_e2) == (250, (), 40)

    def test_that_is_newer_replaces_what_was_known(self) -> None:
        order = resting()
        order.reported(report(remaining_e2=30, filled_e2=20, price_e4=4_300, at_ms=1_001))
        assert (order.count_e2, order.price_e4, order.remaining_e2, order.last_change_ms) == (50, 4_300, 30, 1_001)

    def test_of_the_end_tells_exactly_what_filled(self) -> None:
        order = resting()
        order.reported(report(0, 30, status=OrderStatus.CANCELED, at_ms=4_000, reason="ExpiryCancel"))
        assert (order.state, order.open_e2, order.outcome) == (OrderState.ENDED, 30, "ExpiryCancel")

    def test_of_the_end_corrects_what_we_had_worked_out(self) -> None:
        order = resting()
        done(order, CANCEL, cancelled(70))
        order.reported(report(0, 25, status=OrderStatus.CANCELED, at_ms=3_000))
        assert (order.filled_final_e2, order.outcome) == (25, "canceled")

    def test_of_resting_does_not_bring_an_ended_order_back(self) -> None:
        order = resting()
        done(order, CANCEL, cancelled(100))
        order.reported(report(at_ms=9_000))
        assert order.state is OrderState.ENDED

    def test_means_nothing_to_a_closed_order(self) -> None:
        order = sent()
        answered(order, order.request, REJECTED)
        order.reported(report(filled_e2=50))
        assert (order.state, order.filled_seen_e2) == (OrderState.CLOSED, 0)

    def test_that_revives_an_order_makes_it_one_to_cancel(self) -> None:
        order = resting()
        failed(order, CANCEL, REJECTED, "not_found")
        order.revive(report(remaining_e2=120))
        assert (order.state, order.open_e2, order.must_cancel) == (OrderState.RESTING, 120, True)


class TestTheEnd:
    def test_comes_when_all_has_filled(self) -> None:
        order = resting()
        book(order, 60, 1_200)
        assert order.state is OrderState.RESTING
        book(order, 40, 1_100)
        assert (order.state, order.ended_ms, order.outcome) == (OrderState.ENDED, 1_200, "executed")

    def test_does_not_come_while_an_amend_may_add_more(self) -> None:
        order = resting()
        order.command_sent(amend(150))
        book(order, 100, 1_200)
        assert (order.state, order.open_e2) == (OrderState.RESTING, 50)
        answered(order, amend(150), NEVER_SENT)
        assert order.state is OrderState.ENDED

    def test_is_closed_only_past_its_time_and_with_all_its_fills(self) -> None:
        order = resting()
        done(order, CANCEL, cancelled(70, ts_ms=3_000))
        assert not order.fills_complete_to(3_000)
        assert not order.fills_complete_to(3_001)
        book(order, 30, 2_900)
        assert not order.fills_complete_to(3_000)
        assert order.fills_complete_to(3_001)
        assert (order.state, order.open_e2, order.remaining_e2) == (OrderState.CLOSED, 0, 0)

    def test_moves_with_a_fill_that_is_younger_than_it(self) -> None:
        order = resting()
        failed(order, CANCEL, REJECTED, "not_found", server_ms=2_000)
        book(order, 10, 2_500)
        assert not order.fills_complete_to(2_500)
        assert order.fills_complete_to(2_501)

    def test_is_final(self) -> None:
        order = sent()
        answered(order, order.request, REJECTED)
        order.end(5, outcome="again")
        assert (order.state, order.outcome) == (OrderState.CLOSED, "rejected")

    def test_of_what_still_rests_never_closes(self) -> None:
        assert not resting().fills_complete_to(10**12)


class TestLanding:
    def test_of_an_order_with_expiry_ends_with_the_expiry(self) -> None:
        assert unknown().lands_before_ms == EXPIRY_TS_S * 1_000

    def test_of_an_exit_ends_with_its_signature(self) -> None:
        order = sent(exit_create())
        answered(order, order.request, UNKNOWN, server_ms=8_000)
        assert order.lands_before_ms == 8_000 + SIGNATURE_LIFE_MS

    def test_is_proven_by_a_fill(self) -> None:
        order = unknown()
        book(order, 10, 1_500)
        book(order, 10, 1_400)
        assert (order.has_landed, order.landed_by_ms, order.state) == (True, 1_400, OrderState.UNKNOWN)


def test_an_answer_to_an_older_command_leaves_the_one_in_flight() -> None:
    order = resting()
    order.command_sent(amend(150))
    answered(order, CANCEL, UNKNOWN)
    assert order.pending == amend(150)


def test_an_order_knows_whose_it_is() -> None:
    order = sent(create("us-7", Side.ASK))
    assert (order.client_order_id, order.ticker, order.side) == ("us-7", "M", Side.ASK)
