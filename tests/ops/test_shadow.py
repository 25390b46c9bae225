"""The exchange in the middle: what is read through it, what stays in it, how its markets live, and that all is told."""

from __future__ import annotations

import json
from typing import Any

import attrs
import httpx
import pytest
import trio

from actors.runtime.child import silent_log
from actors.runtime.exit_guard import ExitCode
from kalshi.simulator.queue_model import QueueModel
from kalshi.socket import Socket, SocketClosed, SocketOverflow
from kalshi.types import MarketStatus, PriceRange
from ops.life import CannotStart
from ops.settings import Settings
from ops.shadow import banner, open_shadow, shards_of, spread
from ops.shadow_doors import FIRST_OWN_SID, ShadowSocket
from ops.shadow_listings import POLL_S, structure_of
from tests.kalshi.simulator.customer import SUB_CENT_TICKER, TICKER
from tests.ops.shadow_stage import Stage, seams_of, stage, upstream_of

HEARD_WITHIN_S = 3.0


async def subscribe(socket: Socket, number: int, *channels: str, **params: Any) -> None:
    await socket.send(json.dumps({"id": number, "cmd": "subscribe", "params": {"channels": [*channels], **params}}))


async def heard(
    socket: Socket, kind: str, number: int | None = None, *, event_type: str | None = None
) -> dict[str, Any]:
    """Waits for a frame of that type, the answer to command `number` where one is given; others are passed over."""
    with trio.fail_after(HEARD_WITHIN_S):
        while True:
            for text in await socket.receive_batch():
                frame: dict[str, Any] = json.loads(text)
                is_answer = frame["type"] == kind and number in (None, frame.get("id"))
                if is_answer and (event_type is None or frame["msg"]["event_type"] == event_type):
                    return frame


async def with_book(scene: Stage, nursery: trio.Nursery) -> Socket:
    """Opens the bot's socket and subscribes it to a real market with a book of 0.45 x 10 / 0.48 x 10."""
    await scene.real.bob.place("bid", "0.4500")
    await scene.real.bob.place("ask", "0.4800")
    socket = await scene.ports.connect(nursery)
    await subscribe(socket, 1, "orderbook_delta", market_tickers=[TICKER])
    await heard(socket, "orderbook_snapshot")
    await subscribe(socket, 2, "trade", market_tickers=[TICKER])
    await subscribe(socket, 3, "fill")
    await subscribe(socket, 4, "market_lifecycle_v2")
    await heard(socket, "subscribed", 4)
    return socket


async def test_orders_stay_here_and_are_matched_against_the_real_book_and_its_trades() -> None:
    async with stage() as scene, trio.open_nursery() as nursery:
        socket = await with_book(scene, nursery)
        assert (await scene.place("bid", "0.4800", post_only=True)).status_code == 400
        assert (await scene.place("bid", "0.4500", post_only=True)).status_code == 201
        assert (await scene.place("ask", "0.4600", "4.00", post_only=True)).status_code == 201
        # Somebody sells 6 into the real bid, and we, first in the queue by the model, would have had them.
        await scene.real.alice.place("ask", "0.4500", "6.00", time_in_force="immediate_or_cancel")
        fill = await heard(socket, "fill")
        assert (fill["msg"]["count_fp"], fill["msg"]["yes_price_dollars"]) == ("6.00", "0.4500")
        assert fill["sid"] > FIRST_OWN_SID
        assert scene.fills() == [(4_500, 600)]
        assert scene.middle.exchange.truth.imbalance_e6() == 0
        # The real exchange has seen its own customers and nobody else; our quotes are in no book that is shown.
        book = (await scene.ask("GET", f"/markets/{TICKER}/orderbook")).json()["orderbook_fp"]
        assert book == {"yes_dollars": [["0.4500", "4.00"]], "no_dollars": [["0.5200", "10.00"]]}
        real = scene.real.exchange.truth
        assert len(real.resting_orders("bob")) == 2
        assert (real.write_requests("alice"), real.write_requests("bob")) == (1, 2)
        nursery.cancel_scope.cancel()


async def test_reads_of_markets_are_the_real_ones_and_reads_of_the_account_are_ours() -> None:
    async with stage() as scene:
        markets = (await scene.ask("GET", f"/markets?tickers={TICKER}")).json()
        assert markets == await scene.real.alice.get(f"/markets?tickers={TICKER}")
        missing = await scene.ask("GET", "/markets/NONE")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
        assert "date" in missing.headers
        balance = (await scene.ask("GET", "/portfolio/balance")).json()
        assert {row["exchange_index"]: row["balance"] for row in balance["balance_breakdown"]} == dict.fromkeys(
            range(4), "2500.0000"
        )
        assert (await scene.ask("GET", "/portfolio/orders")).json()["orders"] == []
        assert (await scene.ask("GET", "/account/limits")).json()["usage_tier"] == "basic"
        # Whatever is no read stays here, and is answered here.
        assert (await scene.ask("POST", "/markets")).status_code == 405
        assert (await scene.ask("DELETE", "/exchange/status")).status_code == 405
        assert scene.real.exchange.truth.write_requests_total == 0


