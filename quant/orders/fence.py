"""When one of our order groups trips: was it our own fills, or did somebody fence us?

The exchange triggers a group when its matched contracts within a rolling 15 s pass the limit. Once the
numbered fills are complete past the trigger, the answer is arithmetic: if in any 15 s up to the trigger the
group's fills reached the limit, it was the brake on runaway fills, and risk may open the next group. If they
did not, and we did not send the trigger, then somebody else fenced us, and we must not come back by ourselves
(I30).

"Any 15 s", not only the last before the trigger: where the event was lost, a refused create tells of the
trigger late, and then only an upper bound of its time is known. It cannot explain too much, because the first
window that reaches the limit is the one that trips the group.

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
    """Returns whether the group's own fills explain that it had tripped by `tripped_ms`; WAIT until the fills
    are complete past that.
    """
    if complete_to_ms <= tripped_ms:
        return TripVerdict.WAIT
    fills = sorted((f for f in group_fills if f.ts_ms <= tripped_ms), key=lambda fill: fill.ts_ms)
    first, matched_e2 = 0, 0
    for fill in fills:
        matched_e2 += fill.count_e2
        while fills[first].ts_ms < fill.ts_ms - GROUP_WINDOW_MS:
            matched_e2 -= fills[first].count_e2
            first += 1
        if matched_e2 >= limit_e2:
            return TripVerdict.OUR_FILLS
    return TripVerdict.FENCED_FROM_OUTSIDE
