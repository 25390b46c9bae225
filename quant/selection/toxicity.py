"""Toxicity memory: where our own fills have lost, per market and per series; it excludes, and it forgives.

1. A market or series is remembered by contracts filled, what their markouts made, and what was realised, each fading
   with `half_life_s`: last week's losses weigh little today.
2. It becomes toxic where at least `contracts_min` remembered contracts have marked out by less than
   -`markout_loss_max` dollars each, or where the remembered PnL is below -`pnl_loss_max`. A series needs
   `series_factor` times the contracts and the loss: one bad game condemns no league.
3. Toxic means excluded for `exclusion_s`. After that everything remembered is forgiven and counting begins anew, so
   that a market gets its second chance with a clean record; each further exclusion without
   `repeat_forgotten_s` of peace in between lasts twice as long, up to `exclusion_max_s`.
4. The memory holds `subjects_max` subjects and forgets the one heard of longest ago that is not excluded.

The memory is a frozen value that can be stored and given back; times are exchange times, so that a restart neither
forgives nor condemns.

Source: feature C1; strategy notes on markouts (10-second horizon).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

SUBJECTS_MAX: Final = 5_000  # far more than are quoted in a month
_DOUBLINGS_MAX: Final = 30  # beyond the longest exclusion in any case
_DAY_S: Final = 86_400.0


@attrs.frozen(kw_only=True)
class ToxicityParameters:
    """What is toxic, and for how long."""

    half_life_s: float = attrs.field(default=_DAY_S, validator=attrs.validators.gt(0.0))
    contracts_min: float = 50.0  # fewer fills say nothing: one markout scatters by cents
    markout_loss_max: float = 0.02  # dollars a contract; live makers lost 0.8 cents at one second and earned anyway
    pnl_loss_max: float = 25.0  # dollars a market
    series_factor: float = 3.0
    exclusion_s: float = 6 * 3_600.0
    exclusion_max_s: float = 7 * _DAY_S
    repeat_forgotten_s: float = 7 * _DAY_S


@attrs.frozen(kw_only=True)
class Experience:
    """What fills of one market did: markout (dollars in all, positive is good) and realised PnL, at exchange time."""

    ticker: str
    series_ticker: str
    at_ms: int
    contracts: float = 0.0
    markout_dollars: float = 0.0
    pnl_dollars: float = 0.0


@attrs.frozen(kw_only=True)
class Record:
    """What is remembered of one market or series, as it stood at `at_ms`."""

    at_ms: int
    contracts: float = 0.0
    markout_dollars: float = 0.0
    pnl_dollars: float = 0.0
    excluded_until_ms: int = 0
    exclusions: int = 0
    reason: str = ""


@attrs.frozen(kw_only=True)
class ToxicityMemory:
    """Records by market and by series, the one heard of longest ago first."""

    markets: Mapping[str, Record] = attrs.field(factory=dict)
    series: Mapping[str, Record] = attrs.field(factory=dict)


def remember(memory: ToxicityMemory, experience: Experience, parameters: ToxicityParameters) -> ToxicityMemory:
    """Returns the memory with one more experience in it."""
    return ToxicityMemory(
        markets=_with(memory.markets, experience.ticker, experience, parameters, factor=1.0),
        series=_with(memory.series, experience.series_ticker, experience, parameters, factor=parameters.series_factor),
    )


def block_reason(memory: ToxicityMemory, ticker: str, series_ticker: str, now_ms: int) -> str | None:
    """Returns why the market is excluded at `now_ms`, as the discoveries' `block_reason`, or None."""
    for record, name in ((memory.markets.get(ticker), "market"), (memory.series.get(series_ticker), "series")):
        if record is not None and now_ms < record.excluded_until_ms:
            return f"its {name} is toxic: {record.reason}"
    return None


def adverse_selection_per_contract(
    memory: ToxicityMemory, ticker: str, now_ms: int, parameters: ToxicityParameters
) -> float | None:
    """Returns what a contract filled here has lost by markouts, in dollars; None with too few to tell."""
    record = memory.markets.get(ticker)
    if record is None:
        return None
    faded = _faded(record, now_ms, parameters)
    if faded.contracts < parameters.contracts_min:
        return None
    return -faded.markout_dollars / faded.contracts


def _with(
    records: Mapping[str, Record],
    name: str,
    experience: Experience,
    parameters: ToxicityParameters,
    *,
    factor: float,
) -> dict[str, Record]:
    before = records.get(name) or Record(at_ms=experience.at_ms)
    kept = {key: record for key, record in records.items() if key != name}
    kept[name] = _judged(_added(_faded(before, experience.at_ms, parameters), experience), parameters, factor)
    while len(kept) > SUBJECTS_MAX:
        free = (key for key, record in kept.items() if record.excluded_until_ms <= experience.at_ms)
        del kept[next(free, next(iter(kept)))]
    return kept


def _faded(record: Record, now_ms: int, parameters: ToxicityParameters) -> Record:
    """Returns the record at a later time: faded, and forgiven where an exclusion has ended since."""
    if now_ms <= record.at_ms:
        return record
    if record.at_ms < record.excluded_until_ms <= now_ms:
        record = attrs.evolve(record, contracts=0.0, markout_dollars=0.0, pnl_dollars=0.0)
    if record.exclusions and now_ms - record.excluded_until_ms >= parameters.repeat_forgotten_s * 1000:
        record = attrs.evolve(record, exclusions=0)
    left = 0.5 ** ((now_ms - record.at_ms) / 1000 / parameters.half_life_s)
    return attrs.evolve(
        record,
        at_ms=now_ms,
        contracts=record.contracts * left,
        markout_dollars=record.markout_dollars * left,
        pnl_dollars=record.pnl_dollars * left,
    )


def _added(record: Record, experience: Experience) -> Record:
    return attrs.evolve(
        record,
        contracts=record.contracts + experience.contracts,
        markout_dollars=record.markout_dollars + experience.markout_dollars,
        pnl_dollars=record.pnl_dollars + experience.pnl_dollars,
    )


def _judged(record: Record, parameters: ToxicityParameters, factor: float) -> Record:
    """Returns the record, excluded from now on where it is toxic and not excluded already."""
    reason = _toxic_reason(record, parameters, factor)
    if reason is None or record.at_ms < record.excluded_until_ms:
        return record
    longest_s = min(parameters.exclusion_max_s, parameters.exclusion_s * 2 ** min(record.exclusions, _DOUBLINGS_MAX))
    return attrs.evolve(
        record,
        excluded_until_ms=record.at_ms + int(longest_s * 1000),
        exclusions=record.exclusions + 1,
        reason=reason,
    )


def _toxic_reason(record: Record, parameters: ToxicityParameters, factor: float) -> str | None:
    if record.contracts >= parameters.contracts_min * factor:
        per_contract = record.markout_dollars / record.contracts
        if per_contract < -parameters.markout_loss_max:
            return f"fills marked out by {per_contract * 100:.1f} cents a contract"
    if record.pnl_dollars < -parameters.pnl_loss_max * factor:
        return f"PnL is {record.pnl_dollars:.2f} dollars"
    return None
