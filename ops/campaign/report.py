"""What a campaign says at its end: figures, the table of faults x order states, and how to see each violation again."""

from __future__ import annotations

from collections import Counter
from typing import Final

import attrs

from ops.campaign.coverage import Cell, missing, table
from ops.campaign.seed import SeedResult

_HOUR_S: Final = 3600.0


@attrs.frozen(kw_only=True)
class Campaign:
    """What was run: `kinds` of faults, simulated seconds per seed, the program's commit and Python's version."""

    seeds: tuple[int, ...]
    seconds: float
    faults: str
    kinds: tuple[str, ...]
    wire: str
    commit: str
    python: str


@attrs.frozen(kw_only=True)
class Outcome:
    """All results, in the order of the seeds, and the seeds whose second run differed."""

    results: tuple[SeedResult, ...]
    rechecked: tuple[int, ...]
    differing: tuple[int, ...]
    real_s: float

    @property
    def cells(self) -> Counter[Cell]:
        return sum((result.cells for result in self.results), Counter())

    @property
    def violations(self) -> tuple[tuple[int, str], ...]:
        """Returns seed and text of each."""
        return tuple((result.seed, text) for result in self.results for text in result.violations)

    def missed(self, campaign: Campaign) -> list[Cell]:
        """Returns the possible pairs of fault and order state that no seed has seen."""
        return missing(self.cells, campaign.kinds)


def report(campaign: Campaign, outcome: Outcome) -> list[str]:
    """Returns the report as lines."""
    results = outcome.results
    simulated_s = sum(result.simulated_s for result in results)
    changes_per_s = sum(result.book_changes / result.simulated_s / result.markets for result in results) / len(results)
    crashes: Counter[str] = sum((result.crashes for result in results), Counter())
    figures = (
        f"{_spread([result.commands for result in results])} order commands",
        f"{_spread([result.fills for result in results])} fills",
        f"{_spread([result.requests for result in results])} requests",
        f"{changes_per_s:.2f} book changes a second and market",
    )
    hours, speed = simulated_s / _HOUR_S, simulated_s / outcome.real_s
    lives, drain_s = sum(result.lives for result in results), max(result.worst_drain_s for result in results)
    twice, differ = len(outcome.rechecked), len(outcome.differing)
    lines = [
        f"commit {campaign.commit}, Python {campaign.python}, wire {campaign.wire}, faults {campaign.faults}",
        f"{len(results):,} seeds of {campaign.seconds:g} s: {hours:,.1f} simulated hours, at {speed:,.0f} x real time",
        f"real time: {outcome.real_s:,.0f} s",
        f"per seed: {', '.join(figures)}",
        f"processes: {lives:,} lives, worst way out {drain_s:.2f} s",
        "crashes: " + ", ".join(f"{name} {count:,}" for name, count in sorted(crashes.items())),
        f"determinism: {twice} seeds run twice, under another hash seed, {differ} differ",
        "",
        *table(outcome.cells, campaign.kinds),
        "",
    ]
    return [*lines, *_verdict(campaign, outcome)]


def _verdict(campaign: Campaign, outcome: Outcome) -> list[str]:
    broken = dict.fromkeys(seed for seed, _ in outcome.violations)
    return [
        f"pairs of fault and order state that were missed: {len(outcome.missed(campaign))}",
        *(f"NOT DETERMINISTIC: compare two of: {_command(campaign, seed)}" for seed in outcome.differing),
        *(f"VIOLATION in seed {seed}: {text}" for seed, text in outcome.violations),
        *(f"see it step by step: {_command(campaign, seed)}" for seed in broken),
        f"{len(outcome.violations)} violations",
    ]


def _command(campaign: Campaign, seed: int) -> str:
    hours = campaign.seconds / _HOUR_S
    wire = "" if campaign.wire == "ports" else f" --wire {campaign.wire}"
    return f"python supervisor.py simulate --seed {seed} --hours {hours:.9g} --faults {campaign.faults}{wire} --trace"


def _spread(values: list[int]) -> str:
    return f"{sum(values) / len(values):,.0f} ({min(values):,} to {max(values):,})"
