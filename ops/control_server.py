"""The control socket: a unix socket in the state folder that only the bot's own user can open.

One request is one JSON line, one answer is one JSON line; a connection may carry several, one after the
other. The messages are `ControlCommand` and `ControlReply`. What cannot be read is answered with a reply that
says so, and never ends the bot.

1. The socket file has mode 0600 from its first moment on; a file that a dead process left behind is replaced.
2. Who asks is taken from the kernel (user and process id of the other end), never from what the request
   claims.
3. Everything is bounded: bytes of a request, connections, time of a connection.
4. A socket path has at most 107 bytes on Linux. A longer one is reached by a path relative to the working
   folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket as std_socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import attrs
import msgspec
import trio

from actors.messages.control import ControlCommand, ControlReply

REQUEST_BYTES_MAX = 16_384  # the longest word with a long ticker has some hundred bytes
REPLY_BYTES_MAX = 8_000_000  # a snapshot of 200 markets with reasons has about 200 KB
CONNECTIONS_MAX = 8  # people and scripts of one machine; the rest waits in the backlog
BACKLOG = 16
CONNECTION_TIME_MAX_S = 30.0  # a client that neither asks nor leaves does not keep its place
ASK_DEADLINE_S = 5.0  # the bot answers within milliseconds, or it is in trouble
SOCKET_PATH_BYTES_MAX = 107  # sun_path of Linux without its final zero
SOCKET_NAME = "control.sock"
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
SHORTAGE_PAUSE_S = 0.1

Answer = Callable[[ControlCommand], Awaitable[ControlReply]]


class ControlSocketError(Exception):
    """The control socket cannot be used; the message says what to do."""


class _RequestTooLong(Exception):
    """A request line is longer than any real one."""


def control_socket_path(state_folder: Path, configured: str | None = None) -> Path:
    """Returns where the control socket is: as configured, else in the state folder."""
    return Path(configured) if configured else state_folder / SOCKET_NAME


async def serve_control(
    path: Path, answer: Answer, *, task_status: trio.TaskStatus[Path] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serves the socket at `path` until cancelled. Raises ControlSocketError where it cannot be opened."""
    short = usable_path(path)
    await _clear_the_place(short)
    with _listening_socket(short) as listening:
        inode = os.stat(short).st_ino
        try:
            task_status.started(path)
            await _accept(listening, answer)
        finally:
            _remove(short, inode)


async def ask(path: Path, command: ControlCommand, *, deadline_s: float = ASK_DEADLINE_S) -> ControlReply:
    """Returns the running bot's reply. Raises ControlSocketError where none runs or it does not answer."""
    try:
        with trio.fail_after(deadline_s):
            stream = await trio.open_unix_socket(usable_path(path))
            async with stream:
                await stream.send_all(msgspec.json.encode(command) + b"\n")
                line = await _Lines(stream, REPLY_BYTES_MAX).next()
    except (FileNotFoundError, ConnectionRefusedError):
        raise ControlSocketError(
            f"No bot runs at {path}. Start one with `make run`, or name its state folder."
        ) from None
    except PermissionError:
        raise ControlSocketError(f"The bot at {path} belongs to another user; ask as that user.") from None
    except trio.TooSlowError:
        raise ControlSocketError(f"The bot at {path} did not answer within {deadline_s:g} s.") from None
    except (OSError, trio.BrokenResourceError, _RequestTooLong) as error:
        raise ControlSocketError(f"The conversation with the bot at {path} broke off: {error}.") from None
    return _decoded_reply(path, line)


@attrs.frozen
class ControlClient:
    """Asks the bot whose control socket is at `path`, from code that is not async: the command line."""

    path: Path

    def ask(self, command: ControlCommand, *, deadline_s: float = ASK_DEADLINE_S) -> ControlReply:
        """Returns the running bot's reply. Raises ControlSocketError."""

        async def once() -> ControlReply:
            return await ask(self.path, command, deadline_s=deadline_s)

        return trio.run(once)


def usable_path(path: Path) -> Path:
    """Returns `path` in a form short enough for a socket address. Raises ControlSocketError."""
    absolute = path.absolute()
    for candidate in (absolute, Path(os.path.relpath(absolute))):
        if len(os.fsencode(candidate)) <= SOCKET_PATH_BYTES_MAX:
            return candidate
    raise ControlSocketError(
        f"The path of the control socket is too long for the operating system (over {SOCKET_PATH_BYTES_MAX} "
        f"bytes): {path}. Set control.socket to a shorter path, or use a shorter state folder."
    )


async def _clear_the_place(path: Path) -> None:
    """Removes the socket file of a dead bot; raises where a living one, or anything else, is in the place."""
    if not _is_taken(path):
        return
    try:
        with trio.fail_after(ASK_DEADLINE_S):
            stream = await trio.open_unix_socket(path)
    except OSError:
        _remove(path)
        return
    except trio.TooSlowError:
        pass  # somebody listens there and is only too busy to answer
    else:
        await stream.aclose()
    raise ControlSocketError(f"Another bot answers at {path}; stop it first, or use another state folder.")


