"""What can happen round a running bot: a full disk, another exchange, a wrong clock, others on the account.

Everything here waits for conditions and never for times, for it runs on busy machines.
"""

from __future__ import annotations

import resource
import signal
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from actors.runtime.seams import real_seams
from kalshi.budget import RateBudget
from kalshi.numbers import CountE2, PriceE4
from kalshi.rest import RestClient, make_http
from kalshi.signing import Signer
from kalshi.types import BucketLimits, CreateOrder, SelfTradePrevention, Side, TimeInForce
from tests.process.stage import KEY_ID, ROOT, Bot, Exchange, end, running_bot, standalone_exchange, wait_until

pytestmark = [pytest.mark.process, pytest.mark.long]
PATIENCE_S = 60.0
JOURNAL_FULL = "the journal cannot be written"
SABOTEUR = ROOT / "tests" / "process" / "sabotaged_bot.py"
_Result = TypeVar("_Result")


def status(bot: Bot) -> str:
    return bot.command("status", "--plain").stdout


def log(bot: Bot, actor: str) -> str:
    path = bot.folder / "logs" / f"{actor}.log"
    return path.read_text() if path.exists() else ""


def quotes(exchange: Exchange) -> None:
    wait_until(lambda: len(exchange.resting()) >= 4, "four orders rest", PATIENCE_S)


def ends_flat(bot: Bot, exchange: Exchange) -> None:
    bot.signal(signal.SIGINT)
    assert bot.wait(30) == 0, bot.errors()
    assert bot.exit_report()["verdict"] == "verified flat"
    assert exchange.resting() == []
    assert "Traceback" not in bot.errors()


@contextmanager
def sabotaged_bot(folder: Path, exchange: Exchange, **settings: str) -> Iterator[tuple[Bot, Callable[[str], None]]]:
    """Runs a bot on a machine that does what it is told."""
    orders = folder / "sabotage.txt"
    environment = {**exchange.environment(), "SABOTAGE_FILE": str(orders), "PYTHONPATH": str(ROOT)}

    def sabotage(line: str) -> None:
        with orders.open("a") as file:
            file.write(f"{line}\n")

    with running_bot(folder / "bot", environment, wrapper=(), program=SABOTEUR, **settings) as bot:
        yield bot, sabotage


# -- a full disk --


def test_a_full_disk_under_the_journal_stops_creates_until_there_is_room(tmp_path: Path) -> None:
    """Nothing new is sent, and what rests ends with its lease; cancels go out, and so does the way out itself."""
    few = {"ORDERS__LEASE_FLOOR_S": "10", "ALLOCATION__MAX_MARKETS_WITH_ORDERS": "4"}
    with standalone_exchange(tmp_path) as exchange, sabotaged_bot(tmp_path, exchange, **few) as (bot, sabotage):
        quotes(exchange)
        sabotage("full journal-*")
        wait_until(lambda: JOURNAL_FULL in status(bot), "the status names the cause", PATIENCE_S)
        known = set(exchange.resting())

        def all_gone() -> bool:
            resting = set(exchange.resting())
            assert resting <= known, "an order was sent that no journal knows of"
            return not resting

        wait_until(all_gone, "nothing is renewed", PATIENCE_S)
        sabotage("room")
        quotes(exchange)
        sabotage("full journal-*")
        wait_until(lambda: JOURNAL_FULL in status(bot), "it is full again", PATIENCE_S)
        ends_flat(bot, exchange)


def test_a_full_disk_under_the_ledger_ends_the_bot_in_order_with_a_sentence(tmp_path: Path) -> None:
    """The kernel lets no file of the process grow beyond what the ledger has now: the next fill cannot be kept."""
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        quotes(exchange)
        wait_until(lambda: len(exchange.truth("fills")["fills"]) >= 3, "three fills", PATIENCE_S)
        (database,) = bot.folder.glob("state/*/ledger.sqlite")
        written = max(path.stat().st_size for path in database.parent.glob("ledger.sqlite*"))
        resource.prlimit(bot.process.pid, resource.RLIMIT_FSIZE, (written, written))
        assert bot.wait(int(2 * PATIENCE_S)) == 5, bot.errors()
        assert exchange.resting() == []
        assert "cannot be written" in bot.errors()
        assert "verified flat" in bot.errors()
        assert "Traceback" not in bot.errors()
        with sqlite3.connect(database) as ledger:
            assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_start_on_a_full_disk_is_refused_with_a_sentence(tmp_path: Path) -> None:
    no_byte = ("bash", "-c", 'ulimit -f 0; exec "$@"', "bash")
    with standalone_exchange(tmp_path) as exchange:
        environment = exchange.environment()
        (tmp_path / "bot").mkdir()
        with running_bot(tmp_path / "bot", environment, wrapper=no_byte) as bot:
            assert bot.wait(30) == 64
        assert exchange.resting() == []


# -- another exchange --


def test_an_exchange_that_comes_back_as_another_one_is_noticed(tmp_path: Path) -> None:
    """Same address, same key, empty books: nothing that the bot remembers is true any more."""
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        quotes(exchange)
        wait_until(lambda: len(exchange.truth("fills")["fills"]) >= 3, "three fills", PATIENCE_S)
        end(exchange.process)
        wait_until(lambda: "permit: withheld" in status(bot), "the permit is withheld", PATIENCE_S)
        with standalone_exchange(tmp_path, seed=4, in_place_of=exchange) as other:
            assert bot.wait(int(2 * PATIENCE_S)) == 4, bot.errors()
            assert other.resting() == []
            report = bot.exit_report()
            assert (report["verdict"], "by somebody else" in report["reason"]) == ("verified flat", True), report
            assert "Traceback" not in bot.errors()
            # Whoever starts it again gets a venue of its own: nothing of the old exchange is carried over.
            with running_bot(tmp_path / "bot", exchange.environment()) as bot:
                quotes(other)
                bot.signal(signal.SIGINT)
                assert bot.wait(30) == 0, bot.errors()
            assert other.resting() == []
            assert len(list((tmp_path / "bot" / "state").glob("simulated-*"))) == 2


