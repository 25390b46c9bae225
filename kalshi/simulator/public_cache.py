"""The cache in front of public reads: who does not sign may be given an answer that is some seconds old.

Community reports of August 2026 see `Cache-Control: public, max-age=15` on public reads; nothing official says so,
hence the switch `public_cache_s`, zero by default. Signed reads never come from here.
"""

from __future__ import annotations

from typing import Final

from kalshi.simulator.rest_call import Answer, Call

ENTRIES_MAX: Final = 2_000  # distinct public requests within the age; beyond it the oldest goes

_Request = tuple[str, tuple[tuple[str, str], ...]]


class PublicCache:
    """Answers by path and query, each with the engine time at which it was made."""

    def __init__(self, max_age_ms: int) -> None:
        self._max_age_ms = max_age_ms
        self._answers: dict[_Request, tuple[int, Answer]] = {}

    def find(self, call: Call, path: str) -> Answer | None:
        """Returns a young enough answer to the same request of somebody who did not sign."""
        found = self._answers.get((path, call.query))
        if call.key is not None or found is None:
            return None
        made_ms, answer = found
        return answer if call.services.core.now_ms() - made_ms < self._max_age_ms else None

    def keep(self, call: Call, path: str, answer: Answer) -> None:
        """Remembers an answer, if this request may be answered from here at all."""
        if call.key is not None or not self._max_age_ms:
            return
        self._answers.pop((path, call.query), None)
        self._answers[path, call.query] = (call.services.core.now_ms(), answer)
        if len(self._answers) > ENTRIES_MAX:
            del self._answers[next(iter(self._answers))]
