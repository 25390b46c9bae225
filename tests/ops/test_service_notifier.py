"""What the bot says to its service manager, heard on a real datagram socket."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ops.service_notifier import STATUS_CHARACTERS_MAX, Notifier, extend_line, is_service, status_line, watchdog_s
from tests.ops.service_manager import FORMS, NotifySocket


@pytest.mark.parametrize("form", FORMS)
def test_lines_arrive_as_one_datagram_at_both_forms_of_address(tmp_path: Path, form: str) -> None:
    with NotifySocket(tmp_path, form) as manager:
        notifier = Notifier(manager.address)
        assert notifier.send("READY=1", "STATUS=zwölf markets")
        assert notifier.send("WATCHDOG=1")
        notifier.close()
        assert manager.take() == [("READY=1", "STATUS=zwölf markets"), ("WATCHDOG=1",)]
        assert notifier.failures == 0


def test_without_an_address_nothing_is_sent_and_nothing_has_failed() -> None:
    notifier = Notifier("")
    assert not notifier.is_enabled
    assert notifier.send("READY=1")
    assert notifier.failures == 0
    notifier.close()


def test_a_manager_that_is_gone_is_counted_named_and_never_raised(tmp_path: Path) -> None:
    with NotifySocket(tmp_path, "path") as manager:
        address = manager.address
    notifier = Notifier(address)
    assert not notifier.send("WATCHDOG=1")
    assert not notifier.send("WATCHDOG=1")
    notifier.close()
    assert notifier.failures == 2
    assert "refused" in notifier.last_failure


def test_a_manager_that_reads_nothing_does_not_block_the_bot(tmp_path: Path) -> None:
    with NotifySocket(tmp_path, "path") as manager:
        notifier = Notifier(manager.address)
        sent = 0
        while notifier.send("STATUS=" + "x" * 400):
            sent += 1
            assert sent < 100_000, "the socket takes everything: this test tests nothing"
        assert notifier.failures == 1
        assert len(manager.take()) == sent
        assert notifier.send("WATCHDOG=1"), "with room again it goes on"
        notifier.close()


@pytest.mark.parametrize("address", ["vsock:2:1234", "relative/path", "/" + "x" * 200, "/nowhere/notify"])
def test_an_address_that_cannot_be_used_is_a_counted_failure(address: str) -> None:
    notifier = Notifier(address)
    assert not notifier.send("READY=1")
    notifier.close()
    assert notifier.failures == 1
    assert notifier.last_failure


def test_the_socket_is_not_left_to_children(tmp_path: Path) -> None:
    with NotifySocket(tmp_path, "path") as manager:
        notifier = Notifier(manager.address)
        notifier.send("READY=1")
        assert isinstance(notifier._socket, socket.socket)
        assert not notifier._socket.get_inheritable()
        assert not notifier._socket.getblocking()
        notifier.close()


def test_a_status_is_one_short_line() -> None:
    assert status_line("two\nREADY=1\n lines") == "STATUS=two READY=1 lines"
    assert len(status_line("x" * 10_000)) == len("STATUS=") + STATUS_CHARACTERS_MAX


def test_time_is_asked_for_in_microseconds() -> None:
    assert extend_line(30.0) == "EXTEND_TIMEOUT_USEC=30000000"
    assert extend_line(25.01) == "EXTEND_TIMEOUT_USEC=26000000"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "10000000"}, 10.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "17"}, 0.5),
        ({"WATCHDOG_USEC": "10000000", "WATCHDOG_PID": "18"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
    ],
)
def test_the_watchdog_is_ours_only_where_it_names_nobody_or_us(environ: dict[str, str], expected: float | None) -> None:
    assert watchdog_s(environ, pid=17) == expected


def test_a_service_is_known_by_either_variable() -> None:
    assert is_service({"NOTIFY_SOCKET": "/run/x"})
    assert is_service({"INVOCATION_ID": "7f3a"})
    assert not is_service({"NOTIFY_SOCKET": "", "TERM": "xterm"})
