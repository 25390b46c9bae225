"""F, I: episodes are told when they end, and while they are open so that the next life goes on with them."""

from __future__ import annotations

from itertools import count

import attrs
import trio
import trio.testing

from actors.messages.money import Books, Record
from actors.messages.table import CHANNELS
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.episode_log import TOLD_EVERY_S, EpisodeLog
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import virtual_seams
from actors.runtime.switchboard import Switchboard
from kalshi.numbers import PriceE4
from kalshi.types import Fill
from quant.accounting import Mark
from quant.episodes import Episode
from quant.fills import NumberedFill
from quant.positions import Totals
from tests.quant.builders import ask, bid

NOW_MS = 1_790_000_000_000
EMPTY = Books(fills=(), settlements=(), retired=Totals(), last_seq=0, opened=0)


def at(cents: int) -> Mark:
    return Mark(bid_e4=PriceE4(cents * 100), ask_e4=PriceE4(cents * 100 + 100))


def numbered(*fills: Fill) -> tuple[NumberedFill, ...]:
    return tuple(NumberedFill(fill_seq=n, fill=attrs.evolve(fill, ts_ms=NOW_MS + n)) for n, fill in enumerate(fills, 1))


@attrs.define(eq=False)
class Stage:
    """The log of one life after the other, with what the Ledger has been told."""

    switchboard: Switchboard = attrs.field(factory=lambda: Switchboard(CHANNELS, trio.current_time))
    ledger: Mailbox = attrs.field(init=False)
    log: EpisodeLog = attrs.field(init=False)
    lives: count[int] = attrs.field(factory=lambda: count(1))

    def __attrs_post_init__(self) -> None:
        self.ledger = self.switchboard.mailbox("ledger")

    async def live(self, books: Books) -> None:
        context = ChildContext(
            name="portfolio_risk",
            incarnation=next(self.lives),
            mailbox=self.switchboard.mailbox("portfolio_risk"),
            outbox=self.switchboard.outbox("portfolio_risk"),
            seams=virtual_seams(1, NOW_MS),
            log=silent_log("portfolio_risk"),
        )
        self.log = EpisodeLog(context)
        await self.log.begin(books)

    async def told(self) -> list[tuple[str, Episode]]:
        """Has the log tell, and returns what it told."""
        self.log.tell()
        rows = [dict(row.values) for row in await self.ledger.receive(timeout_s=0.0) if isinstance(row, Record)]
        return [(str(row.pop("ticker")), Episode(**row)) for row in rows]  # type: ignore[arg-type]


async def test_an_open_episode_is_told_when_it_went_further_and_its_end_at_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    await stage.live(EMPTY)
    opening, more, closing = numbered(bid(5_000, 100), bid(5_000, 100), ask(4_800, 200))
    stage.log.filled((opening,))
    ((ticker, first),) = await stage.told()
    assert (ticker, first.opened_seq, first.began_ms, first.largest_e2) == ("M", 1, NOW_MS + 1, 100)
    stage.log.marked("M", at(40))
    assert await stage.told() == [], "told a moment ago"
    await trio.sleep(TOLD_EVERY_S)
    ((_, second),) = await stage.told()
    assert (second.adverse_e4, second.ended_ms) == (1_000, None)
    await trio.sleep(TOLD_EVERY_S)
    stage.log.marked("M", at(45))
    assert await stage.told() == [], "nothing new but time"
    stage.log.filled((more, closing))
    ((_, last),) = await stage.told()
    assert (last.opened_seq, last.largest_e2, last.adverse_e4) == (1, 200, 1_000)
    assert last.ended_ms is not None
    await trio.sleep(TOLD_EVERY_S)
    assert await stage.told() == []


async def test_the_next_life_goes_on_with_what_is_open_and_ends_what_is_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stage = Stage()
    fills = numbered(bid(5_000, 100), ask(5_000, 300, ticker="ELSEWHERE"))
    await stage.live(EMPTY)
    stage.log.filled(fills)
    stage.log.marked("M", at(40))
    stage.log.marked("ELSEWHERE", at(70))
    stored = tuple(await stage.told())
    assert [episode.adverse_e4 for _, episode in stored] == [1_000, 2_100]
    await trio.sleep(60)
    await stage.live(attrs.evolve(EMPTY, fills=fills, settlements=(("ELSEWHERE", PriceE4(0)),), episodes=stored))
    assert (stage.log.opened_seq("M"), stage.log.opened_seq("ELSEWHERE")) == (1, None)
    told = dict(await stage.told())
    assert told["M"].adverse_e4 == 1_000
    assert (told["ELSEWHERE"].ended_ms, told["ELSEWHERE"].adverse_e4) == (NOW_MS + 60_000, 2_100)


async def test_a_settlement_is_the_end(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    await stage.live(EMPTY)
    stage.log.filled(numbered(bid(5_000, 100)))
    stage.log.settled("M", PriceE4(10_000))
    ((_, episode),) = await stage.told()
    assert (episode.favourable_e4, episode.ended_ms is None) == (5_000, False)


async def test_what_finds_no_room_is_told_later(autojump_clock: trio.testing.MockClock) -> None:
    stage = Stage()
    await stage.live(EMPTY)
    filler = Record(table="alerts", values=())
    outbox = stage.switchboard.outbox("portfolio_risk")
    while outbox.try_send(filler):
        pass
    stage.log.filled(numbered(bid(5_000, 100), ask(5_100, 100)))
    stage.log.tell()
    full = await stage.ledger.receive()
    assert {row.table for row in full if isinstance(row, Record)} == {"alerts"}
    ((_, episode),) = await stage.told()
    assert episode.ended_ms is not None
