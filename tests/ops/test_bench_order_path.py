"""The bench of the order path finds a bot that answers; without this test it could go on measuring nothing."""

from __future__ import annotations

import pytest

from ops.bench_order_path import measure_order_path, report_order_path
from supervisor import build_tree

pytestmark = pytest.mark.long


async def test_the_bot_answers_the_moves_of_the_best_bid() -> None:
    spans_us = await measure_order_path(build_tree, steps=30)
    assert len(spans_us) >= 5
    assert min(spans_us) > 0
    assert "moves answered" in report_order_path(spans_us)[0]
