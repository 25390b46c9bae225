"""Random worlds against what must always hold: how many, one a market, who quotes, who exits, and one reason each."""

from __future__ import annotations

import random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.quoting.directive import QuoteMode
from quant.sessions.facts import EventSeen, MarketSeen, Moment, RegimeSeen
from quant.sessions.parameters import KillParameters, SessionParameters
from quant.sessions.session import EndReason, Phase, Session
from quant.sessions.sessions import Ended, Moved, Opened, Sessions, recovered, recovering, step
from quant.signals.markouts import MarkedFill
from quant.signals.regime import Regime
from tests.quant.builders import CENT_GRID

TICKERS = tuple(f"KX-{letter}" for letter in "ABCDEF")
PROGRAM = "volatility"
STEPS = 220
SLIPPAGE_E4 = SessionParameters().exits.slippage_e4


@attrs.define
class MarketFacts:
    """One market of the random world, good for a session most of the time."""

    regime: Regime = Regime.MEAN_REVERTING
    regime_at_s: float = 0.0
    is_stable: bool = True
    has_event: bool = True
    is_over: bool = False
    position_e2: int = 0
    mid_e4: int = 5_000
    owner: str | None = None
    has_orders: bool = False
    has_ended: bool = False
    traded_at_s: float = 0.0
    fills: tuple[MarkedFill, ...] = ()


@attrs.define
class Model:
    """The world, the sessions in it, and what is known of each session id."""

    rng: random.Random
    parameters: SessionParameters
    now_s: float = 1_000.0
    state: Sessions = attrs.field(factory=lambda: Sessions(life="a"))
    markets: dict[str, MarketFacts] = attrs.field(factory=lambda: {t: MarketFacts() for t in TICKERS})
    balance_e6: int = 10**9
    is_killed: bool = False
    is_on: bool = True
    paused: frozenset[str] = frozenset()
    lives: int = 1
    open_ids: dict[str, str] = attrs.field(factory=dict)  # by market
    reasons: dict[str, EndReason] = attrs.field(factory=dict)  # once a session has one
    ended: dict[str, Ended] = attrs.field(factory=dict)
    seen: set[Phase] = attrs.field(factory=set)

    def change(self) -> None:
        """Lets one thing happen to one market, or to the whole."""
        rng, market = self.rng, self.markets[self.rng.choice(TICKERS)]
        match rng.randrange(13):
            case 0:
                market.regime = rng.choice([*Regime, Regime.MEAN_REVERTING, Regime.QUIET, Regime.QUIET])
            case 1:
                market.is_stable = rng.random() < 0.8
            case 2:
                market.is_over = rng.random() < 0.3
            case 3:
                market.has_event = rng.random() < 0.9
            case 4 | 5:
                side = rng.choice([Side.BID, Side.ASK])
                market.position_e2 += side.sign * 100
                fill = MarkedFill(time_s=self.now_s, side=side, price_e4=PriceE4(market.mid_e4), count_e2=CountE2(100))
                market.fills = (*market.fills, fill)
            case 6:
                market.position_e2 = 0
            case 7:
                market.mid_e4 = max(200, min(9_800, market.mid_e4 + rng.choice([-600, -100, 100, 600])))
            case 8:
                market.owner = rng.choice([PROGRAM, PROGRAM, PROGRAM, None, "discovery"])
            case 9:
                market.has_orders = rng.random() < 0.5
            case 10:
                market.has_ended = rng.random() < 0.1
            case 11:
                self.balance_e6 = rng.choice([10**9, 10**9, 110_000_000, 90_000_000])
                self.paused = rng.choice([frozenset(), frozenset(), frozenset({TICKERS[0]}), frozenset({"*"})])
            case _:
                self.is_killed, self.is_on = rng.random() < 0.05, rng.random() < 0.95

    def restart(self) -> None:
        """A new life of the manager: all that it keeps is what the Ledger has."""
        self.lives += 1
        found = [
            recovering(
                session_id=session.session_id,
                ticker=session.ticker,
                event_id=session.event_id,
                opened_at_ms=session.opened_at_ms,
                close_time_ms=session.close_time_ms,
                pnl_at_start_e6=session.pnl_at_start_e6,
                end_reason=session.end_reason,
                was_hard=session.phase is Phase.HARD_EXIT,
                now_s=self.now_s,
                parameters=self.parameters,
            )
            for session in self.state.sessions.values()
        ]
        self.state = recovered(Sessions(life=f"life {self.lives}"), found)

    def step(self, after_s: float) -> None:
        self.now_s += after_s
        before = self.state
        taken = step(self.state, self.moment(), self.parameters)
        self.state = taken.state
        for market in self.markets.values():
            market.fills = ()
        for happening in taken.happenings:
            self.happened(happening, before)
        self.check({verdict.ticker for verdict in taken.verdicts})

    def moment(self) -> Moment:
        return Moment(
            now_s=self.now_s,
            now_ms=round(self.now_s * 1000),
            program=PROGRAM,
            is_on=self.is_on,
            is_killed=self.is_killed,
            paused=self.paused,
            balance_e6=MoneyE6(self.balance_e6),
            markets={
                ticker: self.facts(market)
                for ticker, market in self.markets.items()
                if market.has_event or ticker in self.state.sessions
            },
        )

    def facts(self, market: MarketFacts) -> MarketSeen:
        touch_e4 = None if market.position_e2 == 0 else market.mid_e4 - (100 if market.position_e2 > 0 else -100)
        if self.rng.random() < 0.9:
            market.regime_at_s = self.now_s
        if self.rng.random() < 0.7:
            market.traded_at_s = self.now_s
        event = EventSeen(
            event_id="1",
            said_at_s=self.now_s,
            strength=market.mid_e4 / 10_000,
            sigma=0.002,
            close_time_ms=round(self.now_s * 1000) + 10**9,
            over_because="it says so" if market.is_over else "",
        )
        return MarketSeen(
            event=event if market.has_event else None,
            regime=RegimeSeen(
                regime=market.regime,
                is_stable=market.is_stable,
                sigma=0.002,
                mid_e4=PriceE4(market.mid_e4),
                last_trade_at_s=market.traded_at_s,
                judged_at_s=market.regime_at_s,
            ),
            position_e2=CountE2(market.position_e2),
            touch_e4=None if touch_e4 is None else PriceE4(touch_e4),
            grid=CENT_GRID,
            owner=market.owner,
            has_orders=market.has_orders,
            has_ended=market.has_ended,
            fills=market.fills,
        )

    # -- what must hold --

    def happened(self, happening: Opened | Moved | Ended, before: Sessions) -> None:
        session = happening.session
        match happening:
            case Opened():
                assert session.ticker not in self.open_ids, "a second session of one market"
                assert session.session_id not in self.reasons, "an id was used twice"
                assert self.markets[session.ticker].position_e2 == 0
                assert not self.markets[session.ticker].is_over
                assert session.ticker not in before.sessions, "it ended and began in one step"
                self.open_ids[session.ticker] = session.session_id
            case Moved():
                assert self.open_ids[session.ticker] == session.session_id
            case Ended():
                assert self.open_ids.pop(session.ticker) == session.session_id
                assert session.session_id not in self.ended, "it ended twice"
                assert session.end_reason is not None
                assert self.reasons.setdefault(session.session_id, session.end_reason) is session.end_reason
                assert session.ticker not in self.state.sessions or (
                    self.state.sessions[session.ticker].session_id != session.session_id
                )
                # A market that it never had may hold what is its owner's.
                assert not (session.position_e2 and session.had_market) or happening.given_up_because
                self.ended[session.session_id] = happening

    def check(self, judged: set[str]) -> None:
        sessions = self.state.sessions
        assert len(sessions) <= self.parameters.entry.sessions_max
        assert {ticker: session.session_id for ticker, session in sessions.items()} == self.open_ids
        assert judged >= {t for t, m in self.markets.items() if m.has_event} | set(sessions)
        for ticker, session in sessions.items():
            assert session.ticker == ticker
            self.seen.add(session.phase)
            self.check_one(session, self.markets[ticker])

    def check_one(self, session: Session, market: MarketFacts) -> None:
        assert session.session_id not in self.ended
        assert session.reasons, "a session without a reason"
        wish, reason = session.wish, session.end_reason
        assert (reason is None) is (session.is_live or session.phase is Phase.RECOVERING)
        if reason is not None:
            assert self.reasons.setdefault(session.session_id, reason) is reason, "its reason changed"
        else:
            assert session.session_id not in self.reasons, "it lives again"
        if wish.mode is QuoteMode.QUOTE:
            assert session.phase is Phase.QUOTING
            assert market.regime in self.parameters.entry.allowed_regimes
            assert self.now_s - market.regime_at_s <= self.parameters.guardrails.regime_freeze_s
            assert market.owner == PROGRAM
            assert not {session.ticker, "*"} & self.paused
            assert self.is_on
            assert not self.is_killed
        if wish.mode is QuoteMode.REDUCE_ONLY:
            assert session.phase in (Phase.SOFT_EXIT, Phase.REDUCING)
            assert wish.exit_limit_e4 is not None
            assert session.reference_e4 is not None
            assert abs(wish.exit_limit_e4 - session.reference_e4) <= SLIPPAGE_E4
        if wish.exit is not None:
            assert session.phase in (Phase.CLOSING, Phase.HARD_EXIT)
            assert wish.exit.side.sign * market.position_e2 < 0, "an exit that adds"
            assert wish.exit.count_e2 == abs(market.position_e2)
            assert wish.mode is QuoteMode.FREEZE