def _is_taken(path: Path) -> bool:
    if not path.exists():
        return False
    if not path.is_socket():
        raise ControlSocketError(f"{path} is no socket and stands where the control socket belongs; move it.")
    return True


def _remove(path: Path, inode: int | None = None) -> None:
    """Removes a socket file; with `inode`, only while it is still that one and not a successor's."""
    if inode is None or (path.exists() and path.stat().st_ino == inode):
        path.unlink(missing_ok=True)


def _listening_socket(path: Path) -> trio.socket.SocketType:
    plain = std_socket.socket(std_socket.AF_UNIX, std_socket.SOCK_STREAM)
    # The mask is the whole process's, so it is put back before anything else can run.
    mask = os.umask(0o177)
    try:
        plain.bind(os.fspath(path))
        plain.listen(BACKLOG)
        plain.setblocking(False)
    except OSError as error:
        plain.close()
        raise ControlSocketError(f"The control socket {path} cannot be opened: {error.strerror}.") from None
    finally:
        os.umask(mask)
    return trio.socket.from_stdlib_socket(plain)


async def _accept(listening: trio.socket.SocketType, answer: Answer) -> None:
    places = trio.CapacityLimiter(CONNECTIONS_MAX)
    async with trio.open_nursery() as nursery:
        while True:  # ends by cancellation only
            async with places:
                connection = await _next_connection(listening)
            await nursery.start(_serve_connection, connection, answer, places)


async def _next_connection(listening: trio.socket.SocketType) -> trio.socket.SocketType:
    """Waits for a client; a machine out of file handles for a moment costs that moment, not the socket."""
    while True:  # ends with the next client, or with an error that waiting does not mend
        try:
            connection, _ = await listening.accept()
            return connection
        except OSError as error:
            if error.errno not in SHORTAGES:
                raise
            await trio.sleep(SHORTAGE_PAUSE_S)


async def _serve_connection(
    connection: trio.socket.SocketType,
    answer: Answer,
    places: trio.CapacityLimiter,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with connection:
        async with places:
            task_status.started()
            principal = _principal(connection)
            with trio.move_on_after(CONNECTION_TIME_MAX_S):
                # A client that left in the middle has nobody to be told.
                with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                    await _converse(trio.SocketStream(connection), principal, answer)


async def _converse(stream: trio.SocketStream, principal: str, answer: Answer) -> None:
    lines = _Lines(stream, REQUEST_BYTES_MAX)
    while True:  # ends when the client hangs up, or with the connection's time
        try:
            line = await lines.next()
        except _RequestTooLong:
            await _send(stream, ControlReply(ok=False, text=f"A request has at most {REQUEST_BYTES_MAX} bytes."))
            return
        if not line:
            return
        await _send(stream, await _reply_to(line, principal, answer))


async def _reply_to(line: bytes, principal: str, answer: Answer) -> ControlReply:
    try:
        command = msgspec.json.decode(line, type=ControlCommand)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return ControlReply(ok=False, text=f"This is no request: {error}.")
    return await answer(attrs.evolve(command, principal=principal))


async def _send(stream: trio.SocketStream, reply: ControlReply) -> None:
    await stream.send_all(msgspec.json.encode(reply) + b"\n")


def _principal(connection: trio.socket.SocketType) -> str:
    if not hasattr(std_socket, "SO_PEERCRED"):
        return "local"
    size = struct.calcsize("3i")
    process, user, _ = struct.unpack("3i", connection.getsockopt(std_socket.SOL_SOCKET, std_socket.SO_PEERCRED, size))
    return f"local user {user}, process {process}"


def _decoded_reply(path: Path, line: bytes) -> ControlReply:
    try:
        return msgspec.json.decode(line, type=ControlReply)
    except msgspec.DecodeError:
        found = "nothing" if not line else "no reply of this version"
        raise ControlSocketError(
            f"The bot at {path} answered with {found}; is it ending, or of another version?"
        ) from None


class _Lines:
    """Reads lines of bounded length from a stream; an empty one means that the other end hung up."""

    def __init__(self, stream: trio.SocketStream, length_max: int) -> None:
        self._stream = stream
        self._length_max = length_max
        self._waiting = bytearray()

    async def next(self) -> bytes:
        while (end := self._waiting.find(b"\n")) < 0:
            if len(self._waiting) > self._length_max:
                raise _RequestTooLong
            received = await self._stream.receive_some(65_536)
            if not received:
                return b""
            self._waiting += received
        line = bytes(self._waiting[:end])
        del self._waiting[: end + 1]
        if len(line) > self._length_max:
            raise _RequestTooLong
        return line
