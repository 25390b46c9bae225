"""What `supervisor.py simulate` does: a campaign with its report, or one seed step by step."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console
from rich.progress import Progress

from actors.runtime.exit_guard import ExitCode
from ops.campaign.campaign import make_campaign, parse_seeds, run_campaign
from ops.campaign.report import Campaign, report
from ops.campaign.seed import SeedOrder, SeedResult, run_seed
from ops.life import BuildTree

_HOUR_S: Final = 3600.0
_DIGITS: Final = 3  # whole milliseconds: a printed command gives the very same schedule
SECONDS_MIN: Final = 60.0  # less leaves no time to recover in
FOUND: Final = 1


def simulate_seeds(
    *,
    seeds: str,
    hours: float,
    faults: str,
    wire: str,
    workers: int,
    recheck_every: int,
    trace: bool,
    full_table: bool,
    build_tree: BuildTree,
) -> int:
    """Runs what was asked for, prints the report and returns the exit code: 1 where something was found."""
    try:
        if hours * _HOUR_S < SECONDS_MIN:
            raise ValueError(f"--hours {hours:g} is too short: at least {SECONDS_MIN / _HOUR_S:.3f}, which is a minute")
        campaign = make_campaign(parse_seeds(seeds), round(hours * _HOUR_S, _DIGITS), faults, wire)
        if trace and len(campaign.seeds) > 1:
            raise ValueError("--trace shows one seed: name it with --seed")
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.USAGE
    if trace:
        return _trace(campaign, build_tree)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("seeds", total=len(campaign.seeds))

        def ended(result: SeedResult) -> None:
            bar.advance(task)
            for text in result.violations[:1]:
                bar.console.print(f"seed {result.seed}: {text}", markup=False, highlight=False)

        outcome = run_campaign(campaign, build_tree, workers=workers, recheck_every=recheck_every, progress=ended)
    sys.stdout.write("\n".join(report(campaign, outcome)) + "\n")
    is_bad = outcome.violations or outcome.differing or (full_table and outcome.missed(campaign))
    return FOUND if is_bad else ExitCode.VERIFIED_FLAT


def _trace(campaign: Campaign, build_tree: BuildTree) -> int:
    order = SeedOrder(seed=campaign.seeds[0], seconds=campaign.seconds, kinds=campaign.kinds, wire=campaign.wire)
    result = run_seed(order, build_tree, show=lambda line: print(line, end=""))
    for text in result.violations:
        sys.stdout.write(f"VIOLATION {text}\n")
    sys.stdout.write(f"{result.trace_lines:,} lines, hash {result.trace_hash}, {len(result.violations)} violations\n")
    return FOUND if result.violations else ExitCode.VERIFIED_FLAT
