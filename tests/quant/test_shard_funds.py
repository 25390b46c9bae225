"""A shard without cash is told by name, with the markets that wait for it."""

from __future__ import annotations

from kalshi.numbers import MoneyE6
from kalshi.types import Balance
from quant.risk import MarketFacts
from quant.shard_funds import UnfundedShard, unfunded_shards


def balance(**by_shard: int) -> Balance:
    shards = tuple((int(name.removeprefix("shard")), MoneyE6(cash_e6)) for name, cash_e6 in by_shard.items())
    return Balance(total_e6=MoneyE6(sum(cash for _, cash in shards)), by_shard_e6=shards, updated_ts_s=0)


def facts(exchange_index: int) -> MarketFacts:
    return MarketFacts(event_ticker="E", category="c", exchange_index=exchange_index)


def test_only_shards_of_wanted_markets_count() -> None:
    assert unfunded_shards({"A": facts(0)}, balance(shard0=1, shard2=0)) == ()
    assert unfunded_shards({}, balance()) == ()


def test_a_shard_that_is_empty_and_one_that_was_never_heard_of_are_alike() -> None:
    markets = {"B": facts(2), "A": facts(2), "C": facts(0), "D": facts(3)}
    assert unfunded_shards(markets, balance(shard0=5, shard2=0)) == (
        UnfundedShard(exchange_index=2, tickers=("A", "B")),
        UnfundedShard(exchange_index=3, tickers=("D",)),
    )


def test_the_sentence_names_a_few_and_counts_the_rest() -> None:
    few = UnfundedShard(exchange_index=2, tickers=("A", "B", "C")).text
    many = UnfundedShard(exchange_index=2, tickers=("A", "B", "C", "D", "E")).text
    assert few.startswith("shard 2 has no cash for A, B, C: nothing is quoted there")
    assert "A, B, C and 2 more:" in many
