"""How long records are kept, and how often the outer scope samples what it records."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class LedgerParameters:
    """Fills, stakes, rewards and what was learned are kept for good: the books are made of them."""

    records_kept_days: int = 90
    samples_kept_days: int = 14
    runs_kept_days: int = 730
    samples_max: int = 2_000_000
    sample_every_s: float = 60.0
    upkeep_every_s: float = 1.0
