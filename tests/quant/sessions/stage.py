"""A market in which nothing speaks against a session, and a clock that steps it through its life."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.sessions.facts import EventSeen, MarketSeen, Moment, RegimeSeen
from quant.sessions.parameters import SessionParameters
from quant.sessions.session import Session
from quant.sessions.sessions import Ended, Happening, Sessions, Verdict, step
from quant.signals.markouts import MarkedFill
from quant.signals.regime import Regime
from tests.quant.builders import CENT_GRID

T = "KX-A"
PROGRAM = "volatility"
NOW_MS = 1_790_000_000_000
PARAMETERS = SessionParameters()


@attrs.define
class Stage:
    """One world of facts that a test changes between steps. Regimes and trades are young unless a test says else."""

    parameters: SessionParameters = attrs.field(factory=SessionParameters)
    tickers: tuple[str, ...] = (T,)
    now_s: float = 1_000.0
    regime: Regime = Regime.MEAN_REVERTING
    is_stable: bool = True
    sigma: float = 0.002  # dollars per sqrt(s)
    mid_e4: int = 5_000
    regime_age_s: float | None = 0.0  # None: nothing is known
    trade_age_s: float | None = 0.0
    over_because: str = ""
    event_age_s: float = 0.0
    close_in_s: float = 7_200.0
    owner: str | None = PROGRAM
    position_e2: int = 0
    touch_e4: int | None = None
    pnl_e6: int = 0
    has_orders: bool = False
    has_ended: bool = False
    is_tradable: bool = True
    moment: dict[str, Any] = attrs.field(factory=dict)  # fields of Moment that a test changes
    fills: tuple[MarkedFill, ...] = ()
    state: Sessions = attrs.field(factory=lambda: Sessions(life="life"))
    happenings: list[Happening] = attrs.field(factory=list)
    verdicts: dict[str, Verdict] = attrs.field(factory=dict)

    def market(self) -> MarketSeen:
        now_s = self.now_s
        regime = RegimeSeen(
            regime=self.regime,
            is_stable=self.is_stable,
            sigma=self.sigma,
            mid_e4=PriceE4(self.mid_e4),
            last_trade_at_s=None if self.trade_age_s is None else now_s - self.trade_age_s,
            judged_at_s=now_s - (self.regime_age_s or 0.0),
        )
        event = EventSeen(
            event_id="1-7",
            said_at_s=now_s - self.event_age_s,
            strength=0.5,
            sigma=self.sigma,
            close_time_ms=self.now_ms + round(self.close_in_s * 1000),
            over_because=self.over_because,
        )
        return MarketSeen(
            event=event,
            regime=None if self.regime_age_s is None else regime,
            position_e2=CountE2(self.position_e2),
            touch_e4=None if self.touch_e4 is None else PriceE4(self.touch_e4),
            pnl_e6=MoneyE6(self.pnl_e6),
            grid=CENT_GRID,
            owner=self.owner,
            is_tradable=self.is_tradable,
            has_ended=self.has_ended,
            has_orders=self.has_orders,
            fills=self.fills,
        )

    @property
    def now_ms(self) -> int:
        return NOW_MS + round(self.now_s * 1000)

    def step(self, after_s: float = 0.0) -> Session | None:
        """Moves the clock and takes one step; returns the session of the first market, if there is one."""
        self.now_s += after_s
        self.close_in_s -= after_s
        markets = {ticker: self.market() for ticker in self.tickers}
        facts: dict[str, Any] = {"balance_e6": MoneyE6(1_000_000_000), **self.moment}
        taken = step(
            self.state,
            Moment(now_s=self.now_s, now_ms=self.now_ms, program=PROGRAM, markets=markets, **facts),
            self.parameters,
        )
        self.state, self.fills = taken.state, ()
        self.happenings += taken.happenings
        self.verdicts = {verdict.ticker: verdict for verdict in taken.verdicts}
        return self.state.sessions.get(self.tickers[0])

    def reasons(self) -> str:
        return "; ".join(self.verdicts[self.tickers[0]].reasons)

    def ended(self) -> list[Ended]:
        return [happening for happening in self.happenings if isinstance(happening, Ended)]

    def end(self) -> Ended:
        (ended,) = self.ended()
        return ended


def quoting(**changes: Any) -> tuple[Stage, Session]:
    """Returns a stage whose session quotes."""
    stage = Stage(**changes)
    assert stage.step() is None
    assert stage.step(stage.parameters.entry.delay_s) is not None
    session = stage.step(0.25)
    assert session is not None
    return stage, session


def fills(prices_e4: Iterable[int], side: Side, now_s: float) -> tuple[MarkedFill, ...]:
    return tuple(
        MarkedFill(time_s=now_s, side=side, price_e4=PriceE4(price_e4), count_e2=CountE2(100)) for price_e4 in prices_e4
    )
