"""C1, C3, C4, C5: the DiscoveryActor reads page by page at its pace, claims what programs select, and says why."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing

from actors.messages.lifecycle import Switches
from actors.messages.market import ReadEvents, TickerView
from actors.messages.money import PositionView
from actors.messages.orders import WorkingOrder, WorkingOrders
from actors.messages.selection import ReadBooks, ReadIncentives, ReadTape
from actors.runtime.ledger_store.reading import latest_verdicts
from actors.runtime.selection_facts import FactsParameters
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.rest_market_answers import PublicTrade
from kalshi.types import Side, Strike, StrikeKind
from quant.programs import Program, SelectionKind
from quant.selection.discovery import DiscoveryParameters
from quant.selection.toxicity import ToxicityParameters
from tests.actors.discovery_stage import (
    NOW_MS,
    Exchange,
    Stage,
    book,
    event,
    fill,
    liquidity,
    market,
)

SCORED = {"it": Program()}
REWARDS = {"it": Program(selection=SelectionKind.INCENTIVES)}


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def two_pages() -> Exchange:
    return Exchange(pages=[(event(market("KXA-1-X")),), (event(market("KXB-1-X")),)])


async def test_every_page_is_read_at_the_pace_and_what_is_selected_is_claimed_with_its_rules(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = Exchange(pages=[(event(market(f"KXA{n}-1-X"), category=f"C{n}"),) for n in range(8)])
    stage = Stage(exchange, SCORED, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: len(stage.claimed()) == 8)
    at_s = [at_s for at_s, read in exchange.reads if isinstance(read, ReadEvents)][:8]
    gaps = [after - before for before, after in pairwise(at_s)]
    assert min(gaps) >= 0.25 - 1e-9
    assert max(gaps) < 0.3
    assert stage.rules.keys() == {f"KXA{n}-1-X" for n in range(8)}


async def test_a_run_begins_when_the_interval_since_the_last_one_is_over(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = two_pages()
    stage = Stage(exchange, SCORED, ledger)
    async with stage.playing(), stage.living():
        await trio.sleep(45)
    first_pages_s = [at_s for at_s, read in exchange.reads if isinstance(read, ReadEvents) and not read.cursor]
    assert [after - before for before, after in pairwise(first_pages_s)] == pytest.approx([10.0] * 4, abs=0.01)


async def test_a_page_that_fails_is_read_again_and_a_run_that_fails_leaves_the_claims(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = two_pages()
    exchange.failures = 2
    stage = Stage(exchange, SCORED, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: len(stage.claimed()) == 2)
        await trio.sleep(3)  # fees are read after the claims
        exchange.failures = 3  # one read in all its tries: the run is given up
        exchange.pages = [()]
        await trio.sleep(11)
        assert exchange.failures == 0
        assert len(stage.claimed()) == 2
        await stage.wait_until(lambda: not stage.claimed())


async def test_incentives_are_found_by_their_programs_and_the_others_are_told_why_not(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    poor = attrs.evolve(liquidity("KXC-1-X"), period_reward_e6=MoneyE6(1_000))
    exchange = two_pages()
    exchange.pages.append((event(market("KXC-1-X")), event(market("KXD-1-X"))))
    exchange.programs = [liquidity("KXB-1-X"), poor, liquidity("KXUNLISTED-1-X"), liquidity("KXD-1-X")]
    exchange.books = {ticker: book(ticker) for ticker in ("KXB-1-X", "KXC-1-X")}  # KXD's is missing
    stage = Stage(exchange, REWARDS, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: stage.claimed() == ["KXB-1-X"])
        await trio.sleep(1)
        assert len(exchange.asked(ReadIncentives)) == 4  # page by page
        assert [read.tickers for read in exchange.asked(ReadBooks)] == [("KXB-1-X", "KXD-1-X", "KXC-1-X")]
        (terms,) = stage.terms["KXB-1-X"].programs
        assert (terms.target_e2, terms.period_reward_e6) == (30_000, 400_000_000)
        assert stage.terms.keys() == {"KXB-1-X"}
        said = {ticker: latest_verdicts(ledger, ticker) for ticker in ("KXA-1-X", "KXB-1-X", "KXC-1-X", "KXD-1-X")}
    assert said["KXB-1-X"] == ("it: selected",)
    assert said["KXA-1-X"] == ("it: not selected: no liquidity program is running",)
    assert "the least payout is out of reach" in said["KXC-1-X"][0]
    assert "its book was not read" in said["KXD-1-X"][0]


async def test_our_own_orders_are_no_competition(ledger: Path, autojump_clock: trio.testing.MockClock) -> None:
    exchange = two_pages()
    exchange.programs = [liquidity("KXA-1-X")]
    exchange.books = {"KXA-1-X": book("KXA-1-X")}
    stage = Stage(exchange, REWARDS, ledger)
    own = WorkingOrders(
        ticker="KXA-1-X",
        orders=tuple(
            WorkingOrder(
                client_order_id=side,
                side=side,
                price_e4=PriceE4(price_e4),
                remaining_e2=CountE2(40_000),
                state="resting",
                is_quote=True,
            )
            for side, price_e4 in ((Side.BID, 4_800), (Side.ASK, 5_000))
        ),
    )
    scores = []
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: stage.claimed() == ["KXA-1-X"])
        scores.append(stage.claims["it"].claims[0].score)
        stage.say("order_desk", own)
        await trio.sleep(11)
        # A hundred of others' contracts are left: with a hundred more of ours the target of 300 is out of reach.
        assert stage.claimed() == []
        assert "does not reach the program's target" in latest_verdicts(ledger, "KXA-1-X")[0]
    assert scores[0] > 0


async def test_terms_that_end_are_said_to_have_ended(ledger: Path, autojump_clock: trio.testing.MockClock) -> None:
    exchange = two_pages()
    exchange.programs = [liquidity("KXA-1-X")]
    exchange.books = {"KXA-1-X": book("KXA-1-X")}
    stage = Stage(exchange, REWARDS, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: "KXA-1-X" in stage.terms)
        exchange.programs = []
        await stage.wait_until(lambda: stage.terms["KXA-1-X"].programs == (), within_s=320)
        assert stage.claimed() == []


async def test_a_program_that_is_switched_off_within_a_long_reading_gives_up_at_once(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = Exchange(pages=[(event(market(f"KXA{n}-1-X"), category=f"C{n}"),) for n in range(100)])
    stage = Stage(exchange, SCORED, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: bool(stage.claimed()))
        await stage.wait_until(lambda: len(exchange.asked(ReadEvents)) >= 150)
        at_s = trio.current_time()
        stage.say("outer", Switches(programs=(("it", False),)))
        await stage.wait_until(lambda: not stage.claimed())
        assert trio.current_time() - at_s <= 1.0
        await trio.sleep(60)
        assert not stage.claimed()


async def test_claims_outlive_a_reading_that_takes_longer_than_the_interval(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = Exchange(pages=[(event(market(f"KXA{n}-1-X"), category=f"C{n}"),) for n in range(300)])
    stage = Stage(exchange, SCORED, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: bool(stage.claimed()))
        assert stage.claims["it"].expires_at_s > trio.current_time() + 2 * 75.0


def trade(ticker: str, side: Side, age_s: float, number: int = 0) -> PublicTrade:
    return PublicTrade(
        trade_id=f"{ticker}{number}",
        ticker=ticker,
        price_e4=PriceE4(4_900),
        count_e2=CountE2(100),
        taker_side=side,
        ts_ms=NOW_MS - round(age_s * 1000),
        is_block=False,
    )


async def test_tapes_of_the_leading_markets_are_read_once_and_decide_at_the_next_run(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Execution level: what is not known does not pass, and is read though it is not selected."""
    exchange = two_pages()
    exchange.tapes["KXA-1-X"] = tuple(trade("KXA-1-X", Side.BID if n % 2 else Side.ASK, 60.0, n) for n in range(10))
    exchange.tapes["KXB-1-X"] = exchange.tapes["KXA-1-X"][:9]
    stage = Stage(
        exchange, SCORED, ledger, parameters=DiscoveryParameters(execution_trades_min=10), facts=FactsParameters()
    )
    async with stage.playing(), stage.living():
        await trio.sleep(5)
        assert stage.claimed() == []
        assert latest_verdicts(ledger, "KXA-1-X") == ("it: not selected: its recent trades are not known yet",)
        await stage.wait_until(lambda: stage.claimed() == ["KXA-1-X"])
        await trio.sleep(1)
        assert latest_verdicts(ledger, "KXB-1-X") == ("it: not selected: too few recent trades to be quoted",)
        await trio.sleep(100)
        assert sorted(read.ticker for read in exchange.asked(ReadTape)) == ["KXA-1-X", "KXB-1-X"]
        await trio.sleep(300)
        assert len(exchange.asked(ReadTape)) == 4


