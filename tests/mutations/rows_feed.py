"""Mutations of market data: what may be quoted on (I7)."""

from __future__ import annotations

from typing import Final

from tests.mutations.row import Mutation, off

_ACTORS: Final = "tests/actors"
_DESK: Final = "tests/quant/orders/test_desk.py::TestBeforeACommandLeaves"
_ORDERS: Final = "tests/quant/orders"

ROWS: Final[tuple[Mutation, ...]] = (
    off(
        "I7",
        "a sequence gap makes the books stale",
        "kalshi/feed.py",
        'self._all_stale(f"the sequence broke: expected {expected}, found {found}")',
        "pass",
        "tests/kalshi/test_feed.py::test_i7_a_break_in_the_sequence_makes_every_book_of_it_stale_before_anything_else",
    ),
    off(
        "I7",
        "a crossed book is held",
        "kalshi/feed.py",
        "if tracked.book.is_crossed:",
        "if False:",
        "tests/kalshi/test_feed.py::test_a_crossed_book_is_held_until_a_later_frame_uncrosses_it",
    ),
    off(
        "I7",
        "a book held too long is stale",
        "kalshi/feed.py",
        "if tracked.state is BookState.HELD:\n            self._mark_stale(",
        "if False:\n            self._mark_stale(",
        "tests/kalshi/test_feed.py::test_a_book_crossed_for_too_long_is_stale_and_asks_for_a_snapshot",
    ),
    off(
        "I7",
        "a snapshot needs its place in the sequence",
        "kalshi/feed.py",
        "            if frame.seq is None:\n                raise",
        "            if False:\n                raise",
        "tests/kalshi/test_feed.py::test_a_snapshot_or_delta_without_a_sequence_is_malformed",
    ),
    off(
        "I7",
        "a stale book takes no deltas",
        "kalshi/feed.py",
        "if state is BookState.STALE or state is BookState.AWAITING_SNAPSHOT:",
        "if state is BookState.AWAITING_SNAPSHOT:",
        "tests/kalshi/test_feed.py::test_after_a_gap_nothing_is_applied_until_the_snapshot_and_then_all_goes_on",
    ),
    off(
        "I7",
        "a market maker decides on a live book only",
        "actors/market.py",
        "if book.condition is not BookCondition.LIVE:",
        "if False:",
        f"{_ACTORS}/test_market.py::test_i7_nothing_is_wanted_on_a_book_that_is_not_live",
    ),
    off(
        "I7",
        "the plan moves nothing on a book that is not live",
        "quant/orders/planner.py",
        '    if not context.book_is_live:\n        return "book is not live"',
        '    if False:\n        return "book is not live"',
        f"{_ORDERS}/test_planner.py::TestANewQuote::test_is_withheld_with_its_reason",
    ),
    off(
        "I7",
        "no renewal on a book that is not live",
        "quant/orders/planner.py",
        "(None if context.book_is_live else",
        "(None if True else",
        f"{_ORDERS}/test_planner.py::TestARenewal::test_needs_the_same_as_a_create",
    ),
    off(
        "I7",
        "a target of an earlier connection's book is void",
        "quant/orders/desk.py",
        "book_is_live=market.book.is_live and same_book",
        "book_is_live=market.book.is_live",
        f"{_ORDERS}/test_desk.py::TestWhatIsWanted::test_counts_only_on_the_book_that_it_was_decided_on",
    ),
    off(
        "I7",
        "the assertion before a quote is sent",
        "quant/orders/desk.py",
        'check(market.book.is_live and is_decided_now, "I7"',
        'check(True, "I7"',
        f"{_DESK}::test_no_quote_on_a_book_that_is_not_live",
        f"{_DESK}::test_no_quote_for_a_target_of_another_book",
        f"{_DESK}::test_no_quote_without_a_target",
    ),
    off(
        "I7",
        "the assertion before a lease is renewed",
        "quant/orders/desk.py",
        "elif command.kind is CommandClass.RENEW:",
        "elif False:",
        f"{_DESK}::test_no_renewal_on_a_book_that_is_not_live",
    ),
    off(
        "I7",
        "the desk takes a stale book as not live",
        "actors/order_desk.py",
        "is_live=view.condition is BookCondition.LIVE",
        "is_live=True",
        f"{_ACTORS}/test_order_desk.py::test_i7_a_book_is_live_only_when_the_feed_says_so",
    ),
    off(
        "I7",
        "silence of the connection freezes quoting",
        "quant/orders/permit.py",
        "elif facts.feed_proof_age_s > feed.freeze_s:",
        "elif False:",
        f"{_ORDERS}/test_permit.py::test_what_is_only_late_leaves_what_rests_alone",
    ),
    off(
        "I7",
        "silence for long withdraws",
        "quant/orders/permit.py",
        "if proof_age_s > feed.withdraw_s:",
        "if False:",
        f"{_ORDERS}/test_permit.py::test_what_is_grave_withdraws",
    ),
    off(
        "I7",
        "a quote waits no longer than the proof of life lasts",
        "actors/order_desk.py",
        "min(command.valid_s, lease_s, proof_s)",
        "min(command.valid_s, lease_s)",
        f"{_ACTORS}/test_order_desk.py::test_a_quote_may_leave_only_while_risk_lease_and_proof_of_life_last",
    ),
    off(
        "I7",
        "a REST book that is too old is not used",
        "kalshi/feed_rest.py",
        "is_young = made_s is not None and now_s - made_s < self._pace.age_max_s",
        "is_young = True",
        f"{_ACTORS}/test_rest_feed.py::test_a_book_from_a_cache_is_taken_back_when_it_is_too_old_and_comes_back_with_another_generation",
        "tests/kalshi/test_feed_rest.py::test_a_book_is_overdue_once_and_an_older_answer_does_not_bring_it_back",
    ),
    off(
        "I7",
        "a REST book that grows too old is taken back",
        "kalshi/feed_rest.py",
        "            if reading.made_at_s is not None and now_s - reading.made_at_s >= self._pace.age_max_s:",
        "            if False:",
        "tests/kalshi/test_feed_rest.py::test_a_book_is_overdue_once_and_an_older_answer_does_not_bring_it_back",
    ),
    off(
        "I7",
        "a crossed REST book is not used",
        "actors/rest_feed.py",
        "if _is_crossed(book):",
        "if False:",
        "tests/actors/test_rest_feed.py::test_what_has_no_date_is_crossed_or_fails_is_not_published",
    ),
)
