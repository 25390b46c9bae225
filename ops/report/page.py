"""The report as one HTML page: tables, and charts drawn by plotly's JavaScript from the installed package, inlined.

The page needs nothing else, loads nothing and says so to the browser (its Content-Security-Policy), so it may be sent
to anybody and opened anywhere. What comes from the Ledger is escaped: a ticker is text that others chose.
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from plotly.offline import get_plotlyjs

from ops.report.figures import HORIZONS_S, Figures
from ops.report.pnl import Report
from ops.report.tables import Table, heading, moment, remarks, tables

ROWS_MAX: Final = 500
BARS_MAX: Final = 40  # groups in a chart
_HALF_E6: Final = 2_000_000
_PARTS: Final[tuple[tuple[str, str, Callable[[Figures], int]], ...]] = (
    ("spread", "#2a78b8", lambda f: f.spread_half_e6),
    ("inventory", "#e08a1e", lambda f: f.inventory_half_e6),
    ("fees", "#b3453c", lambda f: -f.fees_half_e6),
    ("rewards", "#3b8f4f", lambda f: f.rewards_half_e6),
)
_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1f24; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #dde1e6; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
tr.total td { font-weight: 600; border-top: 2px solid #1b1f24; }
.chart { height: 24rem; } .remark { color: #57606a; }
"""
_POLICY: Final = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def page(report: Report) -> str:
    """Returns the page."""
    charts = tuple(_charts(report))
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Trading report</title><style>{_STYLE}</style></head><body>",
        f"<h1>Trading report</h1><p>{html.escape(heading(report))}</p>",
        *(f'<p class="remark">{html.escape(remark)}</p>' for remark in remarks(report)),
        *(f'<div class="chart" id="{name}"></div>' for name, _ in charts),
        *(_table(table) for table in tables(report, ROWS_MAX)),
        f"<script>{get_plotlyjs()}</script>",
        f"<script>{_drawing(charts)}</script>",
        "</body></html>",
    ]
    return "\n".join(parts)


def _table(table: Table) -> str:
    last = len(table.rows) - 1
    rows = [
        f"<tr{' class=total' if table.has_total and place == last else ''}>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for place, row in enumerate(table.rows)
    ]
    head = "".join(f"<th>{html.escape(name)}</th>" for name in table.columns)
    more = f'<p class="remark">{table.left_out} of the middle are left out; --csv has all</p>' if table.left_out else ""
    return (
        f'<h2>{html.escape(table.title)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{more}"
    )


def _drawing(charts: Iterable[tuple[str, dict[str, Any]]]) -> str:
    # "</" would end the script, whatever text it stands in.
    figures = json.dumps(dict(charts), separators=(",", ":")).replace("</", "<\\/")
    return (
        f"const figures = {figures};\n"
        "for (const [name, figure] of Object.entries(figures))\n"
        "  Plotly.newPlot(name, figure.data, figure.layout, {displaylogo: false, responsive: true});"
    )


def _charts(report: Report) -> Iterable[tuple[str, dict[str, Any]]]:
    yield "course", _course(report)
    groups = report.groups[:BARS_MAX]
    labels = [html.escape(label, quote=False) for label, _ in groups]  # plotly reads tags in texts
    parts = [
        {
            "type": "bar",
            "name": name,
            "marker": {"color": colour},
            "x": labels,
            "y": [of(figures) / _HALF_E6 for _, figures in groups],
        }
        for name, colour, of in _PARTS
    ]
    yield "parts", _figure(parts, f"PnL by {report.by.value}", "dollars", barmode="relative")
    yield "markouts", _markouts(report)
    quoting = [
        {"type": "bar", "name": name, "x": labels, "y": [None if (s := of(f)) is None else 100 * s for _, f in groups]}
        for name, of in _QUOTING
    ]
    yield "quoting", _figure(quoting, f"Quoting by {report.by.value}", "% of the time the market was live")


_QUOTING: Final[tuple[tuple[str, Callable[[Figures], float | None]], ...]] = (
    ("quoted", lambda f: f.quoted_share),
    ("both sides", lambda f: f.both_share),
    ("at touch", lambda f: f.touch_share),
)


def _course(report: Report) -> dict[str, Any]:
    """Each part summed up over time; a bucket's sum stands at its end."""
    times = [moment(start_ms + report.bucket_ms).removesuffix(" UTC") for start_ms, _ in report.curve]
    lines = []
    whole: tuple[str, str, Callable[[Figures], int]] = ("PnL", "#1b1f24", lambda f: f.pnl_half_e6)
    for name, colour, of in (whole, *_PARTS):
        so_far, sums = 0, []
        for _, figures in report.curve:
            so_far += of(figures)
            sums.append(so_far / _HALF_E6)
        width = 3 if name == "PnL" else 1.5
        line = {"color": colour, "width": width}
        lines.append({"type": "scatter", "mode": "lines", "name": name, "x": times, "y": sums, "line": line})
    return _figure(lines, "PnL over time and its parts", "dollars")


def _markouts(report: Report) -> dict[str, Any]:
    total = report.total
    names = ["at the fill", *(f"{seconds} s" for seconds in HORIZONS_S)]
    values = [total.spread_cents, *(total.markout_cents(at) for at in range(len(HORIZONS_S)))]
    bars = [{"type": "bar", "name": "all fills", "x": names, "y": values, "marker": {"color": "#2a78b8"}}]
    return _figure(bars, "What a fill was worth against the mid", "cents a contract")


def _figure(data: list[dict[str, Any]], title: str, unit: str, **layout: Any) -> dict[str, Any]:
    return {
        "data": data,
        "layout": {
            "title": {"text": title},
            "yaxis": {"title": {"text": unit}},
            "margin": {"t": 48, "r": 16},
            "showlegend": len(data) > 1,
            **layout,
        },
    }
