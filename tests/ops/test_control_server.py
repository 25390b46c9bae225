"""The control socket, over real sockets in a folder of the test's own."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
import trio

from actors.messages.control import ControlCommand, ControlReply
from ops import control_server
from ops.control_server import (
    CONNECTIONS_MAX,
    REQUEST_BYTES_MAX,
    SOCKET_PATH_BYTES_MAX,
    ControlClient,
    ControlSocketError,
    ask,
    control_socket_path,
    serve_control,
    usable_path,
)
from tests.ops.snapshots import snapshot


async def echo(command: ControlCommand) -> ControlReply:
    """Answers with what was asked and by whom."""
    return ControlReply(ok=True, text=f"{command.word} by {command.principal}", snapshot=snapshot(20))


@asynccontextmanager
async def serving(path: Path) -> AsyncIterator[Path]:
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, echo)
        yield path
        nursery.cancel_scope.cancel()


async def said(path: Path, data: bytes, replies: int = 1) -> list[ControlReply]:
    """Sends raw bytes and returns the replies that come back."""
    stream = await trio.open_unix_socket(path)
    async with stream:
        await stream.send_all(data)
        received = b""
        with trio.fail_after(5):
            while received.count(b"\n") < replies:
                chunk = await stream.receive_some()
                if not chunk:
                    break
                received += chunk
    return [msgspec.json.decode(line, type=ControlReply) for line in received.splitlines()]


async def test_a_command_is_answered_with_the_whole_snapshot(tmp_path: Path) -> None:
    async with serving(tmp_path / "control.sock") as path:
        reply = await ask(path, ControlCommand(word="status"))
    assert reply.ok
    assert reply.snapshot == snapshot(20)


async def test_who_asks_comes_from_the_kernel_and_not_from_the_request(tmp_path: Path) -> None:
    async with serving(tmp_path / "control.sock") as path:
        reply = await ask(path, ControlCommand(word="stop", principal="root of all"))
    assert reply.text == f"stop by local user {os.getuid()}, process {os.getpid()}"


async def test_the_socket_is_for_its_owner_only_and_leaves_with_the_bot(tmp_path: Path) -> None:
    async with serving(tmp_path / "control.sock") as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_one_connection_may_carry_several_requests(tmp_path: Path) -> None:
    request = msgspec.json.encode(ControlCommand(word="status")) + b"\n"
    async with serving(tmp_path / "control.sock") as path:
        assert [reply.ok for reply in await said(path, request * 3, replies=3)] == [True] * 3


@pytest.mark.parametrize("line", [b"{", b"[]", b'{"word": 7}', b"\xff\xfe", b"hello", b"{}"])
async def test_what_is_no_request_is_answered_with_an_error_and_the_next_one_is_served(
    tmp_path: Path, line: bytes
) -> None:
    good = msgspec.json.encode(ControlCommand(word="status"))
    async with serving(tmp_path / "control.sock") as path:
        first, second = await said(path, line + b"\n" + good + b"\n", replies=2)
    assert not first.ok
    assert "no request" in first.text
    assert second.ok


async def test_a_request_beyond_all_bounds_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path / "control.sock") as path:
        (reply,) = await said(path, b"x" * (REQUEST_BYTES_MAX + 2))
        assert not reply.ok
        assert str(REQUEST_BYTES_MAX) in reply.text
        assert (await ask(path, ControlCommand(word="status"))).ok


async def test_clients_that_only_sit_there_do_not_keep_others_out_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "CONNECTION_TIME_MAX_S", 0.2)
    async with serving(tmp_path / "control.sock") as path:
        idle = [await trio.open_unix_socket(path) for _ in range(CONNECTIONS_MAX)]
        reply = await ask(path, ControlCommand(word="status"), deadline_s=3)
        assert reply.ok
        for stream in idle:
            await stream.aclose()


async def test_a_client_that_leaves_in_the_middle_hurts_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path / "control.sock") as path:
        for _ in range(20):
            stream = await trio.open_unix_socket(path)
            await stream.send_all(b'{"word": "sta')
            await stream.aclose()
        assert (await ask(path, ControlCommand(word="status"))).ok


async def test_a_dead_bots_socket_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(os.fspath(path))
    dead.close()
    async with serving(path):
        assert (await ask(path, ControlCommand(word="status"))).ok


async def test_a_living_bots_socket_is_left_alone(tmp_path: Path) -> None:
    async with serving(tmp_path / "control.sock") as path:
        with pytest.raises(ControlSocketError, match="Another bot answers"):
            await serve_control(path, echo)
        assert (await ask(path, ControlCommand(word="status"))).ok


async def test_a_file_that_is_no_socket_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(ControlSocketError, match="no socket"):
        await serve_control(path, echo)
    assert path.read_text() == "precious"


async def test_asking_where_no_bot_runs_says_so(tmp_path: Path) -> None:
    with pytest.raises(ControlSocketError, match="No bot runs at"):
        await ask(tmp_path / "control.sock", ControlCommand(word="status"))


async def test_a_bot_that_does_not_answer_costs_the_deadline_only(tmp_path: Path) -> None:
    path = tmp_path / "control.sock"
    silent = socket.socket(socket.AF_UNIX)
    silent.bind(os.fspath(path))
    silent.listen()
    with pytest.raises(ControlSocketError, match="did not answer"):
        await ask(path, ControlCommand(word="status"), deadline_s=0.05)
    silent.close()


async def test_an_answer_of_another_version_is_named(tmp_path: Path) -> None:
    async def other(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b'{"fine": true}\n')
        await stream.aclose()

    path = tmp_path / "control.sock"
    listening = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await listening.bind(os.fspath(path))
    listening.listen()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, other, [trio.SocketListener(listening)])
        with pytest.raises(ControlSocketError, match="no reply of this version"):
            await ask(path, ControlCommand(word="status"))
        nursery.cancel_scope.cancel()


async def test_a_long_path_is_reached_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = folder / "control.sock"
    assert len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX
    with pytest.raises(ControlSocketError, match="too long"):
        usable_path(path)
    monkeypatch.chdir(folder)
    async with serving(path):
        assert (await ask(path, ControlCommand(word="status"))).ok


async def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ControlSocketError, match="cannot be opened"):
        await serve_control(tmp_path / "nowhere" / "control.sock", echo)


def test_the_socket_stands_in_the_state_folder_unless_configured(tmp_path: Path) -> None:
    assert control_socket_path(tmp_path) == tmp_path / "control.sock"
    assert control_socket_path(tmp_path, "/run/bot.sock") == Path("/run/bot.sock")


def test_the_client_of_the_command_line_asks_without_async(tmp_path: Path) -> None:
    with pytest.raises(ControlSocketError, match="No bot runs"):
        ControlClient(tmp_path / "control.sock").ask(ControlCommand(word="status"))
