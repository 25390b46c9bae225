"""PortfolioRisk as an actor: books that do not balance are a defect of ours, and nobody may act on them."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing

from actors.messages.lifecycle import Alert
from actors.messages.money import (
    Books,
    FillTape,
    PnlView,
    PositionView,
    ReadBooks,
    ReadLossLatch,
    RetireMarket,
)
from actors.messages.table import CHANNELS
from actors.portfolio_risk import PortfolioRisk, RiskTiming
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from kalshi.fees import FeeSchedule
from kalshi.numbers import MoneyE6, PriceE4
from quant.accounting import Mark
from quant.fills import NumberedFill
from quant.invariants import InvariantViolation
from quant.loss_latch import LossLatch
from quant.positions import Totals, apply_fills
from quant.retirement import RetirementParameters
from quant.risk import RiskParameters
from tests.actors.listings import tradable
from tests.quant.builders import bid


def an_actor(
    switchboard: Switchboard, timing: RiskTiming | None = None, parameters: RiskParameters | None = None
) -> PortfolioRisk:
    context = ChildContext(
        name="portfolio_risk",
        incarnation=1,
        mailbox=switchboard.mailbox("portfolio_risk"),
        outbox=switchboard.outbox("portfolio_risk"),
        seams=virtual_seams(1, 1_700_000_000_000),
        log=silent_log("portfolio_risk"),
    )
    return PortfolioRisk(context, parameters or RiskParameters(), timing or RiskTiming())


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
        ReadBooks: Books(
            fills=(NumberedFill(fill_seq=1, fill=fill),),
            settlements=((fill.ticker, PriceE4(0)),),
            retired=Totals(),
            last_seq=1,
            opened=0,
        ),
        ReadLossLatch: LossLatch(),
    }

    async def answer() -> None:
        while True:
            for message in await ledger.receive():
                if isinstance(message, ReadBooks | ReadLossLatch):
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


class ShortLedger:
    """A Ledger of one market's fills, which keeps what is retired and tells when it is opened again."""

    def __init__(self, switchboard: Switchboard, fills: tuple[NumberedFill, ...], value_e4: int) -> None:
        self._mailbox, self._outbox = switchboard.mailbox("ledger"), switchboard.outbox("ledger")
        self.fills, self._value_e4 = fills, PriceE4(value_e4)
        self.is_settled = True
        self.retired: RetireMarket | None = None
        self.opened = self.books_read = 0

    async def run(self) -> None:
        while True:
            for message in await self._mailbox.receive():
                match message:
                    case ReadBooks(reply=reply):
                        self.books_read += 1
                        reply.put(self._books())
                    case ReadLossLatch(reply=reply):
                        reply.put(LossLatch())
                    case RetireMarket():
                        self.retired = message
                    case _:
                        pass

    def _books(self) -> Books:
        is_open = self.retired is None
        return Books(
            fills=self.fills if is_open else (),
            settlements=((self.fills[0].fill.ticker, self._value_e4),) if is_open and self.is_settled else (),
            retired=Totals() if self.retired is None else self.retired.totals,
            last_seq=len(self.fills),
            opened=self.opened,
        )

    def late(self, *fills: NumberedFill) -> None:
        """Stores fills of the retired market, and says so."""
        self.fills, self.retired, self.opened = (*self.fills, *fills), None, self.opened + 1
        self.say()

    def say(self) -> None:
        self._outbox.publish(FillTape(last_seq=len(self.fills), fills=self.fills, complete_to_ms=0, opened=self.opened))


async def test_a_bill_that_the_known_fees_do_not_explain_is_booked_and_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    records = switchboard.mailbox("records")
    switchboard.mailbox("wire")
    risk = an_actor(switchboard)
    old, good, dear = (
        attrs.evolve(bid(5_000, 1_000, fee_e6=fee_e6), fill_id=str(fee_e6), ts_ms=1_700_000_000_000)
        for fee_e6 in (99_999, 43_800, 175_000)
    )
    ledger = ShortLedger(switchboard, (NumberedFill(fill_seq=1, fill=old),), value_e4=10_000)
    ledger.is_settled = False
    rules = attrs.evolve(tradable(dear.ticker), fees=FeeSchedule("quadratic_with_maker_fees", 10_000))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ledger.run)
        nursery.start_soon(risk.run, lambda: None)
        switchboard.outbox("discovery").publish(rules)
        await trio.sleep(1.0)
        ledger.fills = (*ledger.fills, NumberedFill(fill_seq=2, fill=good), NumberedFill(fill_seq=3, fill=dear))
        ledger.say()
        await trio.sleep(2.0)
        nursery.cancel_scope.cancel()
    alerts = [message for message in await records.receive() if isinstance(message, Alert)]
    assert [alert.code for alert in alerts] == ["fee_surprise"]
    assert f"fill {dear.fill_id} as maker was billed 175000" in alerts[0].text
    assert risk._portfolio.totals.fees_e6 == 99_999 + 43_800 + 175_000


async def test_a_settled_market_is_let_go_and_a_late_fill_of_it_is_counted_with_the_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    switchboard = Switchboard(CHANNELS, trio.current_time)
    switchboard.mailbox("snapshot"), switchboard.mailbox("wire")
    risk = an_actor(switchboard, RiskTiming(retirement=RetirementParameters(after_s=10.0)))
    first, late = bid(4_000, 1_000), attrs.evolve(bid(4_500, 200), fill_id="late")
    ledger = ShortLedger(switchboard, (NumberedFill(fill_seq=1, fill=first),), value_e4=10_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ledger.run)
        nursery.start_soon(risk.run, lambda: None)
        await trio.sleep(5.0)
        assert first.ticker in risk._portfolio.accounts
        totals = risk._portfolio.totals
        await trio.sleep(10.0)
        assert (ledger.retired, risk._portfolio.accounts) == (RetireMarket(ticker=first.ticker, totals=totals), {})
        assert risk._portfolio.totals == totals
        ledger.say()  # nothing new
        await trio.sleep(1.0)
        assert (ledger.books_read, risk._portfolio.accounts) == (1, {})
        ledger.late(NumberedFill(fill_seq=2, fill=late))
        await trio.sleep(1.0)
        # Both paid out at a dollar: 10 bought at 40, 2 at 45.
        assert (risk._portfolio.totals.realised_e6, risk._portfolio.totals.fills) == (6_000_000 + 1_100_000, 2)
        assert (ledger.books_read, risk._portfolio.positions_e2) == (2, {})
        nursery.cancel_scope.cancel()
