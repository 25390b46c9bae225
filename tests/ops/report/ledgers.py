"""Ledgers for the report's tests: filled through the Ledger's own store, so that their schema is the real one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from pathlib import Path

from actors.messages.money import Record
from actors.runtime.ledger_store.store import LedgerStore
from kalshi.numbers import CountE2, MoneyE6, PriceE4
from kalshi.types import Fill, Side

START_MS = 1_790_000_040_000  # a whole minute
MINUTE_MS = 60_000


def made_fill(number: int, ticker: str, side: Side, price_e4: int, count_e2: int, fee_e6: int, ts_ms: int) -> Fill:
    return Fill(
        fill_id=f"f{number}",
        order_id=f"o{number}",
        client_order_id=None,
        ticker=ticker,
        side=side,
        price_e4=PriceE4(price_e4),
        count_e2=CountE2(count_e2),
        fee_e6=MoneyE6(fee_e6),
        is_taker=bool(number % 3 == 0),
        ts_ms=ts_ms,
        exchange_index=0,
    )


def record(table: str, **values: str | int | None) -> Record:
    return Record(table=table, values=tuple(values.items()))


def boot(name: str, started_ms: int) -> Record:
    return record(
        "boots",
        boot=name,
        venue="v",
        mode="simulated",
        started_ms=started_ms,
        heard_ms=started_ms,
        ended_ms=None,
        reason="",
    )


def minute(ticker: str, program: str, minute_ms: int, bid_e4: int | None, ask_e4: int | None, quoted: int) -> Record:
    return record(
        "market_minutes",
        ticker=ticker,
        program=program,
        minute_ms=minute_ms,
        live_ms=MINUTE_MS,
        bid_ms=quoted,
        ask_ms=quoted // 2,
        both_ms=quoted // 2,
        bid_touch_ms=quoted // 3,
        ask_touch_ms=quoted // 4,
        bid_e4=bid_e4,
        ask_e4=ask_e4,
    )


def marks(fill_seq: int, mid2_e4: int | None, later: Iterable[int | None]) -> Record:
    names = ("mid2_1s_e4", "mid2_5s_e4", "mid2_10s_e4", "mid2_60s_e4")
    return record("fill_marks", fill_seq=fill_seq, mid2_e4=mid2_e4, **dict(zip(names, later, strict=True)))


def configured(ticker: str, at_ms: int, program: str, strategy: str, category: str = "Weather") -> Record:
    return record(
        "market_configurations",
        ticker=ticker,
        program=program,
        strategy=strategy,
        category=category,
        profile="",
        regime=None,
        numbers="",
        at_ms=at_ms,
    )


def order(ticker: str, at_ms: int, count_e2: int, filled_e2: int) -> Record:
    return record("orders", ticker=ticker, count_e2=count_e2, filled_e2=filled_e2, at_ms=at_ms)


def episode(
    ticker: str, opened_seq: int, began_ms: int, ended_ms: int | None, held_e2_ms: int, adverse_e4: int, best_e4: int
) -> Record:
    return record(
        "episodes",
        ticker=ticker,
        opened_seq=opened_seq,
        began_ms=began_ms,
        ended_ms=ended_ms,
        largest_e2=0,
        held_e2_ms=held_e2_ms,
        adverse_e6=0,
        favourable_e6=0,
        adverse_e4=adverse_e4,
        favourable_e4=best_e4,
    )


def write(path: Path, fills: Iterable[Fill], records: Iterable[Record]) -> Path:
    """Writes a Ledger; the fills get the numbers 1, 2, ..."""
    store = LedgerStore(path)
    store.record_fills(tuple((fill, "test") for fill in fills))
    store.record_rows(tuple(records))
    store.close()
    return path


def random_day(seed: int, markets: int, minutes: int) -> tuple[list[Fill], list[Record]]:
    """A seeded day of markets that walk, with fills, marks, orders, rewards and a change of program in the middle."""
    rng = random.Random(seed)
    fills: list[Fill] = []
    records: list[Record] = [boot("one", START_MS)]
    for market in range(markets):
        ticker = f"KX{market:02d}<b>"
        records += [
            configured(ticker, START_MS - 1, f"program{market % 3}", ("glft", "hybrid")[market % 2]),
            configured(ticker, START_MS + minutes * MINUTE_MS // 2 + 7, f"program{(market + 1) % 3}", "glft"),
            record(
                "rewards",
                program_id=f"p{market}",
                ticker=ticker,
                shadow_e6=5,
                paid_e6=1_250_000,
                is_over=0,
                at_ms=START_MS + minutes * MINUTE_MS // 3,
            ),
        ]
        records += _market(rng, ticker, market, minutes, fills)
    return fills, records


def _market(rng: random.Random, ticker: str, market: int, minutes: int, fills: list[Fill]) -> Iterator[Record]:
    mid_e4 = rng.randrange(1_500, 8_500)
    for number in range(minutes):
        at_ms = START_MS + number * MINUTE_MS
        mid_e4 = min(9_500, max(500, mid_e4 + rng.choice((-100, 0, 0, 100))))
        for _ in range(rng.randrange(3)):
            side = rng.choice((Side.BID, Side.ASK))
            price_e4 = mid_e4 - side.sign * rng.choice((50, 50, 100, -50))
            fills.append(
                made_fill(
                    len(fills) + 1,
                    ticker,
                    side,
                    price_e4,
                    rng.randrange(1, 2_000),
                    rng.randrange(9_000),
                    at_ms + rng.randrange(MINUTE_MS),
                )
            )
            later = [2 * mid_e4 + rng.choice((-100, 0, 100)) for _ in range(4)]
            yield marks(len(fills), 2 * mid_e4, later)
        yield minute(ticker, f"program{market % 3}", at_ms, mid_e4 - 50, mid_e4 + 50, rng.randrange(MINUTE_MS))
        ended_ms = at_ms + rng.randrange(MINUTE_MS) if number % 3 else None
        yield episode(ticker, number, at_ms, ended_ms, rng.randrange(10**9), rng.randrange(900), rng.randrange(900))
        yield order(ticker, at_ms + 5, 1_000, rng.choice((0, 0, 400, 1_000)))
