"""How much a new observation counts in a running mean: a prior at first, exponential forgetting later.

Until enough has been seen the mean is an average that starts with the prior, worth `prior_weight_s` seconds of
observation; after that, what is `half_life_s` old counts half. The larger of the two weights holds, so there
is no jump between them.
"""

from __future__ import annotations

import math
from typing import Final

# Beyond this many half-lives the time observed no longer matters, and a bounded number stays exact.
OBSERVED_HALF_LIVES_MAX: Final = 10


def weight(elapsed_s: float, observed_s: float, *, half_life_s: float, prior_weight_s: float) -> float:
    """Returns the weight in 0..1 of an observation that covers `elapsed_s` after `observed_s` of observation."""
    forgetting = 1.0 - math.pow(0.5, elapsed_s / half_life_s)
    averaging = elapsed_s / (prior_weight_s + observed_s + elapsed_s)
    return max(forgetting, averaging)


def weight_of_one(seen: int, half_life: float) -> float:
    """Returns the weight in 0..1 of one more observation as number `seen`, without a prior; both count observations."""
    return weight(1.0, seen - 1.0, half_life_s=half_life, prior_weight_s=0.0)


def one_more(seen: int, half_life: float) -> int:
    """Returns the number of observations after one more, bounded."""
    return min(seen + 1, math.ceil(OBSERVED_HALF_LIVES_MAX * half_life))


def longer(observed_s: float, elapsed_s: float, half_life_s: float) -> float:
    """Returns the seconds observed after `elapsed_s` more, bounded."""
    return min(observed_s + elapsed_s, OBSERVED_HALF_LIVES_MAX * half_life_s)
