"""The queue models on real recordings, without a bot: one contract joins the best bid every ten seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
import trio

from kalshi.simulator.order_entry import OrderEntry
from kalshi.simulator.orders import NewOrder, Order
from kalshi.simulator.queue_model import QueueModel
from kalshi.types import SelfTradePrevention, Side, TimeInForce
from ops.replay_account import RecordedClock, ReplayAccount
from ops.replay_recording import load_recording
from tests.kalshi.recordings import BTC15M, needs_recordings

JOIN_EVERY_MS: Final = 10_000
LIFE_MS: Final = 60_000
LOT_E2: Final = 100


class Joiner:
    """Puts one lot at the best bid every ten seconds and takes it out again after a minute."""

    def __init__(self, path: Path, model: QueueModel) -> None:
        self.recording = load_recording(path)
        self.clock = RecordedClock(self.recording.connections[0].first_ns)
        self.account = ReplayAccount(self.recording, model, self.clock)
        self.placed = 0
        self._open: list[tuple[int, Order]] = []
        self._next_ms = 0

    def run(self) -> None:
        for connection in self.recording.connections:
            for at_ns, frame in connection.frames():
                self.clock.reach(at_ns)
                self.account.take_frame(frame)
                if self.clock.wall_ms() >= self._next_ms:
                    self._next_ms = self.clock.wall_ms() + JOIN_EVERY_MS
                    self._step(connection.tickers[0])

    def _step(self, ticker: str) -> None:
        assert self.account.markets is not None
        core, entry = self.account.exchange.core, self.account.exchange.services.entry
        customer = core.accounts_by_key[self.account.key_id]
        while self._open and self._open[0][0] <= self.clock.wall_ms():
            _, order = self._open.pop(0)
            if order.is_open:
                entry.cancel(customer, order.order_id, 0)
        bids = self.account.markets.queue(ticker).levels[Side.BID]
        if bids and max(bids) < 9_900:
            self._open.append((self.clock.wall_ms() + LIFE_MS, self._join(entry, ticker, max(bids))))

    def _join(self, entry: OrderEntry, ticker: str, price_e4: int) -> Order:
        self.placed += 1
        request = NewOrder(
            ticker=ticker,
            side=Side.BID,
            price_e4=price_e4,
            count_e2=LOT_E2,
            time_in_force=TimeInForce.GOOD_TILL_CANCELED,
            self_trade_prevention=SelfTradePrevention.MAKER,
            post_only=True,
        )
        return entry.create(self.account.exchange.core.accounts_by_key[self.account.key_id], request)


@needs_recordings
@pytest.mark.long
@pytest.mark.parametrize("path", BTC15M[:6], ids=lambda path: path.name)
async def test_on_real_data_the_models_are_in_order_and_money_is_conserved(path: Path) -> None:
    await trio.lowlevel.checkpoint()
    filled: dict[QueueModel, int] = {}
    for model in QueueModel:
        joiner = Joiner(path, model)
        joiner.run()
        report = joiner.account.queue_report()
        assert report is not None
        assert report.imbalance_e6 == 0
        assert joiner.account.markets is not None
        assert joiner.account.markets.counters.unreadable == 0
        assert report.filled_e2 <= joiner.placed * LOT_E2
        filled[model] = report.filled_e2
        print(f"{path.name} {model}: {report.filled_e2 / LOT_E2:g} of {joiner.placed} filled, {report.prints} prints")
    assert filled[QueueModel.FRONT] >= filled[QueueModel.PROBABILISTIC] >= filled[QueueModel.RISK_AVERSE] > 0
