"""The page of a report: opened in a real browser, its charts are drawn and its figures are those of the text."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import trio
from rich.console import Console

from kalshi.simulator.settings import SimulatorSettings
from ops.campaign.seed import FLOW_RATE, SERIES, TICK_MS, draw_settings
from ops.report.page import page
from ops.report.pnl import By, Report, make_report
from ops.report.reading import ledger_read
from ops.report.text import show
from ops.simulation import World, run_world
from supervisor import build_tree
from tests.ops.report import ledgers
from tests.ops.report.chromium import opened_browser

ARTEFACTS_VARIABLE = "TEST_ARTEFACTS"  # a folder that screenshots are kept in
SIMULATED_S = 1_800.0
HALF_E6 = 2_000_000
CHARTS = ("course", "parts", "markouts", "quoting")
TABLES = """Array.from(document.querySelectorAll("table"), table =>
    Array.from(table.rows, row => Array.from(row.cells, cell => cell.textContent)))"""
DRAWN = """Object.fromEntries(Array.from(document.querySelectorAll(".chart"), chart => [chart.id, {
    lines: chart.querySelectorAll(".scatterlayer .trace path.js-line").length,
    bars: chart.querySelectorAll(".barlayer .point path").length,
    height: chart.getBoundingClientRect().height,
    ticks: Array.from(chart.querySelectorAll(".xtick text"), tick => tick.textContent),
    last: chart.data.map(trace => [trace.name, trace.y.reduce((sum, y) => sum + (y ?? 0), 0), trace.y.at(-1)])}]))"""


def text_of(report: Report) -> str:
    text = io.StringIO()
    show(report, Console(file=text, width=400))
    return text.getvalue()


def text_rows(text: str) -> list[list[str]]:
    """Returns the rows of rich's tables, headings included."""
    lines = (line.strip() for line in text.splitlines())
    return [
        [cell.strip() for cell in line.replace("┃", "│").strip("│").split("│")]
        for line in lines
        if line[:1] in "│┃" and line
    ]


def look_at(report: Report, folder: Path, name: str) -> dict[str, Any]:
    """Opens the page, checks what holds of every one, keeps a screenshot, and returns what the charts hold."""
    path = folder / f"{name}.html"
    path.write_text(page(report), encoding="utf-8")
    with opened_browser(folder) as tab:
        tab.open(path)
        shown, drawn = tab.evaluate(TABLES), tab.evaluate(DRAWN)
        tab.screenshot(folder / f"{name}.png")
        complaints = tab.complaints()
    if kept := os.environ.get(ARTEFACTS_VARIABLE):
        Path(kept).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / f"{name}.png", kept)
    assert complaints == []
    assert [row for table in shown for row in table] == text_rows(text_of(report))
    assert set(drawn) == set(CHARTS)
    assert drawn["course"]["lines"] == 5
    assert all(drawn[chart]["bars"] > 0 for chart in ("parts", "markouts", "quoting"))
    assert all(chart["height"] > 100 for chart in drawn.values())
    total = report.total
    parts = (total.spread_half_e6, total.inventory_half_e6, -total.fees_half_e6, total.rewards_half_e6)
    ends = [last for _, _, last in drawn["course"]["last"]]
    assert ends == pytest.approx([half_e6 / HALF_E6 for half_e6 in (total.pnl_half_e6, *parts)])
    by_group = [whole for _, whole, _ in drawn["parts"]["last"]]
    assert by_group == pytest.approx([half_e6 / HALF_E6 for half_e6 in parts])
    assert (folder / f"{name}.png").stat().st_size > 10_000
    return {"tables": shown, "drawn": drawn}


@pytest.mark.process
def test_a_browser_draws_the_charts_and_shows_the_figures_of_the_text(tmp_path: Path) -> None:
    fills, records = ledgers.random_day(seed=7, markets=6, minutes=90)
    with ledger_read(ledgers.write(tmp_path / "ledger.sqlite", fills, records)) as reader:
        report = make_report(reader, By.MARKET)
    seen = look_at(report, tmp_path, "synthetic")
    # A ticker is text of others: it is shown, and is no tag.
    assert any("<b>" in row[0] for row in seen["tables"][0])
    assert all("<b>" in tick for tick in seen["drawn"]["parts"]["ticks"])


@pytest.mark.long
@pytest.mark.process
def test_the_page_of_simulated_hours_is_drawn(tmp_path: Path) -> None:
    """The whole bot on the simulated exchange, in six markets; the Ledger that it left is reported."""
    ledger = tmp_path / "ledger.sqlite"

    async def hours(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(SIMULATED_S)
            life.request_stop("the test has seen enough")
        (found,) = world.folder.glob("*/ledger.sqlite")
        shutil.copy(found, ledger)

    exchange = SimulatorSettings(listed_series=SERIES, flow_rate=FLOW_RATE, tick_ms=TICK_MS)
    run_world(hours, seed=4, build_tree=build_tree, settings=draw_settings(4), exchange_settings=exchange)
    with ledger_read(ledger) as reader:
        (run,) = reader.runs()
        report = make_report(reader, By.MARKET, run.started_ms, None, run)
    total = report.total
    assert total.fills > 0
    assert total.orders > total.orders_filled > 0
    # What the market actors measured is there for nearly all of it, not just for some.
    assert total.measured_e2 >= 0.8 * total.contracts_e2
    assert total.markouts[0].fills >= 0.6 * total.fills
    assert 0.0 < (total.touch_share or 0.0) <= (total.quoted_share or 0.0) <= 1.0
    assert report.unpriced == ()
    look_at(report, tmp_path, "simulated")
