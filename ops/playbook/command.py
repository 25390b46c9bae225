"""What `supervisor.py scenario` does: plays one program scenario and prints its summary as a table."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console
from rich.table import Table

from actors.runtime.exit_guard import ExitCode
from ops.life import BuildTree
from ops.playbook.play import play
from ops.playbook.scenarios import SCENARIOS
from ops.playbook.summary import Summary

_HOUR_S: Final = 3600.0
SECONDS_MIN: Final = 60.0  # less shows nothing
_E2: Final = 100
_E6: Final = 1_000_000
FOUND: Final = 1


def play_scenario(name: str, *, hours: float, seed: int, build_tree: BuildTree) -> int:
    """Plays the scenario, prints what happened and returns the exit code: 1 where something was found."""
    if name not in SCENARIOS:
        sys.stderr.write(f"no scenario {name!r}: there are {', '.join(SCENARIOS)}\n")
        return ExitCode.USAGE
    if hours * _HOUR_S < SECONDS_MIN:
        sys.stderr.write(f"--hours {hours:g} is too short: at least a minute\n")
        return ExitCode.USAGE
    summary = play(SCENARIOS[name], build_tree, seed=seed, seconds=round(hours * _HOUR_S, 3))
    Console().print(table_of(summary))
    return FOUND if defects(summary) else ExitCode.VERIFIED_FLAT


def defects(summary: Summary) -> tuple[str, ...]:
    """Returns everything that no scenario may show, whatever its kind."""
    found = list(summary.violations)
    if summary.unexplained_e6:
        found.append(f"cash of {_money(summary.unexplained_e6)} is not explained by the markets")
    if summary.books_differ:
        found.append(summary.books_differ)
    if summary.restarts:
        found.append(f"{summary.restarts} actors were restarted")
    if summary.verdict != "verified flat":
        found.append(f"the way out: {summary.verdict}")
    return tuple(found)


def table_of(summary: Summary) -> Table:
    """Returns the summary as a table."""
    seen = summary.seen
    table = Table(
        title=f"{summary.name}: {SCENARIOS[summary.name].says}", show_header=False, title_justify="left", min_width=80
    )
    rows = [
        ("run", f"seed {summary.seed}, {summary.simulated_s:,.0f} simulated seconds"),
        ("discovery", f"{summary.listed} markets listed, {len(seen.selected)} selected"),
        *((f"  {program}, {strategy}", ticker) for ticker, (program, strategy) in seen.owners.items()),
        *(("  refused", f"{count} for: {reason}") for reason, count in summary.refusals),
        ("quoted", f"{len(seen.sides)} markets, {sum(len(s) == 2 for s in seen.sides.values())} of them on both sides"),
        ("commands", f"{summary.commands:,}"),
        ("fills", f"{summary.fills:,} of {summary.contracts_e2 / _E2:,.2f} contracts"),
        ("exit orders", str(seen.exits)),
        *(("session over", f"{reason}{': left ' + left if left else ''}") for reason, left in summary.session_ends),
        ("sessions open", str(summary.session_open)),
        ("volatility events", str(summary.volatility_events)),
        *((f"alert {code}", str(count)) for code, count in summary.alerts),
        ("settled", ", ".join(summary.settled) or "-"),
        *((f"position {ticker}", f"{count / _E2:,.2f}") for ticker, count in sorted(summary.positions_e2.items())),
        ("rewards", f"{_money(summary.reward_shadow_e6)} by our count, {_money(summary.reward_paid_e6)} paid"),
        *(
            (f"PnL {one.program}", f"{_money(one.cash_e6)} cash, {_money(one.open_e6)} open, {one.fills} fills")
            for one in summary.by_program
        ),
        ("PnL", f"{_money(summary.pnl_e6)}; {_money(summary.unexplained_e6)} of the exchange's cash unexplained"),
        ("restarts", str(summary.restarts)),
        ("invariants", f"{len(summary.violations)} violations; {summary.verdict}"),
        *(("DEFECT", text) for text in defects(summary)),
        ("trace", f"{summary.trace_lines:,} lines, hash {summary.trace_hash}"),
    ]
    for label, text in rows:
        table.add_row(label, text)
    return table


def _money(money_e6: int) -> str:
    return f"{'-' if money_e6 < 0 else ''}${abs(money_e6) / _E6:,.2f}"
