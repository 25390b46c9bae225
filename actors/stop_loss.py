"""StopLossActor: watches every held position against its price cache and claims the market when a threshold is passed.

What it has seen of a position is stored with the Ledger: it goes on with that, and does without where the Ledger does
not answer soon.

Prices come from the ticker channel; while the connection lives, a quiet market is a fresh one, so a price's age is the
time
since proof of life. REST is read only for a market without a price, or when the connection has been silent for too
long.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from actors.messages.lifecycle import Heartbeat, Switches
from actors.messages.market import FeedHealth, MarketRead, MarketRules, ReadMarket, TickerView
from actors.messages.money import KeepExcursion, PositionView, ReadExcursions
from actors.messages.orders import ExitClaim, ExitStatus
from actors.runtime.asking import ask_until_answered, post_to_wire
from actors.runtime.supervisor import ChildContext
from kalshi.grid import PriceGrid
from kalshi.numbers import PriceE4, ask_or_none, bid_or_none
from quant.accounting import Mark
from quant.stop_loss import ExitReason, ExitWanted, SeenExcursion, StopLossParameters, decide, is_stale, seen

CHECK_EVERY_S = 2.0
HEARTBEAT_S = 1.0
REST_EVERY_S = 5.0  # per market, and only while the socket does not serve
RECALL_S = 3.0  # a new life of the Ledger takes about one
CLAIM_RENEW_S = 5.0  # the desk forgets a claim after 30 s


@attrs.define
class _Price:
    mark: Mark
    from_socket: bool
    heard_at_s: float


@attrs.define(eq=False)
class StopLoss:
    """The actor; see the module."""

    context: ChildContext
    parameters: StopLossParameters
    _switches: Switches = attrs.field(factory=Switches, init=False)
    _excursions: dict[str, SeenExcursion] = attrs.field(factory=dict, init=False)
    _prices: dict[str, _Price] = attrs.field(factory=dict, init=False)
    _positions: dict[str, PositionView] = attrs.field(factory=dict, init=False)
    _rules: dict[str, MarketRules] = attrs.field(factory=dict, init=False)
    _claims: dict[str, ExitClaim] = attrs.field(factory=dict, init=False)
    _feed: FeedHealth | None = attrs.field(default=None, init=False)
    _asked_s: dict[str, float] = attrs.field(factory=dict, init=False)
    rest_reads: int = attrs.field(default=0, init=False)

    async def run(self, started: Callable[[], None]) -> None:
        """Serves until cancelled."""
        started()
        await self._recall()
        now = self.context.seams.now
        next_check_s = next_beat_s = now()
        while True:
            batch = await self.context.mailbox.receive(timeout_s=HEARTBEAT_S)
            touched = self._take(batch)
            if now() >= next_beat_s:
                next_beat_s = now() + HEARTBEAT_S
                self.context.outbox.publish(
                    Heartbeat(actor="stop_loss", incarnation=self.context.incarnation, at_s=now())
                )
            if now() >= next_check_s:
                next_check_s = now() + CHECK_EVERY_S
                touched = set(self._positions)
            wanted = {ticker: await self._wanted(ticker) for ticker in sorted(touched)}
            for ticker, exit_wanted in sorted(wanted.items(), key=_greatest_loss_first):
                if exit_wanted is not None:
                    self._claim(ticker, exit_wanted)

    async def _recall(self) -> None:
        with trio.move_on_after(RECALL_S):
            stored = await ask_until_answered(self.context, lambda slot: ReadExcursions(reply=slot))
            assert isinstance(stored, tuple)
            self._excursions = {one.ticker: one for one in stored}
            return
        self.context.log.warning("the ledger does not answer: what positions have been through begins anew")

    def _take(self, batch: tuple[object, ...]) -> set[str]:
        touched = set()
        for message in batch:
            match message:
                case TickerView():
                    self._prices[message.ticker] = _Price(
                        _mark(message.yes_bid_e4, message.yes_ask_e4), True, message.heard_at_s
                    )
                    touched.add(message.ticker)
                case MarketRead(market=market, heard_at_s=heard_at_s):
                    self._prices[market.ticker] = _Price(_mark(market.yes_bid_e4, market.yes_ask_e4), False, heard_at_s)
                    touched.add(market.ticker)
                case PositionView():
                    self._positions[message.ticker] = message
                    touched.add(message.ticker)
                case MarketRules():
                    self._rules[message.ticker] = message
                case FeedHealth():
                    self._feed = message
                case Switches():
                    self._switches = message
                    touched |= self._positions.keys()
                case ExitStatus():
                    pass
                case _:
                    pass
        return touched

    async def _wanted(self, ticker: str) -> ExitWanted | None:
        """Returns the exit that a position wants now; lets go of a market in which nothing is held any more."""
        position, rules = self._positions.get(ticker), self._rules.get(ticker)
        if position is None or rules is None or position.average_entry_e4 is None:
            if position is not None:
                self._excursions.pop(ticker, None)
            self._release(ticker)
            return None
        price = self._prices.get(ticker)
        age_s = float("inf") if price is None else self._age_s(ticker, price)
        if price is None or is_stale(age_s, self.parameters):
            await self._read_price(ticker)
            return None
        held_e2, entry_e4, parameters = position.position_e2, position.average_entry_e4, self.parameters
        known = self._excursions.get(ticker) or SeenExcursion(ticker=ticker, opened_seq=position.opened_seq)
        excursion = seen(known.of(position.opened_seq), held_e2, entry_e4, price.mark, age_s, parameters)
        self._keep(known, SeenExcursion(ticker=ticker, opened_seq=position.opened_seq, excursion=excursion))
        is_flattening = self._switches.is_flattening(ticker)
        grid = PriceGrid(rules.price_ranges)
        wanted = decide(held_e2, entry_e4, price.mark, age_s, parameters, grid, excursion, is_flattening=is_flattening)
        if wanted is None and self._is_over(ticker, held_e2):
            self._release(ticker)
        return wanted

    def _keep(self, known: SeenExcursion, now: SeenExcursion) -> None:
        self._excursions[now.ticker] = now
        if now != known and now.opened_seq is not None:
            self.context.outbox.publish(KeepExcursion(seen=now))

    def _is_over(self, ticker: str, held_e2: int) -> bool:
        """Says whether a claim has nothing left to do: it is flat, turned round, or a person has taken it back.

        A price that came back is no such reason: whoever has begun to leave goes on while its claim lasts at the desk.
        """
        claim = self._claims.get(ticker)
        if claim is None or held_e2 * claim.side.sign >= 0:
            return True
        return claim.reason == ExitReason.FLATTEN and not self._switches.is_flattening(ticker)

    def _age_s(self, ticker: str, price: _Price) -> float:
        """A price from the socket is as old as the connection's last sign of life, whatever the market does."""
        feed = self._feed
        now_s = self.context.seams.now()
        is_up = feed is not None and feed.connected and ticker not in feed.silent
        if price.from_socket and feed is not None and is_up and price.heard_at_s <= feed.proof_at_s:
            return now_s - feed.proof_at_s
        return now_s - price.heard_at_s

    async def _read_price(self, ticker: str) -> None:
        now_s = self.context.seams.now()
        if now_s - self._asked_s.get(ticker, -REST_EVERY_S) >= REST_EVERY_S:
            self._asked_s[ticker] = now_s
            self.rest_reads += 1
            await post_to_wire(self.context, ReadMarket(ticker=ticker), is_urgent=True)

    def _claim(self, ticker: str, wanted: ExitWanted) -> None:
        now_s = self.context.seams.now()
        present = self._claims.get(ticker)
        if present is not None and present.side is not wanted.side:
            self._release(ticker)  # the position has turned round: this is another exit
            present = None
        if present is None:
            self.context.log.warning(f"{ticker}: {wanted.reason}: closing {wanted.count_e2 / 100} contracts")
        elif (
            now_s - present.renewed_at_s < CLAIM_RENEW_S
            and present.count_e2 == wanted.count_e2
            and present.limit_e4 == wanted.limit_price_e4
        ):  # what it has lost by now goes with the next renewal
            return
        claim = ExitClaim(
            ticker=ticker,
            claim_id=present.claim_id if present else self.context.seams.new_id(),
            side=wanted.side,
            count_e2=wanted.count_e2,
            limit_e4=wanted.limit_price_e4,
            reason=wanted.reason.value,
            renewed_at_s=now_s,
            loss_e6=wanted.loss_e6,
        )
        self._claims[ticker] = claim
        self.context.outbox.publish(claim)

    def _release(self, ticker: str) -> None:
        claim = self._claims.pop(ticker, None)
        if claim is not None:
            self.context.log.info(f"{ticker}: exit done")
            self.context.outbox.publish(attrs.evolve(claim, is_done=True))


def _greatest_loss_first(of_market: tuple[str, ExitWanted | None]) -> float:
    wanted = of_market[1]
    return 0.0 if wanted is None else -wanted.loss_e6


def _mark(bid_e4: PriceE4, ask_e4: PriceE4) -> Mark:
    return Mark(bid_e4=bid_or_none(bid_e4), ask_e4=ask_or_none(ask_e4))
