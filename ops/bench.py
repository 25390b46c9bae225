"""What the parts cost, as ratios: `python -m ops.bench`.

Absolute figures belong to the machine; the ratios are what to compare. Rounds alternate between the ways, so that a
machine that slows down slows them all, and the medians are printed.
"""

from __future__ import annotations

import statistics
import time
from typing import Final

import trio

from ops.bench_feed import Run, run_feed, run_memory, run_plain
from ops.bench_frames import make_frames
from ops.bench_order_path import measure_order_path, report_order_path
from supervisor import build_tree

SEED: Final = 20_261_120
DELTAS: Final = 20_000
ROUNDS: Final = 9
# The whole takes about ten seconds on a machine of 2026; a slow one does fewer rounds instead of more minutes.
SECONDS_MAX: Final = 45.0


def measure_feed(rounds: int = ROUNDS, deltas: int = DELTAS) -> dict[str, list[Run]]:
    """Returns the runs of each way, one per round, the ways in turn."""
    frames = make_frames(SEED, deltas)
    runs: dict[str, list[Run]] = {"feed": [], "plain": [], "memory": []}
    started = time.perf_counter()
    for _ in range(rounds):
        feed = trio.run(run_feed, frames)
        runs["feed"].append(feed)
        runs["plain"].append(trio.run(run_plain, frames))
        runs["memory"].append(run_memory(frames, max(1, round(feed.frames / feed.batches))))
        views = [way[-1].last_views for way in runs.values()]
        if any(view != views[0] for view in views):
            raise AssertionError("the three ways do not end with the same best prices")
        if time.perf_counter() - started > SECONDS_MAX:
            break
    return runs


def report_feed(runs: dict[str, list[Run]]) -> list[str]:
    """Returns the lines to print about the feed."""
    speed = {way: statistics.median(run.frames_per_s for run in done) for way, done in runs.items()}
    batch = statistics.median(run.frames / run.batches for run in runs["feed"])
    scale = f"{runs['feed'][0].frames:,} frames, median of {len(runs['feed'])} alternating rounds"
    lines = [f"feed: socket bytes to published book view, loopback, {scale}"]
    for way, name in (
        ("feed", "trio-websocket + FeedProtocol (the bot's own)"),
        ("plain", "trio-websocket + json + dict book"),
        ("memory", f"FeedProtocol alone, frames in memory, {batch:.0f} a batch"),
    ):
        lines.append(f"  {name:<55} {speed[way]:>9,.0f} frames/s  {1e6 / speed[way]:>6.1f} us each")
    lines.append(f"  ratio to json + dict on the same socket: {speed['feed'] / speed['plain']:.2f} x")
    lines.append(f"  ratio to the same path without the socket: {speed['feed'] / speed['memory']:.2f} x")
    return lines


def main() -> None:
    print("\n".join(report_feed(measure_feed())))
    print("\n".join(report_order_path(trio.run(measure_order_path, build_tree))))


if __name__ == "__main__":
    main()
