"""How a hidden value moves: regimes that a scenario can set, as increments in units of the value's own volatility.

    wandering       a plain walk with rare news; what a coin's price does when nothing else is asked
    mean_reverting  a walk that is drawn back to its home, so that a patient maker earns
    trending        a drift on top, which turns after some minutes and never runs away for good
    chaotic         wide steps and frequent jumps
    quiet           a tenth of the movement, no news, few traders

Each value has a stream of its own, so a change of one regime changes no other value.
"""

from __future__ import annotations

import enum
import math
import random
from typing import Final

import attrs


class Regime(enum.StrEnum):
    """How a market behaves; the words that a scenario file uses."""

    WANDERING = "wandering"
    MEAN_REVERTING = "mean_reverting"
    TRENDING = "trending"
    CHAOTIC = "chaotic"
    QUIET = "quiet"


@attrs.frozen(kw_only=True)
class _Motion:
    """Per second: share drawn back home, drift, chance of a jump; jumps and drift in units of one second's step."""

    scale: float
    pull: float = 0.0
    drift: float = 0.0
    jump_chance: float = 0.0
    jump_units: tuple[float, float] = (0.0, 0.0)
    activity: float = 1.0


_MOTIONS: Final = {
    Regime.WANDERING: _Motion(scale=1.0, pull=0.0005, jump_chance=0.0008, jump_units=(15, 40)),
    Regime.MEAN_REVERTING: _Motion(scale=1.0, pull=0.01, jump_chance=0.0004, jump_units=(10, 30)),
    Regime.TRENDING: _Motion(scale=1.0, drift=0.3, activity=1.3),
    Regime.CHAOTIC: _Motion(scale=2.5, pull=0.002, jump_chance=0.01, jump_units=(10, 40), activity=2.0),
    Regime.QUIET: _Motion(scale=0.1, pull=0.001, activity=0.5),
}
_TREND_S: Final = 300.0
# A trend that has come this far turns round: prices that run to an end of the scale are of no more use.
_TREND_UNITS_MAX: Final = 90.0


class Drive:
    """The increments of one hidden value. `regime` may be set at any time."""

    def __init__(self, rng: random.Random, regime: Regime, *, has_news: bool = True) -> None:
        self._rng = rng
        self._has_news = has_news
        self._direction = rng.choice((-1, 1))
        self.regime = regime

    @property
    def activity(self) -> float:
        """Returns how many traders come, as a multiple of the usual."""
        return _MOTIONS[self.regime].activity

    @property
    def scale(self) -> float:
        """Returns how large steps and news are, as a multiple of the usual."""
        return _MOTIONS[self.regime].scale

    def step(self, elapsed_s: float, displacement: float) -> float:
        """Returns the next increment; both it and `displacement` from home in units of one second's step."""
        motion, rng = _MOTIONS[self.regime], self._rng
        moved = rng.gauss(0.0, 1.0) * motion.scale * math.sqrt(elapsed_s)
        if motion.pull:
            moved -= displacement * min(1.0, motion.pull * elapsed_s)
        if motion.drift:
            moved += self._trend(displacement, elapsed_s) * motion.drift * elapsed_s
        if self._has_news and motion.jump_chance and rng.random() < motion.jump_chance * elapsed_s:
            moved += rng.choice((-1, 1)) * rng.uniform(*motion.jump_units)
        return moved

    def _trend(self, displacement: float, elapsed_s: float) -> int:
        if abs(displacement) > _TREND_UNITS_MAX:
            self._direction = -1 if displacement > 0 else 1
        elif self._rng.random() < elapsed_s / _TREND_S:
            self._direction = -self._direction
        return self._direction
