"""The latch on losses comes back as it was stored, and there is one of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.runtime.ledger_store.store import LedgerStore
from kalshi.numbers import MoneyE6
from quant.loss_latch import LossLatch

WHOLE = LossLatch(day=7, start_equity_e6=MoneyE6(-5), peak_equity_e6=MoneyE6(12), tripped_reason="daily loss")


@pytest.mark.parametrize("latch", [LossLatch(), LossLatch(day=3), WHOLE, WHOLE.released()])
def test_it_comes_back_in_the_next_life_as_it_was_stored_last(tmp_path: Path, latch: LossLatch) -> None:
    path = tmp_path / "ledger.sqlite"
    first = LedgerStore(path)
    assert first.loss_latch() == LossLatch(), "nothing was stored"
    first.keep_loss_latch(WHOLE)
    first.keep_loss_latch(latch)
    first.close()
    second = LedgerStore(path)
    assert second.loss_latch() == latch
    second.close()
