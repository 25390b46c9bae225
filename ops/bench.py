"""What the parts cost, as ratios: `python -m ops.bench`.

Absolute figures belong to the machine; the ratios are what to compare. Rounds alternate between the ways, so that a
machine that slows down slows them all, and the medians are printed.
"""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import Final

import trio

from ops.bench_decisions import measure_decisions, report_decisions
from ops.bench_engine import measure_engine, report_engine
from ops.bench_feed import Run, run_feed, run_memory, run_plain, run_pykalshi
from ops.bench_frames import make_frames
from ops.bench_journal import measure_journal, report_journal
from ops.bench_ledger import measure_ledger, report_ledger
from ops.bench_markets import measure_markets, report_markets
from ops.bench_order_path import measure_order_path, report_order_path
from ops.bench_pykalshi import NotInstalled, pykalshi, pykalshi_python
from ops.bench_report import measure_report, report_report
from ops.bench_server import frame_server
from ops.bench_start import measure_start, report_start
from ops.bench_stream import climb_stream, measure_stream, report_stream
from supervisor import build_tree

SEED: Final = 20_261_120
DELTAS: Final = 20_000
ROUNDS: Final = 9
# The whole takes about half a minute on a machine of 2026; a slow one does fewer rounds instead of more minutes.
SECONDS_MAX: Final = 60.0

_NAMES: Final = {
    "trio-websocket": "trio-websocket + FeedProtocol (the default)",
    "fast": "fast + FeedProtocol",
    "memory": "FeedProtocol alone, frames in memory",
    "plain": "trio-websocket + json + dict book",
    "pykalshi": "pykalshi 2.0.0, feed and book, touch never read",
    "pykalshi views": "pykalshi 2.0.0, touch read at each change",
}


def measure_feed(
    rounds: int = ROUNDS, deltas: int = DELTAS, *, with_pykalshi: bool = True
) -> tuple[dict[str, list[Run]], str]:
    """Returns the runs of each way, one per round, the ways in turn; and why pykalshi is missing, "" if it is not."""
    frames = make_frames(SEED, deltas)
    count = len(frames)
    runs: dict[str, list[Run]] = {"trio-websocket": [], "fast": [], "memory": [], "plain": []}
    missing = "" if with_pykalshi else "not asked for"
    with ExitStack() as stack:
        url = stack.enter_context(frame_server(SEED, deltas))
        others = {}
        try:
            if with_pykalshi:
                python = pykalshi_python()
                others["pykalshi"] = stack.enter_context(pykalshi(python, url, count, "last"))
                others["pykalshi views"] = stack.enter_context(pykalshi(python, url, count, "each"))
        except NotInstalled as reason:
            missing = str(reason)
        runs.update({way: [] for way in others})
        started = time.perf_counter()
        for _ in range(rounds):
            for transport in ("trio-websocket", "fast"):
                runs[transport].append(trio.run(run_feed, url, count, transport))
            runs["memory"].append(run_memory(frames, max(1, round(count / runs["fast"][-1].batches))))
            runs["plain"].append(trio.run(run_plain, url, count))
            for way, child in others.items():
                runs[way].append(run_pykalshi(child, count))
            views = [way[-1].last_views for way in runs.values()]
            if any(view != views[0] for view in views):
                raise AssertionError("the ways do not end with the same best prices")
            if time.perf_counter() - started > SECONDS_MAX:
                break
    return runs, missing


def report_feed(runs: dict[str, list[Run]], missing: str) -> list[str]:
    """Returns the lines to print about the feed."""
    cpu = {way: statistics.median(run.cpu_us for run in done) for way, done in runs.items()}
    wall = {way: statistics.median(run.wall_us for run in done) for way, done in runs.items()}
    batch = statistics.median(run.frames / run.batches for run in runs["fast"])
    scale = f"{runs['fast'][0].frames:,} frames in a burst, {batch:.0f} a batch"
    lines = [
        f"feed: first frame to last published view, loopback, {scale}, median of {len(runs['fast'])} rounds in turn"
    ]
    lines += [
        f"  {_NAMES[way]:<50} {cpu[way]:>6.1f} us processor  {wall[way]:>6.1f} us wall  "
        f"{1e6 / wall[way]:>9,.0f} frames/s"
        for way in runs
    ]
    lines.append(f"  ratio fast to trio-websocket: {cpu['trio-websocket'] / cpu['fast']:.2f} x")
    for transport in ("trio-websocket", "fast"):
        lines.append(f"  ratio {transport} to json + dict: {cpu['plain'] / cpu[transport]:.2f} x")
        lines += [
            f"  ratio {transport} to {_NAMES[way]}: {cpu[way] / cpu[transport]:.2f} x processor, "
            f"{wall[way] / wall[transport]:.2f} x wall"
            for way in ("pykalshi", "pykalshi views")
            if way in cpu
        ]
    if missing:
        lines.append(f"  pykalshi is left out: {missing}")
    return lines


def main() -> None:
    print("\n".join(report_feed(*measure_feed())), flush=True)
    print("\n".join(report_decisions(measure_decisions())), flush=True)
    print("\n".join(report_markets(measure_markets())), flush=True)
    print("\n".join(report_order_path(trio.run(measure_order_path, build_tree))), flush=True)
    print("\n".join(report_journal(measure_journal())), flush=True)
    print("\n".join(report_ledger(measure_ledger())), flush=True)
    print("\n".join(report_engine(measure_engine())), flush=True)
    print("\n".join(report_stream(measure_stream(), climb_stream())), flush=True)
    print("\n".join(report_report(measure_report())), flush=True)
    print("\n".join(report_start(measure_start())))


if __name__ == "__main__":
    main()
