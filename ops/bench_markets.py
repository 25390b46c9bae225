"""The markets bench: one core of the bot under 200 markets and 5,000 book updates a second.

The exchange's WebSocket server is a process of its own on the other core, and trades in 200 books at a steady pace (as
for `ops.bench_stream`). The bot's process reads them over the `fast` transport: feed, one market actor per market,
OrderDesk, down to the plan and its commands (`ops.bench_markets_bot`). A market decides at most every 50 ms, on the
newest book.

The rate holds when the server kept it, and the bot left a fifth of its core idle.
"""

from __future__ import annotations

from typing import Final

import attrs

from ops.bench_children import end, heard, say, start

MARKETS: Final = 200
RATE: Final = 5_000
SECONDS: Final = 10.0
WARM_UP_S: Final = 2.0
SHARE_MAX: Final = 0.8
WAITED_MAX: Final = 0.1


@attrs.frozen(kw_only=True)
class MarketsRun:
    """One paced run: rates per second of the bot's process, and what share of a core it took."""

    markets: int
    rate: int
    seconds: float
    rate_kept: float
    cpu_share: float
    waited_share: float  # of the time, ready to run while others had the core
    updates_per_s: float
    decisions_per_s: float
    targets_per_s: float
    commands_per_s: float
    orders: int
    latency_p50_s: float
    latency_p99_s: float

    @property
    def us_per_update(self) -> float:
        """CPU time of the bot's process per book update of the exchange, all that follows included."""
        return self.cpu_share / self.rate_kept * 1e6

    @property
    def holds(self) -> bool:
        """Whether the rate was kept and enough of the core was left."""
        return self.rate_kept >= 0.99 * self.rate and self.cpu_share <= SHARE_MAX

    @property
    def is_fair(self) -> bool:
        """Whether the core was the bot's own: one that waits for it finds more in each batch, and does less."""
        return self.waited_share <= WAITED_MAX


def measure_markets(
    rate: int = RATE, seconds: float = SECONDS, markets: int = MARKETS, warm_up_s: float = WARM_UP_S
) -> MarketsRun:
    """Returns what one paced run showed; takes `seconds` and the warm-up, and about five more."""
    server = start("ops.bench_stream_server", str(markets), core=1)
    try:
        ready = heard(server)
        bot = start("ops.bench_markets_bot", str(markets), core=0)
        try:
            say(bot, ready)
            heard(bot)
            say(server, {"rate": rate, "seconds": warm_up_s + seconds + 1.0})
            say(bot, {"warm_s": warm_up_s, "seconds": seconds})
            did = heard(bot)
            sent = heard(server)
        finally:
            end(bot)
    finally:
        end(server)
    wall_s = did["wall_s"]
    return MarketsRun(
        markets=markets,
        rate=rate,
        seconds=seconds,
        rate_kept=sent["marks"][-1][0] / sent["wall_s"],
        cpu_share=did["cpu_s"] / wall_s,
        waited_share=did["waited_s"] / wall_s,
        updates_per_s=did["updates"] / wall_s,
        decisions_per_s=did["decisions"] / wall_s,
        targets_per_s=did["targets"] / wall_s,
        commands_per_s=did["commands"] / wall_s,
        orders=did["orders"],
        latency_p50_s=did["latency_p50_s"],
        latency_p99_s=did["latency_p99_s"],
    )


def report_markets(run: MarketsRun) -> list[str]:
    """Returns the lines to print about the markets."""
    verdict = "holds" if run.holds else "TOO MUCH"
    if not run.is_fair:
        verdict += f", BUT IT WAITED FOR THE CORE {run.waited_share:.0%} OF THE TIME"
    scale = (
        f"{run.markets} markets, {run.rate:,} book updates/s for {run.seconds:.0f} s, kept at {run.rate_kept:,.0f}/s"
    )
    share = f"{run.cpu_share:.0%} of a core, at most {SHARE_MAX:.0%}: {verdict}; {run.us_per_update:.0f} us an update"
    decided = f"{run.decisions_per_s:,.0f} decisions/s, {run.targets_per_s:,.0f} new targets/s"
    latency = f"p50 {run.latency_p50_s * 1e3:.1f} ms, p99 {run.latency_p99_s * 1e3:.1f} ms"
    return [
        f"markets: socket to plan, {scale}",
        f"  bot: {share}",
        f"  {run.updates_per_s:,.0f} views/s, {decided}, {run.commands_per_s:,.0f} commands/s, {run.orders} orders",
        f"  view to target {latency}; a market decides at most every 50 ms",
    ]


def main() -> None:
    print("\n".join(report_markets(measure_markets())))


if __name__ == "__main__":
    main()
