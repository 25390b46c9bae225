"""The table and the line that show a snapshot."""

from __future__ import annotations

import io
import os
import pty

import attrs
import pytest
from rich.console import Console

from actors.messages.control import SystemSnapshot
from kalshi.numbers import CountE2
from ops.console import duration, render, status_line
from ops.console_view import ConsoleView
from tests.ops.snapshots import CORE, actor, market, snapshot, totals


def drawn(picture: SystemSnapshot, width: int = 100, height: int = 40) -> list[str]:
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=False)
    with console.capture() as capture:
        console.print(render(picture, width=width, height=height))
    return capture.get().splitlines()


@pytest.mark.parametrize("size", [(100, 40), (80, 24), (120, 60), (60, 16)])
@pytest.mark.parametrize("markets", [0, 1, 20, 200])
def test_the_picture_fits_its_terminal(size: tuple[int, int], markets: int) -> None:
    width, height = size
    lines = [line for line in drawn(snapshot(markets), width, height) if line.strip()]
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_a_market_shows_its_book_its_quotes_position_and_profit() -> None:
    picture = snapshot(markets=(1))
    row = market(0, position_e2=CountE2(-700), pnl_e6=-860_000)
    line = next(line for line in drawn(attrs.evolve(picture, markets=(row,))) if row.ticker in line)
    assert [text in line for text in ("Sports", "44¢", "47¢", "45¢ ×10", "46.5¢ ×12.5", "-7", "-0.86")] == [True] * 7


def test_the_identity_of_the_profit_is_shown_whole_even_on_a_small_terminal() -> None:
    assert any("+1.234500 = cash -3.200000 + 4.434500 marks (exact)" in line for line in drawn(snapshot(20), 80, 24))


def test_rows_that_do_not_fit_are_counted() -> None:
    text = "\n".join(drawn(snapshot(50), 100, 30))
    shown = text.count("KXTEST")
    assert f"… and {50 - shown} more" in text


def test_markets_with_something_at_stake_come_before_idle_ones() -> None:
    idle = market(1, ticker="KXIDLE-1", own_bid=None, own_ask=None)
    held = market(2, ticker="KXHELD-1", own_bid=None, own_ask=None, position_e2=CountE2(100))
    picture = attrs.evolve(snapshot(), markets=(idle, held))
    text = "\n".join(drawn(picture))
    assert text.index("KXHELD-1") < text.index("KXIDLE-1")


def test_an_ill_actor_comes_first_and_well_market_actors_share_one_cell() -> None:
    picture = snapshot(20)
    ill = actor("market:KXILL", state="quarantined", restarts=5)
    text = "\n".join(drawn(attrs.evolve(picture, actors=(*picture.actors, ill))))
    actors = text[text.index("actors") :]
    assert actors.index("market:KXILL quarantined ↻5") < actors.index("ledger")
    assert "market × 20" in actors
    assert all(name in actors for name in CORE)


def test_a_withheld_permit_shows_its_reasons() -> None:
    picture = snapshot(permit="withheld", permit_reasons=("risk lease ran out", "feed silent"))
    assert any("withheld" in line and "risk lease ran out; feed silent" in line for line in drawn(picture))


def test_a_stale_book_is_called_stale() -> None:
    picture = attrs.evolve(snapshot(), markets=(market(0, condition="stale"),))
    assert any("stale" in line for line in drawn(picture))


def test_the_status_line_is_one_line_with_all_that_matters() -> None:
    line = status_line(snapshot(20, totals=totals(orders_unknown=2), permit_reasons=("warming up", "more")))
    assert "\n" not in line
    for text in ("up 1:02:03", "warming up +1", "20/20 two-sided", "39 (+2 unknown)", "fills 321", "(exact)"):
        assert text in line


def test_shadow_says_on_every_line_and_picture_that_nothing_is_sent() -> None:
    shadow = attrs.evolve(snapshot(), mode="shadow")
    assert status_line(shadow).startswith("SHADOW: nothing is sent, orders are matched here | up ")
    assert "shadow nothing is sent" in drawn(shadow)[0]
    assert "shadow nothing is sent" in drawn(shadow, 80, 24)[0]
    assert "nothing is sent" not in status_line(snapshot())
    assert "nothing is sent" not in drawn(snapshot())[0]


def test_durations_are_hours_minutes_seconds() -> None:
    assert [duration(seconds) for seconds in (0, 59.9, 61, 360_000)] == ["0:00:00", "0:00:59", "0:01:01", "100:00:00"]


def test_without_a_terminal_there_is_one_line_a_second() -> None:
    stream = io.StringIO()
    with ConsoleView(stream) as view:
        for up_s in (1.0, 1.2, 1.9, 2.0, 2.95, 3.0):
            view.update(snapshot(up_s=up_s))
    assert not view.is_live
    assert len(stream.getvalue().splitlines()) == 3


def test_on_a_terminal_the_table_is_redrawn_in_place() -> None:
    stream = io.StringIO()
    with ConsoleView(stream, is_terminal=True) as view:
        view.update(snapshot())
        view.update(snapshot(feed="live, 31 markets"))
    text = stream.getvalue()
    assert "kalshi-market-maker" in text
    assert "\x1b[?25l" in text, "the cursor is hidden while it runs"
    assert "\x1b[?25h" in text, "and given back afterwards"


def test_a_real_terminal_is_recognised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as stream:
        assert ConsoleView(stream).is_live
        monkeypatch.setenv("TERM", "dumb")
        assert not ConsoleView(stream).is_live
    os.close(leader)


def test_a_pipe_that_nobody_reads_costs_pictures_but_never_blocks() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        view = ConsoleView(stream)
        for second in range(2_000):
            view.update(snapshot(up_s=float(second)))
        assert view.skipped > 0
        os.set_blocking(reading, False)
        while True:
            try:
                os.read(reading, 1 << 20)
            except BlockingIOError:
                break
    os.close(reading)


def test_a_reader_that_went_away_ends_the_output_and_not_the_bot() -> None:
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    view = ConsoleView(stream)
    os.close(reading)
    view.update(snapshot(up_s=1.0))
    view.update(snapshot(up_s=9.0))
    view.close()
    with pytest.raises(BrokenPipeError):
        stream.close()