async def test_the_key_of_the_bot_means_nothing_to_the_real_exchange() -> None:
    async with stage() as scene:
        path = "/trade-api/v2/portfolio/events/orders"
        body = scene.real.alice.order("bid", "0.4500")
        signed = scene.middle.signer.headers("POST", path, scene.real.clock())
        answer = await scene.real.alice.send("POST", path.removeprefix("/trade-api/v2"), body, headers=signed)
        assert answer.status_code == 401


async def test_a_market_is_listed_once_it_is_wanted_and_unknown_ones_are_left_out() -> None:
    async with stage() as scene, trio.open_nursery() as nursery:
        assert (await scene.place("bid", "0.4500")).json()["error"]["code"] == "market_not_found"
        await scene.ask("GET", "/events?with_nested_markets=true")
        socket = await scene.ports.connect(nursery)
        await subscribe(socket, 1, "orderbook_delta", market_tickers=[SUB_CENT_TICKER, "NONE"])
        await heard(socket, "orderbook_snapshot")
        core = scene.middle.exchange.core
        assert list(core.markets) == [SUB_CENT_TICKER]
        listed, real = core.markets[SUB_CENT_TICKER], scene.real.exchange.core.markets[SUB_CENT_TICKER]
        assert attrs.evolve(listed.listing, fair_e4=0, half_spread_e4=0, trades_per_minute=0) == attrs.evolve(
            real.listing, fair_e4=0, half_spread_e4=0, trades_per_minute=0, yes_sub_title=""
        )
        assert listed.clearing.terms == real.clearing.terms
        body = scene.real.alice.order("bid", "0.0120", ticker=SUB_CENT_TICKER, exchange_index=2)
        assert (await scene.ask("POST", "/portfolio/events/orders", body)).status_code == 201
        nursery.cancel_scope.cancel()


async def test_an_order_takes_as_long_as_a_request_to_the_real_exchange() -> None:
    async with stage() as scene, trio.open_nursery() as nursery:
        await with_book(scene, nursery)
        scene.middle.latency_s = 0.3
        ports = scene.middle.open_ports(lambda: 0)  # type: ignore[arg-type]  # no socket is opened
        slow = attrs.evolve(scene, ports=ports)
        placed = trio.Event()

        async def place() -> None:
            await slow.place("bid", "0.4500")
            placed.set()

        nursery.start_soon(place)
        await trio.sleep(0.1)
        await scene.real.alice.place("ask", "0.4500", "6.00", time_in_force="immediate_or_cancel")
        await trio.sleep(0.05)
        assert not placed.is_set()
        await placed.wait()
        assert scene.fills() == []
        await ports.aclose()
        nursery.cancel_scope.cancel()


async def test_a_market_ends_as_the_real_one_does_and_pays_what_that_pays() -> None:
    async with stage() as scene, trio.open_nursery() as nursery:
        socket = await with_book(scene, nursery)
        await scene.place("bid", "0.4800", "2.00", time_in_force="immediate_or_cancel")
        assert scene.fills() == [(4_800, 200)]
        scene.real.exchange.lifecycle.determine(TICKER, "yes")
        await heard(socket, "market_lifecycle_v2", event_type="determined")  # its early close is told before
        scene.real.clock.advance(1)
        scene.middle.exchange.tick()
        state = scene.middle.exchange.core.markets[TICKER]
        assert (state.status, state.result) == (MarketStatus.FINALIZED, "yes")
        settlements = scene.middle.exchange.services.reads
        scene.real.clock.advance(1_000)
        account = scene.middle.exchange.core.accounts_by_key[scene.middle.key_id]
        assert [one.revenue_e6 for one in settlements.view(account).settlements] == [2_000_000]
        assert scene.middle.exchange.truth.imbalance_e6() == 0
        nursery.cancel_scope.cancel()


async def test_a_result_that_no_frame_told_is_found_by_asking(autojump_clock: trio.testing.MockClock) -> None:
    async with stage() as scene, trio.open_nursery() as nursery:
        await with_book(scene, nursery)
        await scene.place("bid", "0.4800", "2.00", time_in_force="immediate_or_cancel")
        await scene.place("bid", "0.4400", "2.00")
        scene.sockets[0].cut()
        nursery.start_soon(scene.middle.listings.watch)
        real, state = scene.real.exchange.lifecycle, scene.middle.exchange.core.markets[TICKER]
        seen: list[MarketStatus] = []
        for change in (real.deactivate, real.activate, lambda ticker: real.determine(ticker, "no")):
            change(TICKER)
            await trio.sleep(POLL_S + 1)
            seen.append(state.status)
        assert seen == [MarketStatus.INACTIVE, MarketStatus.ACTIVE, MarketStatus.DETERMINED]
        assert state.result == "no"
        trades: list[bool] = []
        for is_active in (False, True):
            real.set_pause(trading_active=is_active)
            await trio.sleep(POLL_S + 1)
            trades.append(scene.middle.exchange.core.trading_active)
        assert trades == [False, True]
        nursery.cancel_scope.cancel()


