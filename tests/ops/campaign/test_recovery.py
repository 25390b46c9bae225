"""The end of a seed: a bot whose disk was full recovers, however late or often it was."""

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


def test_two_full_disks_that_overlap_both_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second finds the file full, and what the first keeps of it must not be taken for a file to fill."""
    full = tuple(BotFault(kind="journal_full", at_s=at_s, lasts_s=4.0) for at_s in (18.0, 20.0))
    monkeypatch.setattr(seeds, "draw_schedule", lambda *_: FaultSchedule(exchange=(), bot=full))
    assert one(3, faults="journal_full").violations == ()
