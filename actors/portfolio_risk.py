"""PortfolioRiskActor: positions and money from the numbered fills, and from them what every market may hold.

It counts nothing but numbered fills and settlements; the exchange's own positions only serve to find drift. Its word is
a
lease: when it stops saying it, nothing is quoted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import attrs

from actors.messages.lifecycle import Alert, Heartbeat, ReleaseLossLatch
from actors.messages.market import (
    Assignments,
    BookCondition,
    BookView,
    MarketEnded,
    MarketRead,
    MarketRules,
    ReadMarket,
    TickerView,
    WantedMarkets,
)
from actors.messages.money import (
    AccountRead,
    Books,
    FillTape,
    KeepLossLatch,
    MarketCap,
    PnlView,
    PositionView,
    ReadAccount,
    ReadBooks,
    ReadLossLatch,
    ReadNumberedFills,
    Record,
    RetireMarket,
    RiskView,
)
from actors.messages.orders import ReadFailed
from actors.runtime.asking import ask_until_answered, post_to_wire
from actors.runtime.episode_log import EpisodeLog
from actors.runtime.stepwise import stepwise
from actors.runtime.supervisor import ChildContext
from kalshi.numbers import ONE_DOLLAR_E4, MoneyE6, PriceE4
from kalshi.types import Balance, Fill, Market, MarketStatus, Side
from quant.accounting import Mark, liquidation_mark_e4, unrealised_e6
from quant.drift import DriftParameters, DriftState, compare
from quant.fee_check import FeeWatch
from quant.fills import NumberedFill
from quant.invariants import check
from quant.loss_latch import LossLatch
from quant.loss_marks import LossMarks
from quant.positions import Portfolio, Totals, apply_fills, opened, retire, settle_market, value
from quant.retirement import Retirement, RetirementParameters
from quant.risk import MarketFacts, MarketLimits, RiskAssessment, RiskParameters, assess
from quant.shard_funds import unfunded_shards

DAY_MS = 86_400_000
EQUITY_KEPT_EVERY_S = 5.0
_RESULT_VALUES_E4 = {"yes": ONE_DOLLAR_E4, "no": PriceE4(0)}


@attrs.frozen(kw_only=True)
class RiskTiming:
    """How long the word of risk holds, how often it is said, and how often the account is read; in seconds."""

    lease_s: float = 5.0
    renew_s: float = 1.0
    account_every_s: float = 2.0
    retirement: RetirementParameters = attrs.field(factory=RetirementParameters)


@attrs.define(eq=False)
class PortfolioRisk:
    """The actor; see the module."""

    context: ChildContext
    parameters: RiskParameters
    timing: RiskTiming
    drift_parameters: DriftParameters = attrs.field(factory=DriftParameters)
    _portfolio: Portfolio = attrs.field(factory=Portfolio, init=False)
    _opened: int = attrs.field(default=0, init=False)  # see FillTape
    _episodes: EpisodeLog = attrs.field(init=False)
    _retirement: Retirement = attrs.field(init=False)
    _marks: dict[str, Mark] = attrs.field(factory=dict, init=False)
    _booked: set[str] = attrs.field(factory=set, init=False)  # whose mark comes from a book that is live
    _rules: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    _fees: FeeWatch = attrs.field(factory=FeeWatch, init=False)
    _assigned: frozenset[str] = attrs.field(default=frozenset(), init=False)
    _balance: Balance | None = attrs.field(default=None, init=False)
    _drift: DriftState = attrs.field(factory=DriftState, init=False)
    _loss_marks: LossMarks = attrs.field(factory=LossMarks, init=False)
    _latch: LossLatch = attrs.field(factory=LossLatch, init=False)
    _latch_kept: LossLatch = attrs.field(factory=LossLatch, init=False)
    _latch_kept_s: float = attrs.field(default=-math.inf, init=False)
    _complete_to_ms: int = attrs.field(default=0, init=False)
    _account: AccountRead | None = attrs.field(default=None, init=False)
    _account_out: bool = attrs.field(default=False, init=False)
    _positions_said: dict[str, PositionView] = attrs.field(factory=dict, init=False)
    _halts_said: tuple[str, ...] | None = attrs.field(default=None, init=False)
    _drift_said: frozenset[str] = attrs.field(default=frozenset(), init=False)
    _unfunded_said: frozenset[int] = attrs.field(default=frozenset(), init=False)

    def __attrs_post_init__(self) -> None:
        self._episodes = EpisodeLog(self.context)

    async def run(self, started: Callable[[], None]) -> None:
        """Serves until cancelled."""
        await self._open_books()
        latch = await ask_until_answered(self.context, lambda slot: ReadLossLatch(reply=slot))
        assert isinstance(latch, LossLatch)
        self._latch = self._latch_kept = latch
        started()
        now = self.context.seams.now
        next_word_s = next_account_s = now()
        while True:
            batch = await self.context.mailbox.receive(timeout_s=max(0.0, next_word_s - now()))
            fills_came = await self._take(batch)
            if now() >= next_account_s and not self._account_out:
                next_account_s = now() + self.timing.account_every_s
                self._account_out = True
                await post_to_wire(self.context, ReadAccount())
            if fills_came or now() >= next_word_s:
                await self._retire()
                self._say()
                next_word_s = now() + self.timing.renew_s

    # -- in --

    async def _open_books(self) -> None:
        """Begins with all fills, and with what has paid out, which by our fills alone would be judged as if held."""
        books = await ask_until_answered(self.context, lambda slot: ReadBooks(reply=slot))
        assert isinstance(books, Books)
        self._portfolio = await stepwise(opened(books.retired, books.fills, books.settlements, books.last_seq))
        await self._episodes.begin(books)
        self._opened = books.opened
        self._retirement = Retirement(self.timing.retirement)

    async def _catch_up(self) -> None:
        after_seq = self._portfolio.sequence.watermark
        fills = await ask_until_answered(self.context, lambda slot: ReadNumberedFills(after_seq=after_seq, reply=slot))
        assert isinstance(fills, tuple)
        self._apply(fills)

    def _apply(self, fills: tuple[NumberedFill, ...]) -> bool:
        """Books fills; returns whether numbers before them are missing."""
        applied = apply_fills(self._portfolio, fills)
        self._portfolio = applied.portfolio
        self._episodes.filled(applied.applied)
        for numbered in applied.applied:
            self._check_fee(numbered.fill)
        return applied.has_gap

    def _check_fee(self, fill: Fill) -> None:
        """The books take what was billed; a bill that the known fees do not explain is a person's to look into."""
        rules, age_ms = self._rules.get(fill.ticker), self.context.seams.wall_ms() - fill.ts_ms
        surprise = self._fees.seen(fill, None if rules is None else rules.fees, age_ms)
        if surprise:
            self.context.log.warning(surprise)
            self._alert("fee_surprise", "warning", surprise)

    async def _take(self, batch: tuple[object, ...]) -> bool:
        before = self._portfolio.sequence.watermark
        for message in batch:
            match message:
                case FillTape():
                    if message.opened != self._opened:
                        self.context.log.info("a retired market has got a fill, or the ledger is a new one: begun anew")
                        await self._open_books()
                    elif self._apply(message.fills):
                        await self._catch_up()
                    self._complete_to_ms = max(self._complete_to_ms, message.complete_to_ms)
                case BookView():
                    self._take_book(message)
                case TickerView():
                    self._take_ticker(message)
                case MarketRules():
                    self._rules[message.ticker] = message
                case Assignments():
                    self._assigned = frozenset(a.ticker for a in message.assignments)
                case MarketEnded(kind="settled"):
                    # The event carries no value, and the one that did may have been conflated away.
                    account = self._portfolio.accounts.get(message.ticker)
                    if account is not None and not account.is_settled:
                        await post_to_wire(self.context, ReadMarket(ticker=message.ticker))
                case AccountRead():
                    self._account_out = False
                    self._balance = message.balance
                    self._account = message
                case MarketRead(market=market):
                    self._take_market(market)
                case ReleaseLossLatch():
                    self.context.log.info("a person has released the loss latch: losses count anew")
                    self._latch = self._latch.released()
                case ReadFailed(read=ReadAccount()):
                    self._account_out = False  # asked again in its time; the lease says how old the word is
                case _:
                    pass
        await self._compare_account()
        return self._portfolio.sequence.watermark != before

    def _take_book(self, view: BookView) -> None:
        mark = _book_mark(view)
        if view.condition is BookCondition.LIVE and mark is not None:
            self._marks[view.ticker] = mark
            self._booked.add(view.ticker)
            self._episodes.marked(view.ticker, mark)
        elif view.condition is BookCondition.STALE:
            self._booked.discard(view.ticker)

    def _take_ticker(self, view: TickerView) -> None:
        # The ticker lags the book: it only serves a market whose book we do not have, or may not trust now.
        mark = _ticker_mark(view)
        if mark is not None and view.ticker not in self._booked:
            self._marks[view.ticker] = mark
            self._episodes.marked(view.ticker, mark)

    async def _compare_account(self) -> None:
        """Looks for drift, once our fills are complete up to the read: before that it would find lag."""
        account = self._account
        if account is None or account.as_of_ms > self._complete_to_ms:
            return
        self._account = None
        ours = {ticker: int(position) for ticker, position in self._portfolio.positions_e2.items()}
        theirs = {p.ticker: int(p.position_e2) for p in account.positions if p.position_e2}
        self._drift = compare(self._drift, ours, theirs)
        drifted = self._drift.drifted(self.drift_parameters)
        for ticker in sorted(ours.keys() - theirs.keys()):
            # Held by our fills and flat there: a market that has paid out, most likely while we did not look.
            await post_to_wire(self.context, ReadMarket(ticker=ticker))
        for ticker in sorted(drifted - self._drift_said):
            seen = self._drift.differences[ticker]
            text = f"{ticker}: our fills say {seen.ours_e2 / 100}, the exchange says {seen.theirs_e2 / 100}"
            self.context.log.error(text)
            self._alert("position_drift", "error", text)
        self._drift_said = drifted

    def _take_market(self, market: Market) -> None:
        value_e4 = market.settlement_value_e4
        if value_e4 is None:
            value_e4 = _RESULT_VALUES_E4.get(market.result)
        if market.status is MarketStatus.FINALIZED and value_e4 is not None:
            self.context.log.info(f"{market.ticker} has settled at {value_e4 / 100:g}¢")
            self._portfolio = settle_market(self._portfolio, market.ticker, value_e4)
            self._episodes.settled(market.ticker, value_e4)
            if market.ticker in self._portfolio.accounts:
                self._record_settlement(market.ticker, value_e4)

    def _record_settlement(self, ticker: str, value_e4: PriceE4) -> None:
        """For the next start and for reports. Risk never waits for the Ledger; a row that found no room is found again
        by the next start, which reads the market once more.
        """
        row = (("ticker", ticker), ("value_e4", value_e4), ("settled_ms", self.context.seams.wall_ms()))
        if not self.context.outbox.try_send(Record(table="settlements", values=row)):
            self.context.log.warning(f"the settlement of {ticker} found no room at the ledger, reports lack it")

    async def _retire(self) -> None:
        """Lets go of the markets that are over, and looks whether one that is flat has settled unseen."""
        now_s = self.context.seams.now()
        for ticker in self._retirement.due(self._portfolio.accounts, now_s):
            totals = Totals().plus(self._portfolio.accounts[ticker])
            if not self.context.outbox.try_send(RetireMarket(ticker=ticker, totals=totals)):
                return  # the Ledger has other things to do: later
            self._portfolio = retire(self._portfolio, ticker)
            for known in (self._positions_said, self._rules, self._marks):
                known.pop(ticker, None)
            self._booked.discard(ticker)
        unseen = self._retirement.to_read(self._portfolio.accounts, self._is_open, now_s)
        if unseen is not None:
            await post_to_wire(self.context, ReadMarket(ticker=unseen))

    def _is_open(self, ticker: str) -> bool:
        rules = self._rules.get(ticker)
        return ticker in self._assigned or (rules is not None and rules.close_time_ms > self.context.seams.wall_ms())

    # -- out --

    def _say(self) -> None:
        now_s = self.context.seams.now()
        held = self._portfolio.positions_e2
        facts = {
            ticker: MarketFacts(
                event_ticker=rules.event_ticker,
                category=rules.category,
                is_exclusive=rules.mutually_exclusive,
                exchange_index=rules.exchange_index,
                strike=rules.strike,
                close_time_ms=rules.close_time_ms,
            )
            for ticker, rules in self._rules.items()
            # Caps are shared out, so only who may use them gets a share.
            if ticker in self._assigned or ticker in held
        }
        assessment = assess(
            portfolio=self._portfolio,
            marks=self._marks,
            markets=facts,
            balances=self._balance,
            parameters=self.parameters,
            latch=self._latch,
            day=self.context.seams.wall_ms() // DAY_MS,
            drifted=self._drift.drifted(self.drift_parameters),
            loss_marks=self._loss_marks.seen(self._marks, held, now_s),
        )
        self._latch = assessment.latch
        self._keep_latch(now_s)
        if assessment.reasons != self._halts_said:
            self._halts_said = assessment.reasons
            self.context.log.info("halted: " + "; ".join(assessment.reasons) if assessment.halt else "not halted")
        if self._balance is not None:
            # Right after a restart we know no balance yet: our predecessor's word stands until its lease ends.
            self.context.outbox.publish(self._risk_view(assessment, now_s))
            self._say_unfunded(facts, self._balance)
        self._say_positions()
        self._say_pnl()
        self._episodes.tell()
        self.context.outbox.publish(Heartbeat(actor="portfolio_risk", incarnation=self.context.incarnation, at_s=now_s))

    def _keep_latch(self, now_s: float) -> None:
        """Has the latch stored: a new equity at its leisure, everything else at once."""
        kept = self._latch_kept
        if self._latch == kept:
            return
        moved = attrs.evolve(kept, peak_equity_e6=self._latch.peak_equity_e6, last_equity_e6=self._latch.last_equity_e6)
        if self._latch == moved and now_s < self._latch_kept_s + EQUITY_KEPT_EVERY_S:
            return
        if self._latch.tripped_reason is not None and self._latch_kept.tripped_reason is None:
            self._alert("loss_limit", "error", f"{self._latch.tripped_reason}; `release` ends the halt")
        self._latch_kept, self._latch_kept_s = self._latch, now_s
        self.context.outbox.publish(KeepLossLatch(latch=self._latch))

    def _say_unfunded(self, markets: Mapping[str, MarketFacts], balance: Balance) -> None:
        """Tells of each shard without cash once, and again only after it had some."""
        funded = {index for index, cash_e6 in balance.by_shard_e6 if cash_e6 > 0}
        self._unfunded_said -= funded
        for shard in unfunded_shards(markets, balance):
            if shard.exchange_index not in self._unfunded_said:
                self._unfunded_said |= {shard.exchange_index}
                self.context.log.warning(shard.text)
                self._alert("shard_unfunded", "warning", shard.text)

    def _alert(self, code: str, severity: str, text: str) -> None:
        at_ms = self.context.seams.wall_ms()
        self.context.outbox.publish(Alert(code=code, severity=severity, actor="portfolio_risk", text=text, at_ms=at_ms))

    def _risk_view(self, assessment: RiskAssessment, now_s: float) -> RiskView:
        caps = tuple(
            MarketCap(
                ticker=limits.ticker,
                max_long_e2=limits.max_long_e2,
                max_short_e2=limits.max_short_e2,
                reasons=limits.reasons,
                closed_sides=_closed_sides(limits),
            )
            for limits in assessment.limits.values()
        )
        return RiskView(
            lease_until_s=now_s + self.timing.lease_s,
            is_halted=assessment.halt,
            reasons=assessment.reasons,
            caps=caps,
            cash_available_e6=self._balance.by_shard_e6 if self._balance is not None else (),
            watermark=self._portfolio.sequence.watermark,
        )

    def _say_positions(self) -> None:
        held = []
        for ticker, account in self._portfolio.accounts.items():
            mark = self._marks.get(ticker)
            mark_e4 = None if mark is None or account.is_flat else liquidation_mark_e4(account.position_e2, mark)
            open_e6 = MoneyE6(0) if mark_e4 is None else unrealised_e6(account, mark_e4)
            view = PositionView(
                ticker=ticker,
                position_e2=account.position_e2,
                average_entry_e4=account.average_entry_e4,
                realised_e6=account.realised_e6,
                unrealised_e6=open_e6,
                fees_e6=account.fees_e6,
                mark_e4=mark_e4,
                watermark=self._portfolio.sequence.watermark,
                opened_seq=self._episodes.opened_seq(ticker),
            )
            if not account.is_flat:
                held.append(ticker)
            before = self._positions_said.get(ticker)
            if before is None or attrs.evolve(before, watermark=view.watermark) != view:
                self._positions_said[ticker] = view
                self.context.outbox.publish(view)
        self.context.outbox.publish(WantedMarkets(owner="portfolio_risk", tickers=tuple(sorted(held))))

    def _say_pnl(self) -> None:
        totals = self._portfolio.totals
        valuation = value(self._portfolio, self._marks)
        pnl = PnlView(
            cash_e6=totals.cash_delta_e6,
            marks_e6=valuation.mark_value_e6,
            realised_e6=totals.realised_e6,
            unrealised_e6=valuation.unrealised_e6,
            fees_e6=totals.fees_e6,
            fills=totals.fills,
            contracts_e2=totals.traded_e2,
            drift=tuple(sorted(self._drift_said)),
        )
        check(pnl.is_exact, "I6", f"cash + marks {pnl.cash_e6 + pnl.marks_e6} is not the PnL {pnl.pnl_e6}")
        self.context.outbox.publish(pnl)


def _closed_sides(limits: MarketLimits) -> tuple[Side, ...]:
    allowed = ((Side.BID, limits.bid_allowed), (Side.ASK, limits.ask_allowed))
    return tuple(side for side, is_allowed in allowed if not is_allowed)


def _book_mark(view: BookView) -> Mark | None:
    bid, ask = view.best_bid, view.best_ask
    if bid is None and ask is None:
        return None
    return Mark(bid_e4=bid.price_e4 if bid else None, ask_e4=ask.price_e4 if ask else None)


def _ticker_mark(view: TickerView) -> Mark | None:
    bid = view.yes_bid_e4 if view.yes_bid_e4 > 0 else None
    ask = view.yes_ask_e4 if view.yes_ask_e4 < ONE_DOLLAR_E4 else None
    return None if bid is None and ask is None else Mark(bid_e4=bid, ask_e4=ask)
