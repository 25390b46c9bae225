"""Collateral per shard: an unfunded shard is told and left alone, and the funded ones are quoted all the same."""

from __future__ import annotations

import pytest
import trio

from actors.messages.control import SystemSnapshot
from actors.runtime.child import Log, silent_log
from ops.life import Life
from ops.simulation import KEY_ID, World, run_world
from supervisor import build_tree

QUOTED_S = 15.0
CRYPTO_SHARD = 2


class Told:
    """Keeps the warnings of one actor."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def debug(self, text: str) -> None:
        """Not kept."""

    def info(self, text: str) -> None:
        """Not kept."""

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def error(self, text: str) -> None:
        self.warnings.append(text)

    def of_shards(self) -> list[str]:
        return [text for text in self.warnings if "has no cash for" in text]


def move_all_cash(world: World, source: int, destination: int) -> None:
    """The account is as if the source had never been funded, and the sum of all money stays."""
    account = world.exchange.core.accounts_by_key[KEY_ID]
    account.cash_by_shard_e6[destination] = account.cash_by_shard_e6.get(destination, 0) + account.cash_by_shard_e6.pop(
        source
    )
    world.exchange.services.reads.open_account(account)


def shards_of_groups(world: World) -> set[int]:
    return {group.exchange_index for group in world.exchange.truth.groups(KEY_ID)}


def snapshot(life: Life) -> SystemSnapshot:
    assert life.snapshot is not None
    return life.snapshot


@pytest.mark.long
def test_a_shard_without_cash_is_told_once_and_never_gets_a_group_until_it_is_funded() -> None:
    told = Told()

    def log_for(actor: str) -> Log:
        return told if actor == "portfolio_risk" else silent_log(actor)

    async def scenario(world: World) -> None:
        move_all_cash(world, CRYPTO_SHARD, 0)
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(QUOTED_S)
            assert world.resting() != []
            assert shards_of_groups(world) == {0}
            assert len(told.of_shards()) == 1
            assert told.of_shards()[0].startswith(f"shard {CRYPTO_SHARD} has no cash for ")
            waiting = {
                row.ticker for row in snapshot(life).markets if f"shard {CRYPTO_SHARD} has no cash" in row.reasons
            }
            assert waiting
            assert all(world.exchange.core.markets[one].listing.exchange_index == CRYPTO_SHARD for one in waiting)

            account = world.exchange.core.accounts_by_key[KEY_ID]
            half_e6 = account.cash_by_shard_e6[0] // 200 * 100
            account.cash_by_shard_e6.update({0: account.cash_by_shard_e6[0] - half_e6, CRYPTO_SHARD: half_e6})
            world.exchange.services.reads.open_account(account)
            await trio.sleep(QUOTED_S)
            assert shards_of_groups(world) == {0, CRYPTO_SHARD}
            assert len(told.of_shards()) == 1
            life.request_stop("the test is over")
        assert world.resting() == []

    run_world(scenario, seed=23, build_tree=build_tree, log_for=log_for)