async def test_when_the_real_connection_ends_so_does_the_bots() -> None:
    async with stage() as scene, trio.open_nursery() as nursery:
        socket = await with_book(scene, nursery)
        scene.sockets[0].cut()
        with pytest.raises(SocketClosed):
            await heard(socket, "nothing of that kind comes any more")
        with pytest.raises(SocketClosed):
            await subscribe(socket, 9, "fill")
        with pytest.raises(SocketClosed):
            await socket.ping(1.0)
        assert scene.middle.exchange.hub.sessions() == ()
        nursery.cancel_scope.cancel()


async def test_commands_about_our_own_channels_come_back_with_their_ids() -> None:
    async with stage() as scene, trio.open_nursery() as nursery:
        socket = await with_book(scene, nursery)
        await subscribe(socket, 7, "user_orders")
        sid = (await heard(socket, "subscribed", 7))["msg"]["sid"]
        assert sid > FIRST_OWN_SID
        await socket.send(json.dumps({"id": 8, "cmd": "unsubscribe", "params": {"sids": [sid]}}))
        assert (await heard(socket, "unsubscribed", 8))["sid"] == sid
        nursery.cancel_scope.cancel()


async def test_a_bot_that_reads_too_slowly_is_told() -> None:
    async with stage() as scene, trio.open_nursery() as nursery:
        await with_book(scene, nursery)
        upstream = await scene.middle._upstream.connect(nursery)
        session = scene.middle.exchange.hub.open_session(
            scene.middle.exchange.core.accounts_by_key[scene.middle.key_id]
        )
        socket = ShadowSocket(upstream, session, scene.middle.listings, lambda frame: None, buffer_frames=2)
        socket.start(nursery)
        for number in range(3):
            await subscribe(socket, number, "trade", market_tickers=[TICKER])
        await trio.testing.wait_all_tasks_blocked(0.02)
        with pytest.raises(SocketOverflow):
            await socket.receive_batch()
        nursery.cancel_scope.cancel()


async def test_a_key_that_the_real_exchange_does_not_know_is_refused_with_77() -> None:
    async with stage() as scene:
        stranger = upstream_of(scene.real, key_id="nobody")
        with pytest.raises(CannotStart, match="refused the key") as refused:
            await open_shadow(Settings(), stranger, seams_of(scene.real), silent_log("shadow"))
        assert refused.value.exit_code is ExitCode.CREDENTIALS


async def test_an_exchange_that_does_not_answer_is_named() -> None:
    async with stage() as scene:
        silent = upstream_of(scene.real)

        def refuse(request: httpx.Request) -> httpx.Response:
            raise httpx.ConnectError("nobody is there", request=request)

        silent._client_http._transport._inner = httpx.MockTransport(refuse)  # type: ignore[attr-defined]
        with pytest.raises(CannotStart, match="at http://exchange/trade-api/v2 does not answer"):
            await open_shadow(Settings(), silent, seams_of(scene.real), silent_log("shadow"))


def test_money_is_spread_over_the_shards_to_the_cent() -> None:
    assert spread(10_000_000_000, (0, 1, 2)) == {0: 3_333_340_000, 1: 3_333_330_000, 2: 3_333_330_000}
    assert sum(spread(10_000_000_001, (0, 1, 2)).values()) == 10_000_000_001
    assert spread(5, (3,)) == {3: 5}


def test_shards_are_those_of_the_status() -> None:
    assert shards_of(b'{"exchange_index_statuses":[{"exchange_index":2},{"exchange_index":0}]}') == (0, 2)
    assert shards_of(b"{}") == (0,)
    assert shards_of(b"<html>") == (0,)


def test_a_grid_is_known_by_its_ranges_and_an_unknown_one_refuses_nothing() -> None:
    def ranges(*rows: tuple[int, int, int]) -> tuple[PriceRange, ...]:
        return tuple(PriceRange(start_e4=a, end_e4=b, step_e4=c) for a, b, c in rows)  # type: ignore[arg-type]

    assert structure_of(ranges((0, 10_000, 100))) == "linear_cent"
    assert structure_of(ranges((0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10))) == "tapered_deci_cent"
    assert structure_of(ranges((0, 10_000, 7))) == "center_centi_edge_centi_cent"


def test_the_banner_says_that_nothing_is_sent() -> None:
    said = banner(QueueModel.FRONT, "https://somewhere/v2", 0.0123)
    assert said.startswith("SHADOW: real data from https://somewhere/v2; nothing is sent")
    assert "front, 12 ms" in said
