"""A campaign is worth what it finds: with a mechanism switched off, a seed must say which promise is broken."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs
import pytest

import actors.market
import actors.order_desk
import actors.runtime.sweep
import quant.orders.desk
from actors.runtime.seams import virtual_seams
from actors.runtime.sweep import Sweep
from kalshi.numbers import PriceE4
from kalshi.types import Fill
from quant.accounting import apply_fill
from quant.orders.permit import Permit
from tests.ops.campaign.test_seed import one

pytestmark = pytest.mark.long

Patch = pytest.MonkeyPatch


def leases_never_end(patch: Patch) -> None:
    patch.setattr(quant.orders.desk, "lease_seconds", lambda *_: 100_000.0)


def nobody_sweeps(patch: Patch) -> None:
    async def nothing(sweep: Sweep) -> None:
        sweep._verified = True

    patch.setattr(Sweep, "fence", nothing)
    patch.setattr(Sweep, "verify", nothing)


def a_sweep_never_ends(patch: Patch) -> None:
    patch.setattr(actors.runtime.sweep, "CLEAN_LISTS_APART_S", 60.0)


def a_market_has_a_defect(patch: Patch) -> None:
    whole, calls = actors.market.MarketMaker._decide, 0

    def defective(market: Any, *arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 40:
            raise ValueError("a defect")
        return whole(market, *arguments)

    patch.setattr(actors.market.MarketMaker, "_decide", defective)


def a_price_is_booked_wrong(patch: Patch) -> None:
    def wrong(account: Any, fill: Fill) -> Any:
        return apply_fill(account, attrs.evolve(fill, price_e4=PriceE4(fill.price_e4 + 1)))

    patch.setattr("quant.late_fills.apply_fill", wrong)


def the_permit_never_comes_back(patch: Patch) -> None:
    never = Permit(may_quote=False, must_withdraw=True, reasons=("broken",))
    patch.setattr(actors.order_desk, "decide_permit", lambda *_: never)


MUTATIONS: dict[Callable[[Patch], None], str] = {
    leases_never_end: "I29",
    nobody_sweeps: "I1",
    a_sweep_never_ends: "I1",
    a_market_has_a_defect: "I16",
    a_price_is_booked_wrong: "I6",
    the_permit_never_comes_back: "liveness",
}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_seed_finds_it_when(mutation: Callable[[Patch], None], monkeypatch: Patch) -> None:
    mutation(monkeypatch)
    # After a power cut the sweep is alone: at an orderly stop the desk withdraws its orders as well.
    result = one(1, faults="stop_and_start,power_cut")
    assert any(text.startswith(MUTATIONS[mutation]) for text in result.violations), result.violations


def test_chance_from_outside_the_seed_changes_the_trace(monkeypatch: Patch) -> None:
    def unseeded(seed: int, start_ms: int) -> Any:
        ids = random.SystemRandom()
        return attrs.evolve(virtual_seams(seed, start_ms), new_id=lambda: f"{ids.getrandbits(128):032x}")

    monkeypatch.setattr("ops.simulation.virtual_seams", unseeded)
    assert one(1, seconds=60, faults="none").trace_hash != one(1, seconds=60, faults="none").trace_hash
