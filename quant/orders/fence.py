"""When one of our order groups trips: was it our own fills, or did somebody fence us?

The exchange triggers a group when its matched contracts within a rolling 15 s pass the limit. Once the
numbered fills are complete past the trigger, the answer is arithmetic: if the group's fills in the window
before the trigger reach the limit, it was the brake on runaway fills, and risk may open the next group. If
they do not, and we did not send the trigger, then somebody else fenced us, and we must not come back by
ourselves (I30).

Source: Kalshi order groups guide, read October 2026: "exceeds" in the guide, "hit" in the endpoint text, so
reaching the limit counts as an explanation.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from kalshi.numbers import CountE2
from kalshi.types import Fill

GROUP_WINDOW_MS = 15_000


class TripVerdict(enum.StrEnum):
    WAIT = "wait"
    OUR_FILLS = "our_fills"
    FENCED_FROM_OUTSIDE = "fenced_from_outside"


def judge_trip(tripped_ms: int, complete_to_ms: int, limit_e2: CountE2, group_fills: Iterable[Fill]) -> TripVerdict:
    """Returns whether our own fills explain a tripped group; WAIT until the fills are complete past the
    trigger.
    """
    if complete_to_ms <= tripped_ms:
        return TripVerdict.WAIT
    matched_e2 = sum(f.count_e2 for f in group_fills if tripped_ms - GROUP_WINDOW_MS <= f.ts_ms <= tripped_ms)
    return TripVerdict.OUR_FILLS if matched_e2 >= limit_e2 else TripVerdict.FENCED_FROM_OUTSIDE
