"""The end of a seed: a bot that gave up for a full disk is started again, however late it gave up."""

from __future__ import annotations

import pytest

from ops.campaign import seed as seeds
from ops.campaign.faults import BotFault, FaultSchedule
from tests.ops.campaign.test_seed import one

SAFETY_S = 30.0  # of 75 s


@pytest.mark.parametrize("before_s", [4.0, 3.0])
def test_a_bot_that_is_on_its_way_out_when_the_faults_end_has_not_recovered(
    before_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = BotFault(kind="ledger_full", at_s=SAFETY_S - before_s, lasts_s=4.0)
    monkeypatch.setattr(seeds, "draw_schedule", lambda *_: FaultSchedule(exchange=(), bot=(full,)))
    result = one(3, faults="ledger_full")
    assert result.violations == ()
    assert result.crashes["ledger"] > 0