# -- the clock --


def test_a_clock_that_is_stepped_withholds_the_permit_until_it_is_right_again(tmp_path: Path) -> None:
    with standalone_exchange(tmp_path) as exchange, sabotaged_bot(tmp_path, exchange) as (bot, sabotage):
        for seconds in (90, -90):
            quotes(exchange)
            sabotage(f"clock {seconds}")
            wait_until(lambda: "the clock differs" in status(bot), "the status names the cause", PATIENCE_S)
            wait_until(lambda: exchange.resting() == [], "everything is withdrawn", PATIENCE_S)
            sabotage("clock 0")
        quotes(exchange)
        ends_flat(bot, exchange)


# -- others on the account --


def as_a_person(exchange: Exchange, act: Callable[[RestClient], Awaitable[_Result]]) -> _Result:
    """Does something on the account with its key, as a person or another program could."""

    async def connected() -> _Result:
        base_url = exchange.environment()["KALSHI_BASE_URL"]
        generous = BucketLimits(refill_per_s=1e6, capacity=1e6)
        async with make_http(base_url, 1) as http:
            client = RestClient(
                http=http,
                base_url=base_url,
                signer=Signer(KEY_ID, exchange.private_key.read_bytes()),
                budget=RateBudget(trio.current_time, generous, generous),
                wall_ms=real_seams().wall_ms,
                connections=1,
                deadline_s=10.0,
            )
            return await act(client)

    return trio.run(connected)


def resting_order(ticker: str, exchange_index: int, name: str) -> CreateOrder:
    """An order that rests at the edge of the book, in no group and without an expiry."""
    return CreateOrder(
        ticker=ticker,
        client_order_id=name,
        side=Side.BID,
        price_e4=PriceE4(100),
        count_e2=CountE2(100),
        time_in_force=TimeInForce.GOOD_TILL_CANCELED,
        self_trade_prevention=SelfTradePrevention.TAKER_AT_CROSS,
        exchange_index=exchange_index,
        post_only=True,
        cancel_order_on_pause=False,
    )


def test_a_persons_orders_survive_quoting_stop_sweep_and_the_next_start(tmp_path: Path) -> None:
    """I28: they rest in a market that the bot quotes and in one that it does not; one has an id, one has none."""
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        quotes(exchange)
        rows = exchange.truth("orders")["orders"]
        quoted = {row["ticker"] for row in rows}
        shards = {row["ticker"]: row["exchange_index"] for row in rows}

        async def place(client: RestClient) -> set[str]:
            in_quoted = min(quoted)
            (elsewhere, *_), _ = await client.events_page("", with_nested_markets=True)
            other = next(m for m in elsewhere.markets if m.ticker not in quoted)
            acks = [
                await client.create_order(resting_order(in_quoted, shards[in_quoted], "by-hand-1")),
                await client.create_order(resting_order(other.ticker, other.exchange_index, "by-hand-2")),
            ]
            return {ack.order_id for ack in acks}

        theirs = as_a_person(exchange, place)
        assert len(theirs) == 2
        mine = {"by-hand-1", "by-hand-2"}
        wait_until(lambda: len(set(exchange.resting()) - mine) >= 4, "the bot goes on quoting", PATIENCE_S)
        assert "permit: given" in status(bot)
        bot.signal(signal.SIGINT)
        assert bot.wait(30) == 0, bot.errors()
        assert bot.exit_report()["verdict"] == "verified flat", "a person's orders are not ours to wait for"
        assert set(exchange.resting()) == mine
        swept = bot.command("sweep")
        assert (swept.returncode, set(exchange.resting())) == (0, mine), swept.stdout + swept.stderr
        with running_bot(tmp_path / "bot", exchange.environment()) as bot:
            wait_until(lambda: len(set(exchange.resting()) - mine) >= 4, "the next boot quotes", PATIENCE_S)
            assert mine <= set(exchange.resting())
            bot.signal(signal.SIGINT)
            assert bot.wait(30) == 0, bot.errors()
        assert set(exchange.resting()) == mine
        everything = bot.command("sweep", "--everything")
        assert (everything.returncode, exchange.resting()) == (0, []), everything.stdout + everything.stderr


def test_a_second_instance_on_the_account_takes_over_and_the_first_ends_as_fenced(tmp_path: Path) -> None:
    """I30: to the second one the first one's orders are those of a predecessor; two never quote side by side."""
    with standalone_exchange(tmp_path) as exchange, running_bot(tmp_path / "bot", exchange.environment()) as bot:
        quotes(exchange)
        first = boots(exchange)
        with running_bot(tmp_path / "second", exchange.environment()) as second:
            assert bot.wait(int(PATIENCE_S)) == 4, bot.errors()
            assert bot.exit_report()["verdict"] == "verified flat"
            assert "by somebody else" in bot.exit_report()["reason"]
            wait_until(lambda: len(exchange.resting()) >= 4, "the second one quotes", PATIENCE_S)
            assert not first & boots(exchange)
            assert "permit: given" in status(second)
            ends_flat(second, exchange)


def boots(exchange: Exchange) -> set[str]:
    """Returns whose orders rest: the boot is the third part of a client order id."""
    return {order.split("-")[2] for order in exchange.resting()}
