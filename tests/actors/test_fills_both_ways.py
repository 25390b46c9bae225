"""I4: whatever the two ways do to the fills, the books end as those of the plain list of the exchange.

The real FillReconciler, the real Ledger on a file and a consumer with a watermark that reads gaps; the exchange streams
fills late, twice, out of order or not at all, and its list fails for a while. Both actors are killed and begun again.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.fill_reconciler import FillParameters, FillReconciler
from actors.ledger import Ledger
from actors.messages.money import (
    CutoffRead,
    FillPage,
    FillTape,
    OrderRead,
    PrivateFillSeen,
    ReadCutoff,
    ReadFills,
    ReadNumberedFills,
    ReadOrder,
)
from actors.messages.orders import ReadFailed, ReadRequest
from actors.messages.table import CHANNELS
from actors.runtime.asking import ask_until_answered
from actors.runtime.child import ChildContext, silent_log
from actors.runtime.mailbox import Mailbox
from actors.runtime.seams import Seams
from actors.runtime.switchboard import Switchboard
from kalshi.types import Fill, Side
from quant.fills import NumberedFill
from quant.positions import Portfolio, apply_fills
from tests.quant.builders import fill

WALL_MS = 1_700_000_000_000
PAGE = 3
RECOVERY_S = 8.0


@attrs.frozen
class Traded:
    """A fill of the exchange, `delays_s` when the socket tells of it (none: it is lost)."""

    fill: Fill
    at_s: float
    delays_s: tuple[float, ...]


@attrs.frozen
class Course:
    """What happens: the trades, when the list does not answer, and who is killed when."""

    trades: tuple[Traded, ...]
    deaf: tuple[tuple[float, float], ...]
    kills: tuple[tuple[float, str], ...]


async def _inline(function: Callable[..., object], /, *arguments: object) -> object:
    await trio.lowlevel.checkpoint()
    return function(*arguments)


@attrs.define(eq=False)
class Stage:
    course: Course
    path: Path
    portfolio: Portfolio = attrs.field(factory=Portfolio)
    repeats: int = 0
    switchboard: Switchboard = attrs.field(init=False)
    seams: Seams = attrs.field(init=False)
    _scopes: dict[str, trio.CancelScope] = attrs.field(factory=dict)
    _mailboxes: dict[str, Mailbox] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.switchboard = Switchboard(CHANNELS, trio.current_time)
        names = ("ledger", "fill_reconciler", "portfolio_risk", "wire", "records")
        self._mailboxes = {name: self.switchboard.mailbox(name) for name in names}  # they outlive who reads them
        self.seams = Seams(
            now=trio.current_time,
            wall_ms=lambda: WALL_MS + round(trio.current_time() * 1000),
            rng=random.Random(1),
            new_id=lambda: "id",
            offload=_inline,  # type: ignore[arg-type]
        )

    def _context(self, name: str) -> ChildContext:
        return ChildContext(
            name=name,
            incarnation=1,
            mailbox=self._mailboxes[name],
            outbox=self.switchboard.outbox(name),
            seams=self.seams,
            log=silent_log(name),
        )

    async def run(self) -> None:
        """Lives through the course and the time that recovery may take."""
        last_s = max((trade.at_s for trade in self.course.trades), default=0.0)
        last_s = max([last_s, *(end_s for _, end_s in self.course.deaf), *(at_s for at_s, _ in self.course.kills)])
        make_ledger = lambda: Ledger(self._context("ledger"), self.path).run  # noqa: E731
        make_reconciler = lambda: FillReconciler(self._context("fill_reconciler"), FillParameters()).run  # noqa: E731
        with trio.move_on_after(last_s + RECOVERY_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._serve_list)
                nursery.start_soon(self._consume)
                nursery.start_soon(self._keep_alive, "ledger", make_ledger)
                nursery.start_soon(self._keep_alive, "fill_reconciler", make_reconciler)
                for trade in self.course.trades:
                    for delay_s in trade.delays_s:
                        nursery.start_soon(self._stream, trade.at_s + delay_s, trade.fill)
                for at_s, name in self.course.kills:
                    nursery.start_soon(self._kill, at_s, name)

    async def _keep_alive(self, name: str, make: Callable[[], Callable[[Callable[[], None]], Awaitable[None]]]) -> None:
        while True:
            with trio.CancelScope() as scope:
                self._scopes[name] = scope
                await make()(lambda: None)
            await trio.sleep(0.2)

    async def _kill(self, at_s: float, name: str) -> None:
        await trio.sleep(at_s)
        self._scopes[name].cancel()

    async def _stream(self, at_s: float, seen: Fill) -> None:
        await trio.sleep(at_s)
        self.switchboard.outbox("feed").publish(PrivateFillSeen(fill=seen))

    async def _serve_list(self) -> None:
        mailbox = self._mailboxes["wire"]
        while True:
            for message in await mailbox.receive():
                assert isinstance(message, ReadRequest)
                message.reply.put(self._answer(message.read))

    def _answer(self, read: object) -> object:
        now_s = trio.current_time()
        if any(from_s <= now_s < to_s for from_s, to_s in self.course.deaf):
            return ReadFailed(read=read, reason="no answer")
        match read:
            case ReadFills(cursor=cursor, min_ts_s=min_ts_s):
                listed = [trade.fill for trade in self.course.trades if trade.at_s <= now_s]
                newest_first = [each for each in reversed(listed) if each.ts_ms >= (min_ts_s or 0) * 1000]
                # A page begins after a place in time, as the exchange's cursors do.
                older = [each for each in newest_first if not cursor or each.fill_id < cursor]
                following = older[PAGE - 1].fill_id if len(older) > PAGE else ""
                return FillPage(as_of_ms=self.seams.wall_ms(), fills=tuple(older[:PAGE]), cursor=following)
            case ReadCutoff():
                return CutoffRead(fills_ms=0)
            case ReadOrder(order_id=order_id):
                return OrderRead(order_id=order_id, order=None)
            case _:
                raise AssertionError(f"nobody asks for {read}")

    async def _consume(self) -> None:
        context = self._context("portfolio_risk")
        while True:
            for message in await context.mailbox.receive():
                if isinstance(message, FillTape):
                    await self._take(context, message.fills)

    async def _take(self, context: ChildContext, fills: tuple[NumberedFill, ...]) -> None:
        taken = apply_fills(self.portfolio, fills[-2:])  # a tape so short that its reader falls into gaps
        if taken.has_gap:
            after_seq = taken.portfolio.sequence.watermark
            missing = await ask_until_answered(context, lambda slot: ReadNumberedFills(after_seq=after_seq, reply=slot))
            assert isinstance(missing, tuple)
            taken = apply_fills(taken.portfolio, missing)
        self.portfolio = taken.portfolio
        self.repeats += taken.duplicates


seconds = st.floats(0.0, 100.0, allow_nan=False)
trades = st.tuples(
    seconds,
    st.sampled_from(Side),
    st.integers(1, 9_999),
    st.integers(1, 500),
    st.integers(0, 999),
    st.sampled_from("AB"),
    st.lists(st.floats(0.0, 5.0), max_size=2),
)


@st.composite
def courses(draw: st.DrawFn) -> Course:
    listed = sorted(draw(st.lists(trades, max_size=20)), key=lambda trade: trade[0])
    traded = tuple(
        Traded(
            fill(side, price_e4, count_e2, fee_e6=fee_e6, ticker=ticker, fill_id=f"f{number:03}", ts_ms=ts_ms),
            at_s,
            tuple(delays_s),
        )
        for number, (at_s, side, price_e4, count_e2, fee_e6, ticker, delays_s) in enumerate(listed)
        for ts_ms in (WALL_MS + int(at_s * 1000),)
    )
    deaf = draw(st.lists(st.tuples(seconds, st.floats(0.0, 100.0)), max_size=2))
    kills = draw(st.lists(st.tuples(seconds, st.sampled_from(("ledger", "fill_reconciler"))), max_size=3))
    return Course(traded, tuple((from_s, from_s + for_s) for from_s, for_s in deaf), tuple(kills))


def _books_after(course: Course) -> Portfolio:
    async def main() -> Portfolio:
        with tempfile.TemporaryDirectory() as folder:
            stage = Stage(course, Path(folder) / "ledger.sqlite")
            await stage.run()
            return stage.portfolio

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@settings(max_examples=15, deadline=None)
@given(course=courses())
def test_loss_repetition_disorder_and_kills_leave_the_books_of_the_plain_list(course: Course) -> None:
    plain = tuple(NumberedFill(fill_seq=number, fill=trade.fill) for number, trade in enumerate(course.trades, start=1))
    assert _books_after(course) == apply_fills(Portfolio(), plain).portfolio
