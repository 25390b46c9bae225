"""The tables of a report as texts, once for the terminal and the page: both show the same characters."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Final

import attrs

from ops.report.figures import HORIZONS_S, Figures
from ops.report.pnl import Report

MISSING: Final = "-"
TOTAL: Final = "total"
UNPRICED_SHOWN_MAX: Final = 5
_HALF_E6: Final = 2_000_000

Cell = Callable[[Figures], str]


@attrs.frozen(kw_only=True)
class Table:
    """A title, the names of the columns and the rows; the last row is the total where `has_total`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    has_total: bool = False
    left_out: int = 0  # rows that did not fit, the ones of the middle


def dollars(half_e6: int) -> str:
    """Returns money with its sign, to the hundredth of a cent."""
    shown = f"{half_e6 / _HALF_E6:+,.4f}"
    return shown if shown.strip("+-0.,") else "0.0000"


def share(of: float | None) -> str:
    return MISSING if of is None else f"{100 * of:.1f} %"


def number(of: float | None) -> str:
    return MISSING if of is None else f"{of:,.2f}"


def cents(of: float | None) -> str:
    return MISSING if of is None else f"{of:+.3f}"


def contracts(count_e2: int) -> str:
    return f"{count_e2 / 100:,.2f}"


def _markout(horizon: int) -> Cell:
    return lambda f: cents(f.markout_cents(horizon))


MONEY: Final[tuple[tuple[str, Cell], ...]] = (
    ("fills", lambda f: f"{f.fills:,}"),
    ("contracts", lambda f: contracts(f.contracts_e2)),
    ("spread, $", lambda f: dollars(f.spread_half_e6)),
    ("inventory, $", lambda f: dollars(f.inventory_half_e6)),
    ("fees, $", lambda f: dollars(-f.fees_half_e6)),
    ("rewards, $", lambda f: dollars(f.rewards_half_e6)),
    ("PnL, $", lambda f: dollars(f.pnl_half_e6)),
)
QUALITY: Final[tuple[tuple[str, Cell], ...]] = (
    ("spread, c", lambda f: cents(f.spread_cents)),
    *((f"{seconds} s, c", _markout(at)) for at, seconds in enumerate(HORIZONS_S)),
    ("moved against", lambda f: share(f.adverse_share)),
    ("taker fills", lambda f: f"{f.taker_fills:,}"),
)
POSITIONS: Final[tuple[tuple[str, Cell], ...]] = (
    ("positions", lambda f: f"{f.episodes:,}"),
    ("minutes held", lambda f: number(f.open_minutes)),
    ("contracts held", lambda f: number(f.held_contracts)),
    ("worst, c", lambda f: cents(f.adverse_cents)),
    ("best, c", lambda f: cents(f.favourable_cents)),
)
QUOTING: Final[tuple[tuple[str, Cell], ...]] = (
    ("quoted", lambda f: share(f.quoted_share)),
    ("both sides", lambda f: share(f.both_share)),
    ("at touch", lambda f: share(f.touch_share)),
    ("orders", lambda f: f"{f.orders:,}"),
    ("orders filled", lambda f: share(f.order_fill_rate)),
    ("contracts filled", lambda f: share(f.contract_fill_rate)),
    ("orders per fill", lambda f: number(f.orders_per_fill)),
)
_TITLES: Final = (
    ("PnL", MONEY),
    ("Markouts and adverse selection (cents a contract; negative: others knew better)", QUALITY),
    ("Positions from flat to flat (means; excursions in cents a contract, at what they could be closed at)", POSITIONS),
    ("Quoting", QUOTING),
)


def tables(report: Report, rows_max: int) -> tuple[Table, ...]:
    """Returns the tables; of more than `rows_max` groups the best and the worst are shown."""
    made = [_grouped(report, title, columns, rows_max) for title, columns in _TITLES]
    if report.sessions:
        made.append(_sessions(report))
    return tuple(made)


def heading(report: Report) -> str:
    what = f"run {report.run.name} ({report.run.mode})" if report.run else "everything"
    return f"{what} from {moment(report.start_ms)} to {moment(report.end_ms)}, by {report.by.value}"


def remarks(report: Report) -> tuple[str, ...]:
    """Returns what a reader must know to read the figures right."""
    total = report.total
    valued = "open positions count at what they could be closed at"
    said = [f"spread + inventory - fees + rewards = PnL, exactly; {valued} ({report.open_positions} open)"]
    if total.measured_e2 < total.contracts_e2:
        rest = contracts(total.contracts_e2 - total.measured_e2)
        said.append(f"the mid at the fill is unknown for {rest} contracts: all of them counts as inventory")
    if report.unpriced:
        some = ", ".join(report.unpriced[:UNPRICED_SHOWN_MAX])
        said.append(f"no price is known for {len(report.unpriced)} open positions, which count as lost: {some}")
    return tuple(said)


def moment(at_ms: int) -> str:
    return datetime.datetime.fromtimestamp(at_ms / 1000, tz=datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _grouped(report: Report, title: str, columns: tuple[tuple[str, Cell], ...], rows_max: int) -> Table:
    groups = report.groups
    left_out = max(0, len(groups) - rows_max)
    if left_out:
        head = (rows_max + 1) // 2
        groups = (*groups[:head], *groups[head + left_out :])
    shown = [(label, *(cell(figures) for _, cell in columns)) for label, figures in groups]
    shown.append((TOTAL, *(cell(report.total) for _, cell in columns)))
    names = (report.by.value, *(name for name, _ in columns))
    return Table(title=title, columns=names, rows=tuple(shown), has_total=True, left_out=left_out)


def _sessions(report: Report) -> Table:
    rows = tuple(
        (one.program, one.end_reason, f"{one.sessions:,}", f"{one.left_behind:,}", dollars(2 * one.pnl_e6))
        for one in report.sessions
    )
    return Table(
        title="Volatility sessions", columns=("program", "ended by", "sessions", "left something", "PnL, $"), rows=rows
    )
