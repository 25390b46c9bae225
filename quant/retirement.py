"""When a market's account is let go: some time after its settlement, when no fill of it comes late any more.

Rules:
1. A settled market that is flat is due `after_s` after it was first seen so. What a late fill would change afterwards
   is found by whoever stores fills, and everything is begun anew; so early is slow, and never wrong.
2. A market that was traded and is flat may have settled while nobody listened. One at a time is read, every
   `read_every_s`, the one that was read longest ago, those that may still be traded left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from quant.accounting import MarketAccount

_positive = attrs.validators.gt(0.0)


@attrs.frozen(kw_only=True)
class RetirementParameters:
    after_s: float = attrs.field(default=3_600.0, validator=_positive)  # REST has told of every fill long before
    read_every_s: float = attrs.field(default=30.0, validator=_positive)  # a day's few hundred markets within hours


class Retirement:
    """See the module; times are monotonic seconds."""

    def __init__(self, parameters: RetirementParameters) -> None:
        self._parameters = parameters
        self._settled_s: dict[str, float] = {}
        self._read_s: dict[str, float] = {}
        self._next_read_s: float | None = None

    def due(self, accounts: Mapping[str, MarketAccount], now_s: float) -> tuple[str, ...]:
        """Returns the markets to let go of now, and forgets those without an account (rule 1)."""
        for gone in self._settled_s.keys() - accounts.keys():
            del self._settled_s[gone]
        over = [ticker for ticker, account in accounts.items() if account.is_settled and account.is_flat]
        for ticker in over:
            self._settled_s.setdefault(ticker, now_s)
        return tuple(ticker for ticker in over if now_s - self._settled_s[ticker] >= self._parameters.after_s)

    def to_read(
        self, accounts: Mapping[str, MarketAccount], is_open: Callable[[str], bool], now_s: float
    ) -> str | None:
        """Returns a market to read now, None where it is not time or nothing is to be read (rule 2)."""
        if self._next_read_s is None:
            self._next_read_s = now_s + self._parameters.read_every_s
        if now_s < self._next_read_s:
            return None
        for gone in self._read_s.keys() - accounts.keys():
            del self._read_s[gone]
        self._next_read_s = now_s + self._parameters.read_every_s
        flat = [
            ticker
            for ticker, account in accounts.items()
            if account.is_flat and not account.is_settled and not is_open(ticker)
        ]
        if not flat:
            return None
        ticker = min(flat, key=lambda each: (self._read_s.get(each, float("-inf")), each))
        self._read_s[ticker] = now_s
        return ticker
