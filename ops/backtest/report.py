"""The report of a backtest: strategies side by side, from the figures of their traces and from nothing else.

Sums are over all recordings of a strategy. Limits and invariants are expected to hold; profit is not expected.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import attrs

from ops.backtest.figures import Figures, Markout
from ops.backtest.trace import Filled, Line

_HALF_E6: Final = 2_000_000
_CENTS: Final = 100
MISSING: Final = "–"
BREACHES_SHOWN_MAX: Final = 10
FILLS_HEADER: Final = (
    "strategy", "recording", "at_ms", "ticker", "side", "price_e4", "count_e2", "fee_e6", "is_taker", "order_id",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class Summary:
    """One strategy over all its recordings."""

    strategy: str
    recordings: int
    filled_in: int
    fills: int
    exits: int
    overtaken: int
    filled_e2: int
    quotes: int
    markouts: tuple[Markout, ...]
    spread_half_e6: int
    inventory_half_e6: int
    fees_e6: int
    pnl_half_e6: int
    max_position_e2: int
    max_drawdown_half_e6: int  # the largest of one recording
    open_ms: int
    quoted_ms: int
    both_ms: int
    breaches: tuple[str, ...]


def summary(figures: Sequence[Figures]) -> Summary:
    """Returns the figures of one strategy, added up. Raises ValueError where there are none, or of several."""
    if len({one.strategy for one in figures}) != 1:
        raise ValueError("a summary is of one strategy")
    return Summary(
        strategy=figures[0].strategy,
        recordings=len(figures),
        filled_in=sum(one.fills > 0 for one in figures),
        fills=sum(one.fills for one in figures),
        exits=sum(one.exits for one in figures),
        overtaken=sum(one.overtaken for one in figures),
        filled_e2=sum(one.filled_e2 for one in figures),
        quotes=sum(one.quotes for one in figures),
        markouts=tuple(_added(markouts) for markouts in zip(*(one.markouts for one in figures), strict=True)),
        spread_half_e6=sum(one.spread_half_e6 for one in figures),
        inventory_half_e6=sum(one.inventory_half_e6 for one in figures),
        fees_e6=sum(one.fees_e6 for one in figures),
        pnl_half_e6=sum(one.pnl_half_e6 for one in figures),
        max_position_e2=max(one.max_position_e2 for one in figures),
        max_drawdown_half_e6=max(one.max_drawdown_half_e6 for one in figures),
        open_ms=sum(one.open_ms for one in figures),
        quoted_ms=sum(one.quoted_ms for one in figures),
        both_ms=sum(one.both_ms for one in figures),
        breaches=tuple(f"{one.recording}: {text}" for one in figures for text in one.breaches),
    )


def _added(markouts: tuple[Markout, ...]) -> Markout:
    return Markout(
        horizon_s=markouts[0].horizon_s,
        contracts=sum(one.contracts for one in markouts),
        dollars=sum(one.dollars for one in markouts),
        measured=sum(one.measured for one in markouts),
        missed=sum(one.missed for one in markouts),
    )


def report(figures: Iterable[Figures], queue_model: str, not_judged: Mapping[str, str]) -> list[str]:
    """Returns the table of all strategies as lines, then what each was filled in, then every breach.

    `not_judged` says of strategies why these recordings cannot judge them.
    """
    by_strategy: dict[str, list[Figures]] = {}
    for one in figures:
        by_strategy.setdefault(one.strategy, []).append(one)
    summaries = [summary(of_one) for of_one in by_strategy.values()]
    lines = [f"backtest of {max(each.recordings for each in summaries)} recordings, queue model {queue_model}", ""]
    lines += _aligned([_row_names(summaries[0]), *(_row(each) for each in summaries)])
    lines += ["", "PnL is cash plus positions at the last mid; a recording does not say how its markets ended."]
    lines += [f"{strategy} is not judged: {why}" for strategy, why in not_judged.items()]
    lines += ["", *_by_recording(by_strategy)]
    breaches = [f"{each.strategy}, {text}" for each in summaries for text in each.breaches]
    lines += ["", f"breaches of limits and invariants: {len(breaches)}", *breaches[:BREACHES_SHOWN_MAX]]
    return lines


def _row_names(of: Summary) -> tuple[str, ...]:
    return (
        "strategy",
        "filled in",
        "fills",
        "contracts",
        "amends overtaken",
        "exits taken",
        *(f"markout {one.horizon_s:g} s, c" for one in of.markouts),
        "PnL, $",
        "spread",
        "inventory",
        "fees",
        "max position",
        "max drawdown, $",
        "quoted",
        "both sides",
        "quotes per fill",
        "breaches",
    )


def _row(of: Summary) -> tuple[str, ...]:
    return (
        of.strategy,
        f"{of.filled_in} of {of.recordings}",
        f"{of.fills:,}",
        f"{of.filled_e2 / 100:,.2f}",
        f"{of.overtaken:,}",
        f"{of.exits:,}",
        *(MISSING if one.mean is None else f"{one.mean * _CENTS:+.2f}" for one in of.markouts),
        f"{of.pnl_half_e6 / _HALF_E6:+.2f}",
        f"{of.spread_half_e6 / _HALF_E6:+.2f}",
        f"{of.inventory_half_e6 / _HALF_E6:+.2f}",
        f"{-of.fees_e6 * 2 / _HALF_E6:+.2f}",
        f"{of.max_position_e2 / 100:,.2f}",
        f"{of.max_drawdown_half_e6 / _HALF_E6:.2f}",
        _share(of.quoted_ms, of.open_ms),
        _share(of.both_ms, of.open_ms),
        MISSING if not of.fills else f"{of.quotes / of.fills:.1f}",
        str(len(of.breaches)),
    )


def _share(part_ms: int, whole_ms: int) -> str:
    return MISSING if not whole_ms else f"{100 * part_ms / whole_ms:.0f} %"


def _by_recording(by_strategy: Mapping[str, Sequence[Figures]]) -> list[str]:
    recordings = sorted({one.recording for of_one in by_strategy.values() for one in of_one})
    rows = [("fills and PnL, $", *by_strategy)]
    for recording in recordings:
        cells = []
        for of_one in by_strategy.values():
            found = next((one for one in of_one if one.recording == recording), None)
            cells.append(MISSING if found is None else f"{found.fills} {found.pnl_half_e6 / _HALF_E6:+.2f}")
        rows.append((recording, *cells))
    return _aligned(rows, is_turned=False)


def _aligned(rows: Sequence[tuple[str, ...]], *, is_turned: bool = True) -> list[str]:
    """Returns rows as text of equal columns; turned, rows become columns, for strategies are few and figures many."""
    if is_turned:
        rows = list(zip(*rows, strict=True))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def fills_table(traces: Iterable[tuple[Figures, Iterable[Line]]]) -> str:
    """Returns every fill of the traces as CSV, in the units of the trace."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FILLS_HEADER)
    for of, trace in traces:
        for line in trace:
            if isinstance(line, Filled):
                writer.writerow(
                    (
                        of.strategy,
                        of.recording,
                        line.at_ms,
                        line.ticker,
                        line.side,
                        line.price_e4,
                        line.count_e2,
                        line.fee_e6,
                        int(line.is_taker),
                        line.order_id,
                    )
                )
    return text.getvalue()
