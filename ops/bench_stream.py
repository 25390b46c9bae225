"""The stream bench: the exchange's WebSocket server in a process of its own, 300 markets, one client that only drains.

The server process is the real one: exchange, hub, sessions, trio-websocket on loopback. A task in it trades: house
orders come and go in 300 books at a steady pace, each through engine and hub, one delta each. The client is a
process on the other core that reads frames with the sans-I/O protocol of `websockets`, checks that their numbers
follow on each other, and notes when how many had arrived. Both write down the system's monotonic clock, so the time
from the trade to the client's hands is known for every delta.

A rate holds when it was kept to within 1 %, every delta arrived, and none took longer than LAG_MAX_S.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import attrs

from ops.bench_children import end, heard, say, start, tell
from ops.bench_stream_server import Marks

MARKETS: Final = 300
RATE: Final = 10_000
SECONDS: Final = 10.0
STEPS: Final = (20_000, 30_000, 40_000, 50_000, 60_000, 80_000)
STEP_SECONDS: Final = 3.0
LAG_MAX_S: Final = 1.0


@attrs.frozen(kw_only=True)
class StreamRun:
    """One paced run; `idle_us` is what a delta costs the same process with nobody listening."""

    rate: int
    seconds: float
    deltas: int
    delivered: int
    rate_kept: float
    lag_p50_s: float
    lag_p99_s: float
    lag_max_s: float
    backlog_max: int
    server_share: float
    idle_us: float
    problem: str

    @property
    def us_per_delta(self) -> float:
        """CPU time of the server process per delta, trading included."""
        return self.server_share / self.rate_kept * 1e6

    @property
    def holds(self) -> bool:
        """Whether the server kept up."""
        is_whole = not self.problem and self.delivered == self.deltas
        return is_whole and self.rate_kept >= 0.99 * self.rate and self.lag_max_s <= LAG_MAX_S


def measure_stream(rate: int = RATE, seconds: float = SECONDS, markets: int = MARKETS) -> StreamRun:
    """Returns what one paced run showed; takes `seconds` and about three more."""
    server = start("ops.bench_stream_server", str(markets))
    try:
        ready = heard(server)
        idle = tell(server, {"rate": rate, "seconds": min(seconds, 2.0)})
        client = start("ops.bench_stream_client", str(markets), str(round(rate * seconds)))
        try:
            say(client, ready)
            heard(client)
            sent = tell(server, {"rate": rate, "seconds": seconds})
            received = heard(client)
        finally:
            end(client)
    finally:
        end(server)
    return _judge(rate, seconds, idle, sent, received)


def climb_stream(steps: Sequence[int] = STEPS, seconds: float = STEP_SECONDS) -> list[StreamRun]:
    """Returns runs at rising rates, the last one being the first that did not hold, if any."""
    runs: list[StreamRun] = []
    for rate in steps:
        runs.append(measure_stream(rate, seconds))
        if not runs[-1].holds:
            break
    return runs


def report_stream(run: StreamRun, climb: Sequence[StreamRun] = ()) -> list[str]:
    """Returns the lines to print about the stream."""
    server = (
        f"  server: {run.server_share:.0%} of a core, {run.us_per_delta:.1f} us a delta"
        f" (the same trading with nobody listening: {run.idle_us:.1f})"
    )
    lines = [
        f"stream: from engine to client, {MARKETS} markets, {run.rate:,} deltas/s for {run.seconds:.0f} s",
        f"  {_line_of(run)}",
        server,
    ]
    lines += [f"  {_line_of(step)}, server {step.us_per_delta:.1f} us each" for step in climb]
    best = max((step.rate for step in (run, *climb) if step.holds), default=0)
    lines.append(f"  highest rate that held: {best:,} deltas/s")
    return lines


def _line_of(run: StreamRun) -> str:
    verdict = "holds" if run.holds else f"FALLS BEHIND {run.problem}".rstrip()
    return (
        f"{run.rate:>7,}/s {verdict}: {run.delivered:,} of {run.deltas:,} delivered at {run.rate_kept:,.0f}/s, "
        f"delay p50 {run.lag_p50_s * 1e3:.1f} ms, p99 {run.lag_p99_s * 1e3:.1f} ms, max {run.lag_max_s * 1e3:.0f} ms, "
        f"largest backlog {run.backlog_max:,}"
    )


def _judge(
    rate: int, seconds: float, idle: dict[str, Any], sent: dict[str, Any], received: dict[str, Any]
) -> StreamRun:
    marks: Marks = [(count, at_ns) for count, at_ns in sent["marks"]]
    arrivals: Marks = [(count, at_ns) for count, at_ns in received["marks"]]
    lags = delays(marks, arrivals)
    return StreamRun(
        rate=rate,
        seconds=seconds,
        deltas=marks[-1][0],
        delivered=arrivals[-1][0] if arrivals else 0,
        rate_kept=marks[-1][0] / sent["wall_s"],
        lag_p50_s=weighted(lags, 0.5),
        lag_p99_s=weighted(lags, 0.99),
        lag_max_s=weighted(lags, 1.0),
        backlog_max=largest_backlog(marks, arrivals),
        server_share=sent["cpu_s"] / sent["wall_s"],
        idle_us=idle["cpu_s"] / idle["marks"][-1][0] * 1e6,
        problem=received["problem"],
    )


def delays(sent: Marks, received: Marks) -> list[tuple[float, int]]:
    """Returns (delay in s, number of deltas) for the deltas that arrived."""
    found: list[tuple[float, int]] = []
    index = done = 0
    for count, at_ns in received:
        while done < count and index < len(sent):
            until = min(count, sent[index][0])
            if until > done:
                found.append(((at_ns - sent[index][1]) / 1e9, until - done))
                done = until
            if done >= sent[index][0]:
                index += 1
    return found


def weighted(lags: list[tuple[float, int]], share: float) -> float:
    """Returns the delay that this share of the deltas does not exceed."""
    total, passed = sum(number for _, number in lags), 0
    for lag, number in sorted(lags):
        passed += number
        if passed >= share * total:
            return lag
    return 0.0


def largest_backlog(sent: Marks, received: Marks) -> int:
    """Returns the most deltas that were on their way at once."""
    worst, index = 0, 0
    for count, at_ns in sent:
        while index < len(received) and received[index][1] <= at_ns:
            index += 1
        worst = max(worst, count - (received[index - 1][0] if index else 0))
    return worst


def main() -> None:
    print("\n".join(report_stream(measure_stream(), climb_stream())))


if __name__ == "__main__":
    main()
