"""Recovered state belongs to one account on one exchange; a new start of a simulated exchange is another exchange."""

from __future__ import annotations

import trio

from ops.venue import boot_prefix, simulator_instance, venue_of, venue_prefix

URL = "http://127.0.0.1:9/trade-api/v2"


def test_mode_address_account_and_instance_each_make_another_venue() -> None:
    base = venue_of("demo", "https://a", "key")
    others = [
        venue_of("live", "https://a", "key"),
        venue_of("demo", "https://b", "key"),
        venue_of("demo", "https://a", "other"),
        venue_of("demo", "https://a", "key", "1-5"),
        venue_of("demo", "https://a", "key", "1-6"),
    ]
    assert len({venue.name for venue in (base, *others)}) == 6
    assert venue_of("demo", "https://a", "key") == base


def test_the_key_is_not_readable_in_it_and_ids_fit_the_exchanges_rules() -> None:
    venue = venue_of("simulated", URL, "a-secret-key-id")
    longest = boot_prefix(venue, "0123abcd") + format(2**40, "x")
    assert "secret" not in venue.name + venue.prefix
    assert len(longest) <= 64
    assert "." not in longest


def test_what_all_boots_share_is_found_in_the_prefix_of_one() -> None:
    venue = venue_of("demo", "https://x", "key")
    assert venue_prefix(boot_prefix(venue, "0a1b2c3d")) == venue.prefix


async def test_a_simulator_says_which_start_of_it_answers() -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 200 OK\r\nx-simulator-instance: 7-99\r\ncontent-length: 2\r\n\r\n{}")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, serve, 0)
        port = listeners[0].socket.getsockname()[1]
        assert await simulator_instance(f"http://127.0.0.1:{port}/trade-api/v2") == "7-99"
        nursery.cancel_scope.cancel()


async def test_nobody_there_is_no_instance() -> None:
    assert await simulator_instance(URL) == ""
