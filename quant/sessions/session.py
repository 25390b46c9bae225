"""One session: where it stands, why it ends, and what it wants of its market.

    CLAIMING -> QUOTING <-> FROZEN                     while it lives
    SOFT_EXIT, WAITING -> REDUCING, CLOSING, HARD_EXIT while it unwinds
    RECOVERING                                         after a restart, until positions are known

It gets exactly one end reason, at the moment it leaves life; how it unwinds can still change after that, never why.
"""

from __future__ import annotations

import enum

import attrs

from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Side
from quant.quoting.directive import QuoteMode
from quant.signals.markouts import MarkoutState


class Phase(enum.StrEnum):
    """Where a session stands."""

    RECOVERING = "recovering"  # found in the Ledger; nothing rests until it is known what is held
    CLAIMING = "claiming"  # asks for its market
    QUOTING = "quoting"
    FROZEN = "frozen"  # nothing rests, the position stays
    SOFT_EXIT = "soft exit"  # reducing quotes, for a limited time
    WAITING = "waiting"  # nothing rests: the price gets time to come back
    REDUCING = "reducing"  # reducing quotes within the slippage limit
    CLOSING = "closing"  # a small position goes at the touch
    HARD_EXIT = "hard exit"  # out now


LIVE = frozenset({Phase.CLAIMING, Phase.QUOTING, Phase.FROZEN})


class EndReason(enum.StrEnum):
    """Why a session ended; each has exactly one."""

    TIME_TO_LIVE = "time to live"
    EXPIRY_WINDOW = "expiry window"
    LOW_VOLATILITY = "low volatility"
    VOLATILITY_ENDED = "volatility ended"
    REGIME_TRENDING = "regime trending"
    REGIME_CHAOTIC = "regime chaotic"
    REGIME_OTHER = "another bad regime"
    REGIME_STALE = "regime stale"
    MARKET_ENDED = "market ended"
    NOT_ASSIGNED = "not assigned"
    LOST_MARKET = "lost its market"
    SWITCHED_OFF = "program switched off"
    KILLED = "killed"
    RESTART = "restart"


@attrs.frozen(kw_only=True)
class ExitWish:
    """An exit that the session asks the desk for: immediate or cancel, never more than is held."""

    side: Side
    count_e2: CountE2
    limit_e4: PriceE4


@attrs.frozen(kw_only=True)
class Wish:
    """What a session wants of its market now."""

    mode: QuoteMode = QuoteMode.FREEZE
    exit_limit_e4: PriceE4 | None = None
    exit: ExitWish | None = None


@attrs.frozen(kw_only=True)
class Session:
    """One session; times are monotonic seconds."""

    session_id: str
    ticker: str
    event_id: str
    opened_at_s: float
    opened_at_ms: int
    close_time_ms: int
    pnl_at_start_e6: MoneyE6
    markouts: MarkoutState
    phase: Phase = Phase.CLAIMING
    phase_since_s: float
    had_market: bool = False
    end_reason: EndReason | None = None
    unwinding_since_s: float | None = None
    flat_since_s: float | None = None  # while it unwinds: since when nothing is held and nothing rests
    was_hard: bool = False  # of recovered ones: how they were on their way out
    reference_e4: PriceE4 | None = None  # the touch when the exit began; slippage counts from it
    pnl_e6: MoneyE6 = MoneyE6(0)
    position_e2: CountE2 = CountE2(0)
    reasons: tuple[str, ...] = ()
    wish: Wish = attrs.field(factory=Wish)

    @property
    def is_live(self) -> bool:
        return self.phase in LIVE

    def to(self, phase: Phase, now_s: float, *reasons: str) -> Session:
        """Returns the session in `phase`, where it has been since `now_s` unless it was there before."""
        since_s = self.phase_since_s if phase is self.phase else now_s
        return attrs.evolve(self, phase=phase, phase_since_s=since_s, reasons=reasons)