def run(seed: int, *, needs_losses: bool) -> Model:
    rng = random.Random(seed)
    kill = KillParameters(require_adverse_selection=needs_losses)
    model = Model(rng=rng, parameters=SessionParameters(regime_kill=kill))
    for market in model.markets.values():
        market.owner = PROGRAM
    for _ in range(STEPS):
        if rng.random() < 0.5:
            model.change()
        if rng.random() < 0.01:
            model.restart()
        model.step(rng.choice([0.25, 0.25, 1.0, 5.0]))
    for market in model.markets.values():  # and now the world becomes quiet
        market.position_e2, market.has_orders, market.is_over, market.has_event = 0, False, True, True
    for _ in range(24):
        model.step(0.25)
    assert model.state.sessions == {}, "a session without end"
    assert model.open_ids == {}
    return model


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), needs_losses=st.booleans())
def test_whatever_happens(seed: int, needs_losses: bool) -> None:
    run(seed, needs_losses=needs_losses)


def test_the_random_worlds_see_every_phase_and_nearly_every_reason() -> None:
    """A model that never gets anywhere would prove nothing."""
    models = [run(seed, needs_losses=seed % 2 == 0) for seed in range(16)]
    phases = set().union(*(model.seen for model in models))
    # A recovered session leaves that phase within its first step, since positions are known here.
    assert phases == {*Phase} - {Phase.RECOVERING}
    reasons = {ended.session.end_reason for model in models for ended in model.ended.values()}
    # Those of the clock and of sigma have tests of their own.
    others = {EndReason.EXPIRY_WINDOW, EndReason.LOW_VOLATILITY, EndReason.REGIME_OTHER}
    assert reasons >= {*EndReason} - others - {EndReason.REGIME_STALE, EndReason.NOT_ASSIGNED}
    assert sum(len(model.ended) for model in models) > 60
