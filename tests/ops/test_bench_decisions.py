"""The decision bench decides on every view, by every strategy, and its figures can be read."""

from __future__ import annotations

import sys
from collections import Counter
from types import FrameType

from ops.bench_decisions import ASKED_ANEW, LIMIT_US, book_views, deciders, measure_decisions, report_decisions
from quant.quoting.strategies import StrategyName

STRATEGIES = [name.value for name in StrategyName]
DECIDES = {"refill": "refill", "incentive": "decide"}  # where it is not called quote


def test_views_are_two_sided_books_that_follow_on_each_other() -> None:
    views = book_views(50)
    assert len(views) == 50
    assert views == book_views(50)
    assert all(view.bids and view.asks and view.bids[0].price_e4 < view.asks[0].price_e4 for view in views)
    assert len({view.sequence for view in views}) == 50


def test_every_strategy_decides_once_on_each_view_and_quotes() -> None:
    views = book_views(30)
    for name, decide in deciders(views[0]).items():
        seen: Counter[str] = Counter()

        def saw(frame: FrameType, event: str, _: object, seen: Counter[str] = seen) -> None:
            if event == "call":
                seen[frame.f_code.co_qualname if "quoting" in frame.f_code.co_filename else ""] += 1

        sys.setprofile(saw)
        try:
            for view in views:
                decide(view)
        finally:
            sys.setprofile(None)
        assert seen[DECIDES.get(name, "quote")] >= len(views), name
        if name == "incentive":
            assert 1 <= seen["sizes"] < len(views), "the last answer stands for a while"
        else:
            assert seen["sizes"] >= len(views), name  # no guard refused: it came as far as the sizes


def test_costs_are_measured_and_reported_for_every_strategy() -> None:
    costs = measure_decisions(rounds=1, views=20, counted=5)
    assert list(costs) == [*STRATEGIES, ASKED_ANEW]
    assert all(0 < cost.median_us <= cost.p99_us for cost in costs.values())
    assert all(50 < cost.calls < cost.bytecodes for cost in costs.values())
    lines = report_decisions(costs)
    assert [line.split()[0] for line in lines[1:-1]] == STRATEGIES
    assert lines[-1].split("  ")[1] == ASKED_ANEW
    assert f"at most {LIMIT_US:.0f} us" in lines[0]
