"""A universe of sixty thousand markets: read within the pace, judged without blocking the loop, the same result."""

from __future__ import annotations

import gc
import sqlite3
import time
import tracemalloc
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random

import attrs
import pytest
import trio
import trio.testing

from actors.messages.market import ReadEvents
from actors.runtime.listing_views import listed, terms_of
from kalshi.numbers import CountE2, PriceE4
from kalshi.types import Event, MarketStatus
from quant.programs import Book, Program, SelectionKind, incentive_candidate, select
from quant.rewards.terms import LiquidityTerms, TermsChoices
from quant.selection.discovery import DiscoveryParameters
from quant.selection.incentives import IncentiveDiscoveryParameters, shortlist
from tests.actors.discovery_stage import DAY_MS, NOW_MS, Exchange, Stage, book, event, liquidity, market

STALL_MAX_S = 0.020
PAGES, MARKETS = 300, 200
OUTCOMES = 4
CATEGORIES = ("Economics", "Sports", "Crypto", "Politics", "Weather", "niche-rankings")
PARAMETERS = DiscoveryParameters()
PROGRAMS = {
    "scored": Program(),
    "event": Program(selection=SelectionKind.EVENTS, events=("KX7-E7",), priority=20),
    "named": Program(selection=SelectionKind.TICKERS, tickers=("KX3-E3-0", "KXNONE-1-X")),
    "rewards": Program(selection=SelectionKind.INCENTIVES),
}