async def test_a_run_reads_no_more_tapes_than_allowed_and_the_longest_unread_first(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = Exchange(pages=[(event(market(f"KXA{n}-1-X"), category=f"C{n}"),) for n in range(5)])
    stage = Stage(exchange, SCORED, ledger, facts=FactsParameters(tapes_max=2))
    async with stage.playing(), stage.living():
        await trio.sleep(29)
    runs_s = [at_s for at_s, read in exchange.reads if isinstance(read, ReadEvents) and not read.cursor]
    tapes = [(at_s, read.ticker) for at_s, read in exchange.reads if isinstance(read, ReadTape)]
    assert [sum(run_s <= at_s < run_s + 10 for at_s, _ in tapes) for run_s in runs_s] == [2, 2, 1]
    assert [ticker for _, ticker in tapes] == [f"KXA{n}-1-X" for n in range(5)]


@pytest.mark.parametrize("selection", [SelectionKind.SCORED, SelectionKind.TICKERS, SelectionKind.INCENTIVES])
async def test_one_sided_flow_refuses_whatever_selected(
    selection: SelectionKind, ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = two_pages()
    exchange.programs = [liquidity("KXA-1-X"), liquidity("KXB-1-X")]
    exchange.books = {ticker: book(ticker) for ticker in ("KXA-1-X", "KXB-1-X")}
    exchange.tapes["KXA-1-X"] = tuple(trade("KXA-1-X", Side.BID, 60.0, n) for n in range(20))
    exchange.tapes["KXB-1-X"] = tuple(trade("KXB-1-X", Side.BID, 60.0, n) for n in range(19))  # too few to tell
    program = Program(selection=selection, tickers=("KXA-1-X", "KXB-1-X"))
    stage = Stage(exchange, {"it": program}, ledger, facts=FactsParameters())
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: len(stage.claimed()) == 2)
        await stage.wait_until(lambda: stage.claimed() == ["KXB-1-X"])
        await trio.sleep(1)
        assert latest_verdicts(ledger, "KXA-1-X") == ("it: not selected: flow is one-sided",)


async def test_a_book_that_nobody_moves_is_dead_for_scored_and_explicit_markets(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    programs = {"it": Program(), "named": Program(selection=SelectionKind.TICKERS, tickers=("KXA-1-X",))}
    exchange = two_pages()
    stage = Stage(exchange, programs, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: len(stage.claimed()) == 2)
        await trio.sleep(300)
        exchange.pages[1] = (event(market("KXB-1-X", yes_bid_e4=PriceE4(4_700))),)
        await trio.sleep(340)
        assert stage.claimed() == ["KXB-1-X"]
        assert stage.claimed("named") == []
        assert latest_verdicts(ledger, "KXA-1-X") == (
            "it: not selected: the book is dead: no change for more than 600 s",
            "named: not selected: the book is dead: no change for more than 600 s",
        )


async def test_what_is_about_to_expire_is_refused_though_it_is_named(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    named = Program(selection=SelectionKind.TICKERS, tickers=("KXA-1-X", "KXB-1-X"))
    late, soon = (
        market(ticker, close_time_ms=NOW_MS + ms) for ticker, ms in (("KXA-1-X", 700_000), ("KXB-1-X", 599_000))
    )
    stage = Stage(Exchange(pages=[(event(late), event(soon))]), {"it": named}, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: stage.claimed() == ["KXA-1-X"])
        await trio.sleep(1)
        assert latest_verdicts(ledger, "KXB-1-X") == ("it: not selected: about to expire",)


def ticker_view(ticker: str, mid_e4: int) -> TickerView:
    return TickerView(
        ticker=ticker,
        yes_bid_e4=PriceE4(mid_e4 - 100),
        yes_ask_e4=PriceE4(mid_e4 + 100),
        last_price_e4=None,
        volume_e2=None,
        ts_ms=0,
        heard_at_s=trio.current_time(),
    )


async def lose(stage: Stage, ticker: str, number: int, *, fall_e4: int) -> None:
    """Lets us buy sixty contracts at the mid, which then falls."""
    stage.say("feed", ticker_view(ticker, 4_900))
    await stage.record_fill(fill(ticker, number, stage.seams.wall_ms()))
    await trio.sleep(5)
    stage.say("feed", ticker_view(ticker, 4_900 - fall_e4))
    await trio.sleep(7)


async def test_a_market_that_marked_out_badly_is_excluded_over_a_restart_and_forgiven(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = two_pages()
    named = Program(selection=SelectionKind.TICKERS, tickers=("KXA-1-X", "KXB-1-X"))
    facts = FactsParameters(tapes_max=0, toxicity=ToxicityParameters(exclusion_s=300.0))
    stage = Stage(exchange, {"it": named}, ledger, facts=facts)
    async with stage.playing():
        async with stage.living():
            await stage.wait_until(lambda: len(stage.claimed()) == 2)
            await lose(stage, "KXA-1-X", 1, fall_e4=300)
            await lose(stage, "KXB-1-X", 2, fall_e4=100)  # a cent: no reason
            await trio.sleep(10)
            assert stage.claimed() == ["KXB-1-X"]
        stage.claims.clear()
        async with stage.living():
            await stage.wait_until(lambda: bool(stage.claimed()))
            assert stage.claimed() == ["KXB-1-X"]
            said = "it: not selected: its market is toxic: fills marked out by -3.0 cents a contract"
            assert latest_verdicts(ledger, "KXA-1-X") == (said,)
    # Another process: only the Ledger knows.
    reborn = Stage(exchange, stage.programs, ledger, seams=stage.seams, facts=facts)
    async with reborn.playing(), reborn.living():
        await reborn.wait_until(lambda: bool(reborn.claimed()))
        assert reborn.claimed() == ["KXB-1-X"]
        await trio.sleep(300.0 - trio.current_time())
        assert reborn.claimed() == ["KXB-1-X"]
        await reborn.wait_until(lambda: "KXA-1-X" in reborn.claimed(), within_s=40)


async def test_a_fill_is_not_counted_twice_by_a_restart(ledger: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Thirty contracts at three cents: toxic only if they were counted as sixty."""
    stage = Stage(two_pages(), SCORED, ledger)
    async with stage.playing():
        for _ in range(3):
            async with stage.living():
                stage.say("feed", ticker_view("KXA-1-X", 4_900))
                await stage.record_fill(fill("KXA-1-X", 1, NOW_MS, contracts=30))
                await trio.sleep(5)
                stage.say("feed", ticker_view("KXA-1-X", 4_600))
                await trio.sleep(15)
        assert "KXA-1-X" in stage.claimed()
    with closing(sqlite3.connect(ledger)) as db:
        ((contracts, dollars),) = db.execute(
            "SELECT contracts, markout_dollars FROM toxicity WHERE kind = 'market'"
        ).fetchall()
    assert (contracts, dollars) == (pytest.approx(30), pytest.approx(-0.9))


def position(ticker: str, net_dollars: float) -> PositionView:
    return PositionView(
        ticker=ticker,
        position_e2=CountE2(0),
        average_entry_e4=None,
        realised_e6=MoneyE6(round(net_dollars * 1_000_000) + 5_000_000),
        unrealised_e6=MoneyE6(0),
        fees_e6=MoneyE6(5_000_000),
        mark_e4=None,
        watermark=1,
    )


async def test_realised_losses_exclude_and_count_once_over_a_restart(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    stage = Stage(two_pages(), SCORED, ledger)
    async with stage.playing():
        for _ in range(2):  # the same running sum is said again to a new life
            async with stage.living():
                stage.say("portfolio_risk", position("KXA-1-X", -15.0))
                await trio.sleep(22)
                assert len(stage.claimed()) == 2
        async with stage.living():
            stage.say("portfolio_risk", position("KXA-1-X", -25.5))
            await stage.wait_until(lambda: stage.claimed() == ["KXB-1-X"])
            await trio.sleep(1)
            assert "its market is toxic: PnL is -25.49 dollars" in latest_verdicts(ledger, "KXA-1-X")[0]


async def test_the_rules_of_a_market_tell_its_strike_and_are_told_anew_when_it_is_known(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    strike = Strike(figure="KXA-1", kind=StrikeKind.GREATER, floor=4_000.0)
    exchange = Exchange([(event(market("KXA-1-T4000", strike=strike), market("KXA-1-T4100")),)])
    stage = Stage(exchange, {"it": Program()}, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: len(stage.rules) == 2)
        assert {ticker: rules.strike for ticker, rules in stage.rules.items()} == {
            "KXA-1-T4000": strike,
            "KXA-1-T4100": None,
        }
        later = attrs.evolve(strike, floor=4_100.0)
        exchange.pages = [(event(market("KXA-1-T4000", strike=strike), market("KXA-1-T4100", strike=later)),)]
        await stage.wait_until(lambda: stage.rules["KXA-1-T4100"].strike == later)


async def test_i10_a_market_that_is_held_has_its_rules_told_though_no_program_selects_it(
    ledger: Path, autojump_clock: trio.testing.MockClock
) -> None:
    exchange = two_pages()
    named = {"it": Program(selection=SelectionKind.TICKERS, tickers=("KXA-1-X",))}
    stage = Stage(exchange, named, ledger)
    async with stage.playing(), stage.living():
        await stage.wait_until(lambda: stage.claimed() == ["KXA-1-X"])
        await trio.sleep(30)
        assert stage.rules.keys() == {"KXA-1-X"}
        held = attrs.evolve(position("KXB-1-X", 0.0), position_e2=CountE2(100))
        stage.say("portfolio_risk", held)
        await stage.wait_until(lambda: "KXB-1-X" in stage.rules)
        assert stage.claimed() == ["KXA-1-X"]
