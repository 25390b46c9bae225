"""Bad input and broken surroundings against the whole bot: a clear message, a safe state, and back when they mend."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from actors.messages.control import SystemSnapshot
from actors.runtime.exit_guard import ExitCode
from kalshi.signing import Signer, generate_key_pair
from ops.life import CannotStart, Life
from ops.settings import Settings
from ops.simulation import KEY_ID, World, run_world
from supervisor import build_tree

QUOTING_S = 8.0


def _run(scenario: Callable[[World, Life], Awaitable[None]], settings: Settings | None = None) -> None:
    async def whole(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(QUOTING_S)
            assert _two_sided(life) >= 8
            await scenario(world, life)
            life.request_stop("the test is over")
        assert world.resting() == []

    run_world(whole, seed=11, build_tree=build_tree, settings=settings)


def _snapshot(life: Life) -> SystemSnapshot:
    assert life.snapshot is not None
    return life.snapshot


def _two_sided(life: Life) -> int:
    return sum(row.own_bid is not None and row.own_ask is not None for row in _snapshot(life).markets)


REFUSED_WITHIN_S = 60.0


async def _refusal(world: World, life: Life) -> CannotStart:
    with pytest.raises(CannotStart) as caught, trio.fail_after(REFUSED_WITHIN_S):
        await life.run()
    assert world.resting() == []
    return caught.value


@pytest.mark.parametrize(("offset_ms", "word"), [(30_000, "ahead of"), (-30_000, "behind")])
def test_a_clock_thirty_seconds_off_is_refused_with_the_offset_in_the_message(offset_ms: int, word: str) -> None:
    async def scenario(world: World) -> None:
        world.bot_wall.step_ms(offset_ms)
        refusal = await _refusal(world, world.life())
        assert refusal.exit_code is ExitCode.USAGE
        assert word in str(refusal)
        assert "NTP" in str(refusal)
        assert 28.5 <= float(str(refusal).split("clock is ")[1].split(" s")[0]) <= 31.5

    run_world(scenario, seed=1, build_tree=build_tree)


def test_a_key_that_signs_wrong_is_refused_as_credentials() -> None:
    async def scenario(world: World) -> None:
        other_private, _ = generate_key_pair("ed25519")
        world.signer = Signer(KEY_ID, other_private)
        refusal = await _refusal(world, world.life())
        assert refusal.exit_code is ExitCode.CREDENTIALS
        assert "KALSHI_PRIVATE_KEY" in str(refusal)

    run_world(scenario, seed=1, build_tree=build_tree)


def test_a_sequence_gap_withdraws_quotes_until_fresh_snapshots_are_in() -> None:
    """I7: no quote rests on a book with a hole in it."""

    async def scenario(world: World, life: Life) -> None:
        (session,) = world.exchange.hub.sessions()
        subscription = session.subscription("orderbook_delta")
        assert subscription is not None
        subscription.seq += 3
        await trio.sleep(5)
        assert "1 gaps" in _snapshot(life).feed
        await trio.sleep(4)
        assert _two_sided(life) >= 8
        assert len(world.sockets) == 1, "fresh snapshots were enough, no reconnect was needed"

    _run(scenario)


def test_frames_that_are_no_json_and_types_nobody_knows_do_not_stop_the_bot() -> None:
    async def scenario(world: World, life: Life) -> None:
        (session,) = world.exchange.hub.sessions()
        for frame in (
            '{"type":"orderbook_delta","sid":',
            "[]",
            '{"type":"rfq_batch_created","sid":9,"seq":1,"msg":{}}',
            "",
        ):
            session._push(None, frame)
        await trio.sleep(8)
        assert _two_sided(life) >= 8
        assert _snapshot(life).permit == "given"

    _run(scenario)


@pytest.mark.long
def test_html_from_a_gateway_makes_outcomes_unknown_and_nothing_worse() -> None:
    async def scenario(world: World, life: Life) -> None:
        world.cable.gateway_is_down = True
        await trio.sleep(4)
        assert _snapshot(life).totals.orders_unknown > 0
        world.cable.gateway_is_down = False
        await trio.sleep(10)
        assert _two_sided(life) >= 8
        # What nobody wants any more stays counted until its lease is over and a list shows that it is not there.
        await trio.sleep(50)
        assert _snapshot(life).totals.orders_unknown == 0

    short_lease = attrs.evolve(Settings().orders, lease_floor_s=10.0)
    _run(scenario, settings=attrs.evolve(Settings(), orders=short_lease))


@pytest.mark.long
def test_a_peer_that_falls_silent_is_noticed_withdrawn_from_and_reconnected_to() -> None:
    async def scenario(world: World, life: Life) -> None:
        world.sockets[-1].is_silent = True
        await trio.sleep(6)
        assert len(world.sockets) == 2
        await trio.sleep(6)
        assert _two_sided(life) >= 8

    _run(scenario)


@pytest.mark.long
def test_without_any_socket_nothing_rests_for_long_and_quoting_resumes_when_it_is_back() -> None:
    async def scenario(world: World, life: Life) -> None:
        world.socket_is_refused = True
        world.sockets[-1].cut()
        await trio.sleep(3)
        assert world.resting() == []
        await trio.sleep(17)
        assert _snapshot(life).permit == "withheld"
        assert any("proof of life" in reason for reason in _snapshot(life).permit_reasons)
        world.socket_is_refused = False
        await trio.sleep(40)  # the back-off may have grown to half a minute
        assert _two_sided(life) >= 8

    _run(scenario)


def test_a_full_disk_under_the_journal_stops_creates_but_not_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    """I3: without a journal nothing new may be sent; what rests is still cancelled and fenced."""

    async def scenario(world: World, life: Life) -> None:
        def full(fd: int, line: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("actors.runtime.journal.os.write", full)
        await trio.sleep(1)
        before = world.exchange.truth.fills(KEY_ID)
        orders = {o.client_order_id for o in world.exchange.truth.resting_orders(KEY_ID)}
        await trio.sleep(5)
        assert _snapshot(life).permit == "withheld"
        assert any("journal" in reason for reason in _snapshot(life).permit_reasons)
        later = {o.client_order_id for o in world.exchange.truth.resting_orders(KEY_ID)}
        assert later <= orders, "an order was created without a journal"
        assert len(world.exchange.truth.fills(KEY_ID)) >= len(before)

    _run(scenario)


def test_a_crash_of_the_wire_itself_is_a_reason_to_leave_in_order() -> None:
    """I1: the part that nobody restarts may crash as well; fence and sweep still run."""

    async def scenario(world: World) -> None:
        life = world.life()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(life.run)
            await trio.sleep(QUOTING_S)
            assert world.resting()
            world.cable.bug = RuntimeError("a defect in the transport")
        report = life.report
        assert (report.exit_code, report.verdict) == (ExitCode.GAVE_UP_VERIFIED, "verified flat")
        assert "wire crashed" in report.reason
        await trio.sleep(30)
        assert world.resting() == []

    run_world(scenario, seed=11, build_tree=build_tree)
