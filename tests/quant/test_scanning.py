"""A list judged page by page gives what the whole list at once gives, and keeps only what may be selected."""

from __future__ import annotations

import attrs
import pytest

from kalshi.numbers import CountE2, MoneyE6
from quant.programs import BOOK_NOT_READ, Book, Listed, Program, SelectionKind, select
from quant.rewards.terms import LiquidityTerms
from quant.scanning import Scan
from quant.selection.discovery import DiscoveryParameters
from quant.selection.incentives import IncentiveDiscoveryParameters
from quant.selection.series import SelectionVerdict
from quant.steps import finished
from tests.quant.builders import level
from tests.quant.test_programs import DAY_MS, NOW_MS, UNIVERSE, listed

DISCOVERY = DiscoveryParameters()
BOOK = Book(bids=(level(4_800, 100_000),), asks=(level(5_000, 100_000),))


def rewarded(ticker: str, dollars: int = 2_000) -> Listed:
    terms = LiquidityTerms(
        program_id=ticker,
        ticker=ticker,
        start_ms=NOW_MS - DAY_MS,
        end_ms=NOW_MS + DAY_MS,
        period_reward_e6=MoneyE6(dollars * 1_000_000),
        target_e2=CountE2(30_000),
    )
    return attrs.evolve(listed(ticker), programs=(terms,))


def scanned(program: Program, universe: tuple[Listed, ...]) -> tuple[Scan, list[SelectionVerdict]]:
    scan = Scan(program, DISCOVERY)
    verdicts = [scan.take(each, NOW_MS) for each in universe]
    return scan, [verdict for verdict in verdicts if verdict is not None]


@pytest.mark.parametrize(
    "program",
    [
        Program(),
        Program(selection=SelectionKind.TICKERS, tickers=("KXC-1-X", "KXNONE-1", "KXB-1-Y")),
        Program(selection=SelectionKind.EVENTS, events=("KXB-1", "KXNONE-1")),
        Program(selection=SelectionKind.SERIES, series=("KXA",)),
    ],
)
def test_page_by_page_is_the_same_as_at_once(program: Program) -> None:
    scan, settled = scanned(program, UNIVERSE)
    selection, whole = finished(scan.end(NOW_MS)), select(program, UNIVERSE, NOW_MS, DISCOVERY)
    assert selection.wanted == whole.wanted
    assert {*settled, *selection.verdicts} == set(whole.verdicts)


def test_only_what_may_be_selected_is_kept() -> None:
    scan, settled = scanned(Program(), UNIVERSE)
    assert {verdict.ticker for verdict in settled} == {"KXA-26SEP28-Y", "KXB-1-Y", "KXC-1-X"}
    assert [each.market.ticker for each in UNIVERSE if scan.keeps(each.market.ticker)] == ["KXA-26SEP28-X", "KXB-1-X"]


def test_a_market_that_comes_twice_counts_as_it_stood_last() -> None:
    program = Program()
    scan, _ = scanned(program, (listed("KXB-1-X"), listed("KXB-1-X", status="inactive")))
    assert finished(scan.end(NOW_MS)).wanted == ()
    scan, _ = scanned(program, (listed("KXB-1-X", status="inactive"), listed("KXB-1-X")))
    assert [ticker for ticker, _ in finished(scan.end(NOW_MS)).wanted] == ["KXB-1-X"]


def test_incentives_ask_for_the_books_of_the_greatest_pools_and_judge_by_them() -> None:
    program = Program(selection=SelectionKind.INCENTIVES, incentives=IncentiveDiscoveryParameters(books_max=2))
    universe = (rewarded("KXA-1-X", 1_000), rewarded("KXB-1-X", 3_000), rewarded("KXC-1-X", 2_000), listed("KXD-1-X"))
    scan, settled = scanned(program, universe)
    assert settled == [
        SelectionVerdict(ticker="KXD-1-X", is_selected=False, reasons=("no liquidity program is running",))
    ]
    assert finished(scan.books_wanted(NOW_MS)) == ("KXB-1-X", "KXC-1-X")
    scan.give_book("KXB-1-X", BOOK)
    scan.give_book("KXNONE-1", BOOK)
    selection = finished(scan.end(NOW_MS))
    assert [ticker for ticker, _ in selection.wanted] == ["KXB-1-X"]
    assert selection.leading == ("KXB-1-X",)
    assert {one.ticker: one.reasons for one in selection.verdicts if not one.is_selected} == {
        "KXA-1-X": (BOOK_NOT_READ,),
        "KXC-1-X": (BOOK_NOT_READ,),
    }


def test_incentives_are_scored_by_net_reward_and_leave_out_what_is_blocked() -> None:
    program = Program(selection=SelectionKind.INCENTIVES)
    great, small = (attrs.evolve(rewarded(t, d), book=BOOK) for t, d in (("KXA-1-X", 9_000), ("KXB-1-X", 5_000)))
    selection = select(program, (small, great), NOW_MS, DISCOVERY)
    assert [ticker for ticker, _ in selection.wanted] == ["KXA-1-X", "KXB-1-X"]
    assert selection.wanted[0][1] > selection.wanted[1][1] > 0
    one_sided = attrs.evolve(great.candidate, held_back=("flow is one-sided", "no trade for more than 1800 s"))
    toxic = attrs.evolve(great.candidate, block_reason="its market is toxic")
    quiet = attrs.evolve(great.candidate, held_back=("no trade for more than 1800 s",))
    for candidate, reasons in ((one_sided, ("flow is one-sided",)), (toxic, ("its market is toxic",)), (quiet, ())):
        (verdict,) = select(program, (attrs.evolve(great, candidate=candidate),), NOW_MS, DISCOVERY).verdicts
        assert verdict.reasons == reasons
