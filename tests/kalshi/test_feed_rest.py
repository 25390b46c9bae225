"""B4 over REST: which book is read next, how old it is, and how many markets can be kept fresh."""

from __future__ import annotations

import random

import pytest

from kalshi.feed_rest import BookReads, RestPace, made_at_s
from kalshi.types import BookSnapshot

SERVER_MS = 1_790_000_000_400
PACE = RestPace()


def book(read_time_ms: int | None) -> BookSnapshot:
    return BookSnapshot(ticker="A", bids=(), asks=(), read_time_ms=read_time_ms)


@pytest.mark.parametrize(
    ("read_time_ms", "asked_at_s", "expected_s"),
    [
        (SERVER_MS - 400, 99.9, 99.6),  # this very second
        (SERVER_MS - 10_400, 99.9, 89.6),  # Age: 10
        (SERVER_MS - 400, 95.0, 95.0),  # five seconds on its way: the header may be as old as the question
        (SERVER_MS + 600, 99.9, 99.9),  # our estimate of their clock is behind
    ],
)
def test_a_book_is_as_old_as_its_headers_or_its_way_say(
    read_time_ms: int, asked_at_s: float, expected_s: float
) -> None:
    made_s = made_at_s(book(read_time_ms), server_ms=SERVER_MS, now_s=100.0, asked_at_s=asked_at_s)
    assert made_s == pytest.approx(expected_s)


def test_without_a_date_no_age_is_known() -> None:
    assert made_at_s(book(None), server_ms=SERVER_MS, now_s=100.0, asked_at_s=99.0) is None


def test_the_market_that_was_asked_for_longest_ago_is_next_and_the_budget_sets_the_pace() -> None:
    reads = BookReads(RestPace(in_flight_max=1))
    reads.want(["A", "B", "C"])
    now_s, asked = 100.0, []
    for _ in range(6):
        now_s = reads.next_due_s(now_s) or now_s
        (ticker,) = reads.due(now_s)
        asked.append(ticker)
        assert reads.due(now_s) == []
        reads.answered(ticker, now_s, 1, now_s)
    assert asked == ["A", "B", "C", "A", "B", "C"]


def test_no_more_than_so_many_are_on_their_way_and_an_answer_that_never_comes_is_given_up() -> None:
    reads = BookReads(PACE)
    reads.want([f"M{n}" for n in range(10)])
    asked = [ticker for step in range(100) for ticker in reads.due(100.0 + step / 20)]
    assert asked == [f"M{n}" for n in range(PACE.in_flight_max)]
    assert reads.due(100.0 + PACE.answer_s_max - 0.01) == []
    # Asked for longest ago first: those that nobody has asked for yet, then the one that was given up.
    assert reads.due(100.0 + PACE.answer_s_max)[0] == f"M{PACE.in_flight_max}"


def test_the_read_budget_bounds_how_many_markets_are_read_and_the_important_ones_stay() -> None:
    reads = BookReads(PACE)
    markets = [f"M{n}" for n in range(60)]
    reads.want(markets)
    assert reads.markets_max == 35  # 200 tokens/s, 70 % of them, 10 a read, 2.5 s
    assert reads.admitted == tuple(markets[:35])
    assert reads.left_out == tuple(markets[35:])
    assert reads.set_refill(100.0) == tuple(markets[17:35])
    assert reads.want(["HELD", *markets]) == ("M16",)
    assert reads.admitted[0] == "HELD"


def test_a_book_is_overdue_once_and_an_older_answer_does_not_bring_it_back() -> None:
    reads = BookReads(PACE)
    reads.want(["A"])
    reads.due(100.0)
    assert reads.answered("A", 99.8, 5_000, 100.1)
    assert reads.overdue(103.79) == []
    assert reads.oldest_made_at_s() == 99.8
    assert reads.overdue(103.81) == ["A"]
    assert reads.overdue(103.9) == []
    assert reads.oldest_made_at_s() is None
    assert not reads.answered("A", 103.8, 4_000, 103.9), "a cache may answer with what was before"
    assert not reads.answered("A", 99.9, 6_000, 103.9), "newer than ours, and too old all the same"
    assert not reads.answered("A", None, 0, 103.9)
    assert not reads.answered("B", 103.9, 9_000, 103.9)
    assert reads.answered("A", 103.9, 6_000, 104.0)


@pytest.mark.parametrize("refill_per_s", [100.0, 200.0, 1_000.0])
def test_every_admitted_market_stays_fresh_at_the_pace_of_its_budget_and_the_pace_is_kept(refill_per_s: float) -> None:
    """A plain loop with random answer times: no book is ever overdue, and no second has more reads than its share."""
    rng = random.Random(7)
    reads = BookReads(PACE)
    reads.set_refill(refill_per_s)
    reads.want([f"M{n}" for n in range(500)])
    now_s, asked_at, answers = 0.0, list[float](), list[tuple[float, str, float]]()
    first: set[str] = set()
    while now_s < 60:
        for ticker in reads.due(now_s):
            asked_at.append(now_s)
            answers.append((now_s + rng.uniform(0.01, 0.15), ticker, now_s))
        for answer in sorted(a for a in answers if a[0] <= now_s):
            answers.remove(answer)
            reads.answered(answer[1], min(answer[2], now_s - rng.uniform(0, 1)), int(now_s), now_s)
            first.add(answer[1])
        assert reads.overdue(now_s) == [], f"at {now_s}"
        now_s += 0.005
    assert first == set(reads.admitted)
    share = min(refill_per_s * PACE.budget_share / 10, PACE.in_flight_max / PACE.answer_s_usual)
    for start in range(59):
        in_second = sum(start <= at < start + 1 for at in asked_at)
        assert in_second <= share * (1 + PACE.spacing_s) + 2
