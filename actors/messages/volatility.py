"""What is said about how markets move, and what volatility sessions want of those who quote."""

from __future__ import annotations

import enum

import attrs

from kalshi.numbers import PriceE4
from quant.quoting.directive import QuoteMode
from quant.signals.regime import Regime, RegimeReason


@attrs.frozen(kw_only=True)
class MarketRegime:
    """The scanner's present verdict on one market; past its age limit nobody may rely on it.

    `sigma_dollars_per_sqrt_s` is the volatility of its mid, `judged_at_s` (monotonic) when it was last confirmed.
    """

    ticker: str
    regime: Regime
    reason: RegimeReason
    is_stable: bool  # it has held for as many windows as are required before anybody acts on it
    sigma_dollars_per_sqrt_s: float
    mid_e4: PriceE4
    last_trade_at_s: float | None  # monotonic; None while no trade was seen
    judged_at_s: float


class Direction(enum.StrEnum):
    """Which way a market moved, where it moved far enough to say so."""

    UP = "up"
    DOWN = "down"
    NONE = "none"


@attrs.frozen(kw_only=True)
class VolatilityEvent:
    """One market moves and comes back: worth a session. While it lasts it is said again with newer figures.

    `is_over` ends it, with `reason` saying why: volatility fell, the market became inactive or is watched no more.
    """

    ticker: str
    event_id: int  # of this scanner's life; a new event of the same market has another one
    incarnation: int  # of the scanner
    is_over: bool
    reason: str
    jump_e4: int | None  # signed, over the jump window; None where no jump triggered
    sigma_dollars_per_sqrt_s: float
    strength: float  # 0 to 1
    direction: Direction
    category: str
    event_ticker: str
    close_time_ms: int
    began_at_s: float
    said_at_s: float


@attrs.frozen(kw_only=True)
class ScannerReport:
    """What the scanner looks at, for people: markets of its last full scan, those watched, and those seen now."""

    listed: int
    watched: int
    streamed: int
    events: tuple[str, ...]  # the markets in which one runs
    sweeps: int
    at_s: float


@attrs.frozen(kw_only=True)
class QuoteDirective:
    """What the owner program of a market asks of its market maker; it holds until the next one or `valid_until_s`.

    `exit_limit_e4` is the worst price at which a reducing order may rest; None leaves that to the strategy.
    """

    ticker: str
    program: str
    mode: QuoteMode
    exit_limit_e4: PriceE4 | None
    reasons: tuple[str, ...]
    valid_until_s: float
