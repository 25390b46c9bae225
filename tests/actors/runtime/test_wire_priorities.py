"""I10, I19: at the Wire, what reduces goes before what adds, however much of it waits for tokens or a place."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from trio.testing import MockClock

from actors.messages.orders import WireOutcome
from actors.runtime.wire import COMMANDS_MAX
from kalshi.budget import COST_CANCEL, COST_CREATE, Priority, RateBudget
from kalshi.types import CancelOrder, CreateOrder
from quant.orders.commands import CommandClass, OrderAck, OutcomeKind
from tests.actors.runtime.wire_stage import ScriptedClient, WireStage
from tests.quant.orders.sentences import CANCEL, create, exit_create

WAITING = 30  # creates; the bucket holds fewer than ten, so the last of them waits for two seconds


@attrs.define(eq=False)
class BilledClient(ScriptedClient):
    """Takes its tokens from the account's budget at the priority that the Wire asks for."""

    budget: RateBudget | None = None

    async def create_order(  # type: ignore[override]
        self, request: CreateOrder, *, priority: Priority, before_send: Callable[[], None]
    ) -> OrderAck:
        assert self.budget is not None
        await self.budget.acquire_write(COST_CREATE, priority)
        return await super().create_order(request, before_send=before_send)

    async def cancel_order(  # type: ignore[override]
        self, request: CancelOrder, *, priority: Priority, before_send: Callable[[], None]
    ) -> OrderAck:
        assert self.budget is not None
        await self.budget.acquire_write(COST_CANCEL, priority)
        return await super().cancel_order(request, before_send=before_send)


def crowded_stage() -> WireStage:
    client = BilledClient()
    stage = WireStage(client)
    client.budget = stage.budget
    return stage


async def test_i10_an_exit_goes_before_all_creates_that_wait_for_tokens(autojump_clock: MockClock) -> None:
    async with crowded_stage().running() as stage:
        for number in range(WAITING):
            await stage.post(create(f"us-{number}"), f"us-{number}", valid_s=60.0)
        outcome = await stage.command(exit_create("us-x"), "us-x", CommandClass.EXIT, valid_s=0.5)
        assert outcome.kind is OutcomeKind.ACCEPTED
        place = [getattr(request, "client_order_id", "") for request in stage.data.sent].index("us-x")
        assert place <= 11, "only what the bucket held at first may be before it"


async def test_i19_a_cancel_goes_before_all_creates_that_wait_for_tokens(autojump_clock: MockClock) -> None:
    async with crowded_stage().running() as stage:
        for number in range(WAITING):
            await stage.post(create(f"us-{number}"), f"us-{number}", valid_s=60.0)
        outcome = await stage.command(CANCEL, "us-0", CommandClass.CANCEL, valid_s=0.5)
        assert outcome.kind is OutcomeKind.ACCEPTED
        assert stage.data.sent.index(CANCEL) <= 11


async def test_i10_an_exit_finds_a_place_when_creates_crowd_the_wire(autojump_clock: MockClock) -> None:
    async with WireStage(ScriptedClient(token_wait_s=30.0)).running() as stage:
        crowd = range(COMMANDS_MAX + 1)
        slots = [await stage.post(create(f"us-{number}"), f"us-{number}", valid_s=0.25) for number in crowd]
        stage.data.token_wait_s = 0.0
        outcome = await stage.command(exit_create("us-x"), "us-x", CommandClass.EXIT, valid_s=0.5)
        assert outcome.kind is OutcomeKind.ACCEPTED
        refused: list[WireOutcome] = [await slot.get() for slot in slots]
        assert [each.code for each in refused].count("busy") == 1