def random_page(number: int, rng: Random, count: int) -> tuple[Event, ...]:
    """Returns a page of events of four outcomes. As on the exchange most markets hardly trade: three in a hundred pass
    the score's filters, one in ten those of incentives.
    """
    events = []
    for place in range(count // OUTCOMES):
        name = f"KX{number}-E{place}"
        outcomes = []
        for outcome in range(OUTCOMES):
            bid_e4 = rng.randrange(100, 9_700, 100)
            outcomes.append(
                market(
                    f"{name}-{outcome}",
                    status=rng.choice((MarketStatus.ACTIVE, MarketStatus.ACTIVE, MarketStatus.INACTIVE)),
                    close_time_ms=NOW_MS + rng.randrange(1, 60) * DAY_MS + 3_600_000,
                    yes_bid_e4=PriceE4(bid_e4),
                    yes_ask_e4=PriceE4(bid_e4 + rng.choice((100, 200, 300, 1_500))),
                    volume_24h_e2=CountE2(rng.choice((*[0] * 9, 600_000)) + rng.randrange(200_000)),
                )
            )
        events.append(event(*outcomes, category=rng.choice(CATEGORIES)))
    return tuple(events)


class Watch(trio.abc.Instrument):
    """The processor time of each step of the actor: how long others wait for it, whatever else the machine does."""

    def __init__(self) -> None:
        self.steps_s: list[float] = []  # without the collector's time
        self.collector_s: list[float] = []
        self._since_s = self._collecting_s = self._began_s = 0.0

    def on_collector(self, phase: str, _: object) -> None:
        if phase == "start":
            self._began_s = time.thread_time()
        else:
            self._collecting_s += time.thread_time() - self._began_s

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._since_s, self._collecting_s = time.thread_time(), 0.0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if "Stage._actor" in task.name:
            self.steps_s.append(time.thread_time() - self._since_s - self._collecting_s)
            self.collector_s.append(self._collecting_s)


@attrs.frozen(kw_only=True)
class Outcome:
    """What one run of the actor over a universe said and took."""

    stage: Stage
    verdicts: dict[tuple[str, str], tuple[bool, str]]
    steps_s: list[float]
    collector_s: list[float]
    page_reads_s: list[float]


def exchange_of(pages: list[tuple[Event, ...]]) -> Exchange:
    """Returns the exchange that lists the pages, with a reward program for every seventh market."""
    rewarded = [one.ticker for page in pages for each in page for one in each.markets][::7]
    return Exchange(
        pages=pages,
        programs=[liquidity(ticker, 300 + number % 997) for number, ticker in enumerate(rewarded)],
        programs_per_page=1_000,
        books={ticker: book(ticker) for ticker in rewarded},
    )


async def scan(exchange: Exchange, ledger: Path, runs: int = 1) -> Outcome:
    stage = Stage(exchange, PROGRAMS, ledger)
    watch = Watch()
    trio.lowlevel.add_instrument(watch)
    gc.callbacks.append(watch.on_collector)
    try:
        async with stage.playing(), stage.living():
            for _ in range(runs):
                stage.reports.clear()
                await stage.wait_until(lambda: stage.reports.keys() == PROGRAMS.keys(), within_s=600)
            await trio.sleep(5)
    finally:
        gc.callbacks.remove(watch.on_collector)
        trio.lowlevel.remove_instrument(watch)
    with closing(sqlite3.connect(ledger)) as db:
        rows = db.execute("SELECT program, ticker, is_selected, reasons FROM verdicts ORDER BY rowid").fetchall()
    return Outcome(
        stage=stage,
        verdicts={(program, ticker): (bool(chosen), reasons) for program, ticker, chosen, reasons in rows},
        steps_s=watch.steps_s,
        collector_s=watch.collector_s,
        page_reads_s=[at_s for at_s, read in exchange.reads if isinstance(read, ReadEvents)],
    )


def on_the_whole(name: str, pages: list[tuple[Event, ...]]) -> tuple[list[str], dict[str, tuple[bool, str]]]:
    """Returns what the pure selection says of the whole universe at once: the wanted, and every verdict."""
    pairs = [(each, one) for page in pages for each in page for one in each.markets]
    rewards = {one.ticker: 300 + number % 997 for number, (_, one) in enumerate(pairs[::7])}
    universe = []
    for each, one in pairs:
        programs: tuple[LiquidityTerms, ...] = ()
        if one.ticker in rewards:
            terms = terms_of(liquidity(one.ticker, rewards[one.ticker]), TermsChoices())
            assert terms is not None
            programs = (terms,)
        universe.append(listed(each, one, programs=programs))
    program = PROGRAMS[name]
    candidates = tuple(incentive_candidate(each) for each in universe)
    read = set(shortlist(candidates, NOW_MS, IncentiveDiscoveryParameters()))
    universe = [attrs.evolve(each, book=BOOK) if each.market.ticker in read else each for each in universe]
    selection = select(program, universe, NOW_MS, PARAMETERS)
    verdicts = {one.ticker: (one.is_selected, "; ".join(one.reasons)) for one in selection.verdicts}
    return [ticker for ticker, _ in selection.wanted], verdicts


BOOK = Book(bids=book("").bids, asks=book("").asks)


async def check(pages: list[tuple[Event, ...]], ledger: Path) -> Outcome:
    exchange = exchange_of(pages)
    gc.collect()
    gc.freeze()  # the exchange of the test is no part of what the collector finds in the bot
    try:
        outcome = await scan(exchange, ledger)
    finally:
        gc.unfreeze()
    for name in PROGRAMS:
        wanted, verdicts = on_the_whole(name, pages)
        assert outcome.stage.claimed(name) == wanted
        assert {ticker: said for (program, ticker), said in outcome.verdicts.items() if program == name} == verdicts
    assert all(after - before >= 0.25 - 1e-9 for before, after in pairwise(outcome.page_reads_s))
    return outcome


async def test_a_small_universe_gives_the_result_of_the_pure_selection(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    pages = [random_page(number, Random(number), 100) for number in range(10)]
    outcome = await check(pages, tmp_path / "ledger.sqlite")
    assert all(outcome.stage.claimed(name) for name in PROGRAMS)
    assert max(outcome.steps_s) < STALL_MAX_S


@pytest.mark.long
async def test_sixty_thousand_markets_are_judged_without_blocking_the_loop(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    pages = [random_page(number, Random(number), MARKETS) for number in range(PAGES)]
    outcome = await check(pages, tmp_path / "ledger.sqlite")
    steps_s = sorted(outcome.steps_s)
    first_run_s = outcome.page_reads_s[PAGES - 1] - outcome.page_reads_s[0]
    longest_gc_ms = max(outcome.collector_s) * 1000
    print(
        f"{PAGES * MARKETS} markets: {sum(steps_s):.2f} s of processor in {len(steps_s)} steps, "
        f"the longest {steps_s[-1] * 1000:.1f} ms, 99.9 % under {steps_s[-len(steps_s) // 1000] * 1000:.1f} ms; "
        f"{PAGES} pages in {first_run_s:.1f} s; the collector's longest pause beside it {longest_gc_ms:.1f} ms"
    )
    assert steps_s[-1] < STALL_MAX_S
    assert PAGES / first_run_s < 4.1  # a second; a basic account has twenty reads


@pytest.mark.long
async def test_memory_stays_bounded_over_runs(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    pages = [random_page(number, Random(number), MARKETS) for number in range(30)]
    peaks = []
    for runs in (1, 3):
        tracemalloc.start()
        await scan(exchange_of(pages), tmp_path / f"ledger-{runs}.sqlite", runs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    print(f"peaks: {[round(peak / 1e6, 1) for peak in peaks]} MB for {30 * MARKETS} markets")
    assert peaks[1] < 1.3 * peaks[0]
    assert peaks[0] / (30 * MARKETS) < 3_000  # bytes a market, verdicts of four programs included
