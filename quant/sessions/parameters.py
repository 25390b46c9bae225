"""The numbers of volatility sessions; each is a key of the section `sessions`.

Where the documents' numbers contradict each other the default here is another one, and its comment says why.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Final

import attrs

from quant.signals.regime import Regime

SECONDS_PER_MINUTE: Final = 60.0


class KillMode(enum.StrEnum):
    """How a bad regime ends a session."""

    SOFT = "soft"  # only reducing quotes, and after a while an exit
    HARD = "hard"  # an exit at once


@attrs.frozen(kw_only=True)
class EntryParameters:
    """When a session may begin."""

    allowed_regimes: tuple[Regime, ...] = (Regime.MEAN_REVERTING, Regime.QUIET)
    require_stability: bool = True  # the regime has held for the scanner's number of windows
    delay_s: float = 5.0  # all conditions go on holding for so long
    sessions_max: int = 3  # those that unwind count
    event_max_age_s: float = 30.0  # an event that lasts is said again; one that is not belongs to a dead scanner
    reentry_after_s: float = 60.0  # the same market rests between two sessions
    balance_min_e6: int = 100_000_000
    # Below `orders.resting_value_max`, or it would never bind; the documents have $10,000.
    resting_value_max_e6: int = 4_000_000_000
    hysteresis: float = 0.85  # a limit that closed opens again at this share of it, on the safe side


@attrs.frozen(kw_only=True)
class GuardrailParameters:
    """What freezes or ends a running session."""

    time_to_live_s: float = 300.0
    expiry_window_s: float = 180.0  # the last minutes' fills lose most
    no_trade_freeze_s: float = 15.0
    # The documents' 0.01 is also the limit of QUIET, in which sessions are allowed: each would end as it begins.
    # Half a tick per sqrt(minute) is the floor of the estimate, so this is just above it.
    sigma_per_minute_min: float = 0.006
    regime_freeze_s: float = 4.0
    # The documents kill at 4 s as well, so that freezing would never happen; a feed counts as lost at 15 s.
    regime_kill_s: float = 15.0
    assignment_wait_s: float = 15.0  # allocation answers within a second, unless another program has the market

    @property
    def sigma_min(self) -> float:
        """The least volatility in dollars per square root of a second."""
        return self.sigma_per_minute_min / math.sqrt(SECONDS_PER_MINUTE)


@attrs.frozen(kw_only=True)
class KillParameters:
    """Which regimes end a session, and whether only together with fills that lose."""

    is_enabled: bool = True
    modes: Mapping[str, KillMode] = attrs.field(
        factory=lambda: {Regime.TRENDING.value: KillMode.SOFT, Regime.CHAOTIC.value: KillMode.HARD}
    )
    require_adverse_selection: bool = True
    adverse_share: float = 0.7  # of the fills that the price moved against within five seconds
    adverse_fills_min: int = 3  # a session holds three contracts: five fills would come too late
    adverse_window_s: float = 300.0

    def mode(self, regime: Regime) -> KillMode | None:
        """Returns how `regime` ends a session; None where it does not."""
        return self.modes.get(regime.value) if self.is_enabled else None


@attrs.frozen(kw_only=True)
class ExitParameters:
    """How a position is brought back to flat."""

    small_below_e2: int = 200  # less than two contracts are closed at the touch at once
    reversion_wait_s: float = 15.0  # a larger position waits so long for the price to come back
    slippage_e4: int = 400  # how far from the touch at the session's end an exit may go
    soft_exit_max_s: float = 20.0  # then a soft kill becomes a hard one
    unwind_max_s: float = 600.0  # then a person is called, and the stop loss watches over what is left


@attrs.frozen(kw_only=True)
class SessionParameters:
    """The whole section."""

    entry: EntryParameters = attrs.field(factory=EntryParameters)
    guardrails: GuardrailParameters = attrs.field(factory=GuardrailParameters)
    regime_kill: KillParameters = attrs.field(factory=KillParameters)
    exits: ExitParameters = attrs.field(factory=ExitParameters)
