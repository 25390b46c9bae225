"""PortfolioRisk as an actor: books that do not balance are a defect of ours, and nobody may act on them."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing

from actors.messages.money import PnlView, PositionView, ReadLossLatch, ReadNumberedFills, ReadSettlements
from actors.messages.table import CHANNELS
from actors.portfolio_risk import PortfolioRisk, RiskTiming
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import MoneyE6, PriceE4
from quant.accounting import Mark
from quant.fills import NumberedFill
from quant.invariants import InvariantViolation
from quant.loss_latch import LossLatch
from quant.positions import apply_fills
from quant.risk import RiskParameters
from tests.quant.builders import bid


def an_actor(switchboard: Switchboard) -> PortfolioRisk:
    context = ChildContext(
        name="portfolio_risk",
        incarnation=1,
        mailbox=switchboard.mailbox("portfolio_risk"),
        outbox=switchboard.outbox("portfolio_risk"),
        seams=virtual_seams(1, 1_700_000_000_000),
        log=silent_log("portfolio_risk"),
    )
    return PortfolioRisk(context, RiskParameters(), RiskTiming())


async def test_i6_books_that_do_not_balance_are_a_defect_and_are_never_published(
    autojump_clock: trio.testing.MockClock,
) -> None:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    snapshot = switchboard.mailbox("snapshot")
    risk = an_actor(switchboard)
    fill = bid(4_000, 100)
    risk._marks[fill.ticker] = Mark(bid_e4=PriceE4(4_100), ask_e4=PriceE4(4_300))
    risk._portfolio = apply_fills(risk._portfolio, (NumberedFill(fill_seq=1, fill=fill),)).portfolio
    risk._say_pnl()
    (well,) = [m for m in await snapshot.receive() if isinstance(m, PnlView)]
    assert (well.unrealised_e6, well.is_exact) == (10_000, True)
    account = risk._portfolio.accounts[fill.ticker]
    off_by_one = attrs.evolve(account, cash_delta_e6=MoneyE6(account.cash_delta_e6 + 1))
    risk._portfolio = attrs.evolve(risk._portfolio, accounts={fill.ticker: off_by_one})
    with pytest.raises(InvariantViolation) as broken:
        risk._say_pnl()
    assert broken.value.invariant == "I6"
    assert not [m for m in await snapshot.receive(timeout_s=0.0) if isinstance(m, PnlView)]


async def test_what_has_paid_out_is_not_held_again_after_a_restart_and_is_no_loss_of_today(
    autojump_clock: trio.testing.MockClock,
) -> None:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    ledger, snapshot = switchboard.mailbox("ledger"), switchboard.mailbox("snapshot")
    switchboard.mailbox("wire")
    risk = an_actor(switchboard)
    fill = bid(5_000, 60_000)  # $300, of which nothing came back a week ago
    answers = {
        ReadNumberedFills: (NumberedFill(fill_seq=1, fill=fill),),
        ReadSettlements: ((fill.ticker, PriceE4(0)),),
        ReadLossLatch: LossLatch(),
    }

    async def answer() -> None:
        while True:
            for message in await ledger.receive():
                if isinstance(message, ReadNumberedFills | ReadSettlements | ReadLossLatch):
                    message.reply.put(answers[type(message)])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        nursery.start_soon(risk.run, lambda: None)
        await trio.sleep(3.0)
        nursery.cancel_scope.cancel()
    said = await snapshot.receive()
    (position,) = [message for message in said if isinstance(message, PositionView)]
    (pnl,) = [message for message in said if isinstance(message, PnlView)]
    assert (position.position_e2, pnl.realised_e6) == (0, -300_000_000)
    assert (risk._latch.tripped_reason, risk._latch.start_equity_e6) == (None, -300_000_000)
