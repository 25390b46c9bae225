"""What `supervisor.py scenario` does: plays one program scenario and prints its summary as tables."""

from __future__ import annotations

import sys
from typing import Final

from rich.console import Console
from rich.table import Table

from actors.runtime.exit_guard import ExitCode
from ops.life import BuildTree
from ops.playbook.checks import Check, common, shown
from ops.playbook.play import ProgramScenario, play
from ops.playbook.scenarios import SCENARIOS
from ops.playbook.summary import SessionRow, Summary

_HOUR_S: Final = 3600.0
SECONDS_MIN: Final = 60.0  # less shows nothing
_E2: Final = 100
_E4_PER_CENT: Final = 100
_E6: Final = 1_000_000
FOUND: Final = 1


def play_scenario(name: str, *, hours: float, seed: int, build_tree: BuildTree) -> int:
    """Plays the scenario, prints what happened and returns the exit code: 1 where a check failed."""
    if name not in SCENARIOS:
        sys.stderr.write(f"no scenario {name!r}: there are {', '.join(SCENARIOS)}\n")
        return ExitCode.USAGE
    if hours * _HOUR_S < SECONDS_MIN:
        sys.stderr.write(f"--hours {hours:g} is too short: at least a minute\n")
        return ExitCode.USAGE
    summary = play(SCENARIOS[name], build_tree, seed=seed, seconds=round(hours * _HOUR_S, 3))
    console = Console()
    for table in (table_of(summary), markets_of(summary)):
        console.print(table)
    return FOUND if failed(summary) else ExitCode.VERIFIED_FLAT


def checks_of(summary: Summary) -> tuple[Check, ...]:
    """Returns what this run must hold: of its kind only where it was long enough to show it."""
    scenario = SCENARIOS[summary.name]
    return (*common(scenario, summary), *(shown(summary) if is_long_enough(scenario, summary) else ()))


def is_long_enough(scenario: ProgramScenario, summary: Summary) -> bool:
    """Says whether the run was long enough to show its kind."""
    return summary.seconds >= scenario.shows_after_s


def failed(summary: Summary) -> tuple[str, ...]:
    """Returns the checks that do not hold."""
    return tuple(check.says for check in checks_of(summary) if not check.holds)


def table_of(summary: Summary) -> Table:
    """Returns the summary as a table."""
    scenario = SCENARIOS[summary.name]
    table = Table(title=f"{summary.name}: {scenario.says}", show_header=False, title_justify="left", min_width=80)
    for label, text in (*_story(summary), *_verdict(scenario, summary)):
        table.add_row(label, text)
    return table


def _story(summary: Summary) -> list[tuple[str, str]]:
    seen, ledger = summary.seen, summary.ledger
    improved = [
        f"{count} times by {price_e4 / _E4_PER_CENT:g} c" for price_e4, count in sorted(seen.improved_e4.items())
    ]
    is_rewarded = ledger.shadow_e6 or summary.accrued_e6
    return [
        ("run", f"seed {summary.seed}, {summary.simulated_s:,.0f} simulated seconds"),
        ("discovery", f"{len(seen.listed)} markets listed, {len(seen.selected)} selected"),
        *(("  refused", f"{count} for: {reason}") for reason, count in ledger.refusals),
        ("quoted", f"{len(summary.quoted)} markets, {len(summary.two_sided)} of them on both sides"),
        *((("  asks inside a wide spread", ", ".join(improved)),) if improved else ()),
        ("commands", f"{summary.commands:,}"),
        ("fills", f"{summary.fills:,} of {_contracts(summary.opened_e2 + summary.reduced_e2)} contracts"),
        ("exits", f"{_contracts(summary.reduced_e2)} contracts given back of {_contracts(summary.opened_e2)} opened"),
        ("  exit orders", f"{seen.exits}, of which {_contracts(seen.exit_fills_e2)} contracts were filled"),
        ("  settled", ", ".join(summary.settled) or "-"),
        *_sessions(summary),
        *((f"stake {one.ticker}", f"{_contracts(one.committed_e2)} filled and resting") for one in ledger.stakes),
        *((f"alert {code}", f"{count}") for code, count in sorted(summary.alerts.items())),
        *(
            (("rewards", f"{_money(ledger.shadow_e6)} by our count, {_money(summary.accrued_e6)} by the exchange's"),)
            if is_rewarded
            else ()
        ),
        ("PnL", f"{_money(summary.pnl_e6)}; {_money(summary.unexplained_e6)} of the exchange's cash unexplained"),
    ]


def _sessions(summary: Summary) -> list[tuple[str, str]]:
    ledger = summary.ledger
    if not ledger.volatility_events and not ledger.sessions:
        return []
    by_reason: dict[str, list[SessionRow]] = {}
    for session in ledger.sessions:
        by_reason.setdefault(session.reason, []).append(session)
    return [
        ("volatility events", f"{ledger.volatility_events}"),
        ("sessions", f"{len(ledger.sessions)} over, {len(ledger.sessions_open)} open"),
        *((f"  {reason}", _ended(rows)) for reason, rows in sorted(by_reason.items())),
    ]


def _ended(rows: list[SessionRow]) -> str:
    unwound = sum(not row.left_because for row in rows)
    lasted_s, pnl_e6 = sum(row.lasted_s for row in rows), sum(row.pnl_e6 for row in rows)
    return f"{len(rows)} over {lasted_s:,.0f} s, {unwound} of them unwound, {_money(pnl_e6)}"


def _verdict(scenario: ProgramScenario, summary: Summary) -> list[tuple[str, str]]:
    too_short = f"a run under {scenario.shows_after_s:,.0f} s is too short to show its kind"
    return [
        *(("check", f"{'holds: ' if check.holds else 'FAILED: '}{check.says}") for check in checks_of(summary)),
        *(() if is_long_enough(scenario, summary) else (("check", too_short),)),
        *(("DEFECT", text) for text in summary.violations),
        *((("DEFECT", summary.books_differ),) if summary.books_differ else ()),
        ("trace", f"{summary.trace_lines:,} lines, hash {summary.trace_hash}"),
    ]


def markets_of(summary: Summary) -> Table:
    """Returns a row for each market that was owned or traded; sizes are contracts."""
    table = Table(title="markets", title_justify="left")
    for name in ("market", "program", "strategy", "quoted"):
        table.add_column(name)
    for name in ("fills", "opened", "given back", "most held", "held", "PnL"):
        table.add_column(name, justify="right")
    for one in summary.markets:
        table.add_row(
            one.ticker,
            one.program,
            one.strategy,
            " ".join(sorted(one.sides)),
            f"{one.fills:,}",
            _contracts(one.opened_e2),
            _contracts(one.reduced_e2),
            _contracts(one.largest_e2),
            "paid" if one.is_settled else _contracts(one.position_e2),
            _money(one.pnl_e6),
        )
    return table


def _contracts(count_e2: int) -> str:
    return f"{count_e2 / _E2:,.2f}"


def _money(money_e6: int) -> str:
    return f"{'-' if money_e6 < 0 else ''}${abs(money_e6) / _E6:,.2f}"
