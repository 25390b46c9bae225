"""Logs: a file per actor, no secret in any of them, and the command that reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio
from loguru import logger

from ops import logs
from ops.log_reader import LogFilter, LogReadError, follow_log, list_logs, parse_since, read_log
from ops.logs import TEXT_LENGTH_MAX, LogBook, configure_logging, log_file_name, null_log

CANARY = "canary-4711-secret"


@pytest.fixture(autouse=True)
def _no_sinks_left() -> Iterator[None]:
    yield
    logger.remove()


def book(folder: Path, level: str = "INFO", levels: dict[str, str] | None = None, **changes: object) -> LogBook:
    return configure_logging(
        folder, level, levels, console=bool(changes.get("console")), secrets=(CANARY,), rotation="10 MB"
    )


def text(folder: Path, actor: str) -> str:
    return (folder / log_file_name(actor)).read_text()


async def until(shown: list[str], count: int) -> None:
    """Waits for lines in real files, which give no other sign than being there."""
    with trio.fail_after(3):
        while len(shown) < count:  # noqa: ASYNC110
            await trio.sleep(0.005)


def test_each_actor_writes_to_its_own_file_opened_at_its_first_line(tmp_path: Path) -> None:
    made = book(tmp_path)
    market, desk = made.log_for("market:KXHIGHNY-26NOV20-T45.5"), made.log_for("order_desk")
    assert list(tmp_path.iterdir()) == []
    market.info("quoting")
    assert [path.name for path in tmp_path.iterdir()] == ["market_KXHIGHNY-26NOV20-T45_5.log"]
    desk.info("planning")
    assert "quoting" not in text(tmp_path, "order_desk")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3} \| INFO     \| order_desk \| planning\n", text(tmp_path, "order_desk")
    )


def test_levels_are_per_actor_or_per_kind_and_change_while_it_runs(tmp_path: Path) -> None:
    made = book(tmp_path, levels={"market": "DEBUG", "feed": "ERROR"})
    for actor in ("market:A", "feed", "risk"):
        log = made.log_for(actor)
        log.debug("fine detail")
        log.warning("look here")
    assert "fine detail" in text(tmp_path, "market:A")
    assert not (tmp_path / "feed.log").exists()
    assert "fine detail" not in text(tmp_path, "risk")
    made.set_level("risk", "DEBUG")
    made.set_level("market", "ERROR")
    made.log_for("risk").debug("now it talks")
    made.log_for("market:A").warning("now it is quiet")
    assert "now it talks" in text(tmp_path, "risk")
    assert "now it is quiet" not in text(tmp_path, "market:A")
    with pytest.raises(ValueError, match="LOUD"):
        made.set_level("risk", "LOUD")


def test_no_secret_reaches_a_file_by_message_argument_or_traceback(tmp_path: Path) -> None:
    """I22: the canary, a key in PEM, and the access headers."""
    log = book(tmp_path).log_for("wire")
    pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA7\n-----END RSA PRIVATE KEY-----"
    log.info(f"plain {CANARY}")
    log.info("argument {}", CANARY)  # noqa: PLE1205  (loguru's own form)
    log.info(f"key {pem} end")
    log.info("cut off -----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw")
    log.info({"KALSHI-ACCESS-SIGNATURE": "c2lnbmF0dXJl", "KALSHI-ACCESS-KEY": "id-1234"})
    log.info("KALSHI_ACCESS_KEY=id-1234 Authorization: Bearer tok-5678")
    try:
        raise ValueError(f"bad key {pem} {CANARY}")
    except ValueError:
        log.exception("it failed")
    written = text(tmp_path, "wire")
    for secret in (CANARY, "MIIEowIBAAKCAQEA7", "MC4CAQAwBQYDK2Vw", "c2lnbmF0dXJl", "id-1234", "tok-5678"):
        assert secret not in written
    assert "Traceback" in written
    assert "ValueError: bad key (hidden) (hidden)" in written


def test_a_secret_that_becomes_known_later_is_hidden_from_then_on(tmp_path: Path) -> None:
    made = configure_logging(tmp_path, console=False)
    made.hide(CANARY, "")
    made.log_for("main").info(f"key {CANARY} of {CANARY[:6]}")
    assert text(tmp_path, "main").endswith("key (hidden) of canary\n")


def test_tracebacks_show_lines_and_never_the_values_in_them(tmp_path: Path) -> None:
    log = book(tmp_path).log_for("wire")
    some_value = "visible" * 3
    try:
        raise RuntimeError("broken") from ValueError(len(some_value))
    except RuntimeError:
        log.opt(exception=True).error("crashed")
    written = text(tmp_path, "wire")
    assert "RuntimeError: broken" in written
    assert "visiblevisible" not in written


def test_text_from_outside_cannot_pose_as_a_record_or_move_the_cursor(tmp_path: Path) -> None:
    log = book(tmp_path).log_for("feed")
    log.warning("frame: \x1b[2J\r\n2026-01-01T00:00:00.000 | ERROR    | risk | forged")
    lines = text(tmp_path, "feed").splitlines()
    assert len([line for line in lines if not line.startswith("    ")]) == 1
    assert "\x1b" not in "".join(lines)
    assert len(list(read_log(tmp_path, "feed", LogFilter(level="ERROR")))) == 0


def test_braces_in_a_whole_text_are_left_alone(tmp_path: Path) -> None:
    book(tmp_path).log_for("feed").info("{not a template} {0}")
    assert "{not a template} {0}" in text(tmp_path, "feed")


def test_a_secret_across_the_cut_of_a_long_message_is_hidden_whole(tmp_path: Path) -> None:
    """I22: redaction comes before the cut, or half a key would pass for a text."""
    pem = (
        "-----BEGIN PRIVATE KEY-----\n"
        + "MC4CAQAwBQYDK2VwBCIEIHhhbGZhc2VjcmV0aXNhc2VjcmV0" * 4
        + "\n-----END PRIVATE KEY-----"
    )
    for before in (TEXT_LENGTH_MAX - 60, TEXT_LENGTH_MAX - len(CANARY) // 2):
        book(tmp_path).log_for("wire").info("x" * before + CANARY + pem)
    written = text(tmp_path, "wire")
    assert CANARY[: len(CANARY) // 2] not in written
    assert "MC4CAQAw" not in written


def test_headers_as_bytes_are_hidden(tmp_path: Path) -> None:
    """I22: a library that prints its request shows pairs of bytes."""
    book(tmp_path).log_for("wire").info("{}", [(b"KALSHI-ACCESS-SIGNATURE", b"AbCdEf0123=="), (b"x", b"y")])
    assert "AbCdEf" not in text(tmp_path, "wire")


def test_a_very_long_message_is_cut(tmp_path: Path) -> None:
    book(tmp_path).log_for("feed").info("x" * 100_000)
    assert len(text(tmp_path, "feed")) < 9_000


def test_open_files_are_bounded_and_nothing_is_lost_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "OPEN_FILES_MAX", 3)
    made = book(tmp_path)
    for round_ in range(2):
        for index in range(10):
            made.log_for(f"market:{index}").info(f"round {round_}")
    assert len(made._sinks) == 3
    for index in range(10):
        assert len(text(tmp_path, f"market:{index}").splitlines()) == 2
    made.close_all()
    made.log_for("market:1").info("nobody listens")
    assert "nobody" not in text(tmp_path, "market:1")


def test_the_console_gets_the_same_lines_and_a_table_run_gets_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book(tmp_path, console=True).log_for("risk").warning(f"limit {CANARY}")
    assert "| WARNING  | risk | limit (hidden)" in capsys.readouterr().err
    book(tmp_path).log_for("risk").warning("quiet")
    assert capsys.readouterr().err == ""


def test_without_a_folder_only_the_console_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(None, console=True).log_for("risk").info("hello")
    assert "hello" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_full_disk_costs_lines_and_not_the_bot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wire.log").symlink_to("/dev/full")
    made = book(tmp_path)
    log = made.log_for("wire")
    log.info(f"lost {CANARY}")
    log.info("lost too")
    made.close_all()
    said = capsys.readouterr().err
    assert "No space left" in said
    assert CANARY not in said


def test_files_are_put_aside_by_size_and_one_actors_never_remove_anothers(tmp_path: Path) -> None:
    made = configure_logging(tmp_path, console=False, rotation="1 KB", retention=2)
    made.log_for("market:KX-T4").info("the other one")
    for number in range(100):
        made.log_for("market:KX").info(f"line {number} " + "x" * 50)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert "market_KX-T4.log" in names
    assert len([name for name in names if name.startswith("market_KX.")]) == 3
    kept = list(read_log(tmp_path, "market:KX", LogFilter()))
    assert "line 99 " in kept[-1]
    assert kept == sorted(kept, key=lambda line: int(line.split("line ")[1].split()[0]))
    assert [entry.actor for entry in list_logs(tmp_path)] == ["market:KX-T4", "market:KX"]


def test_the_null_log_takes_everything_and_writes_nothing(tmp_path: Path) -> None:
    log = null_log("feed")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")


# -- reading --


def test_reading_filters_by_level_pattern_and_time(tmp_path: Path) -> None:
    lines = (
        "2026-11-20T10:00:00.000 | DEBUG    | feed | one\n"
        "2026-11-20T11:00:00.000 | WARNING  | feed | two\n    detail of two\n"
        "2026-11-20T12:00:00.000 | ERROR    | feed | three\n"
    )
    (tmp_path / "feed.log").write_text(lines)

    def shown(**wanted: object) -> list[str]:
        records = read_log(tmp_path, "feed", LogFilter(**wanted))  # type: ignore[arg-type]
        return [record.split(" | ")[3] for record in records]

    assert shown() == ["one", "two\n    detail of two", "three"]
    assert shown(level="warning") == ["two\n    detail of two", "three"]
    assert shown(grep="detail|one") == ["one", "two\n    detail of two"]
    assert shown(since=datetime(2026, 11, 20, 11, 30, tzinfo=UTC)) == ["three"]


def test_an_unknown_actor_level_or_pattern_is_answered_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(LogReadError, match="has the bot run"):
        list(read_log(tmp_path, "feed", LogFilter()))
    book(tmp_path).log_for("market:KX-1").info("x")
    with pytest.raises(LogReadError, match="market:KX-1"):
        list(read_log(tmp_path, "feed", LogFilter()))
    with pytest.raises(LogReadError, match="no level"):
        LogFilter(level="LOUD")
    with pytest.raises(LogReadError, match="no regular expression"):
        LogFilter(grep="[")
    assert list_logs(tmp_path / "nowhere") == ()


def test_since_is_a_duration_or_a_time() -> None:
    now = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    assert parse_since("10m", now) == now - timedelta(minutes=10)
    assert parse_since("2 h", now) == now - timedelta(hours=2)
    assert parse_since("2026-11-20T11:00+00:00", now) == now - timedelta(hours=1)
    assert parse_since("2026-11-20T11:00", now).tzinfo is not None
    with pytest.raises(LogReadError, match="neither a duration"):
        parse_since("yesterday", now)


async def test_following_shows_new_records_whole_over_a_rotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.log_reader.FOLLOW_POLL_S", 0.005)
    path = tmp_path / "feed.log"
    path.write_text("2026-11-20T10:00:00.000 | INFO     | feed | old\n")
    shown: list[str] = []

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow_log, tmp_path, "feed", LogFilter(level="INFO"), shown.append)
        await trio.sleep(0.05)
        with path.open("a") as file:
            file.write("2026-11-20T10:00:01.000 | DEBUG    | feed | hidden\n")
            file.write("2026-11-20T10:00:01.000 | INFO     | feed | half")
            file.flush()
            await trio.sleep(0.05)
            assert shown == []
            file.write(" and half\n")
        await until(shown, 1)
        path.rename(tmp_path / "feed.2026-11-20_10-00-02_000000.log")
        path.write_text("2026-11-20T10:00:02.000 | INFO     | feed | after\n")
        await until(shown, 2)
        nursery.cancel_scope.cancel()
    assert [record.split(" | ")[3] for record in shown] == ["half and half", "after"]


async def test_following_an_actor_that_comes_later_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.log_reader.FOLLOW_POLL_S", 0.005)
    shown: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow_log, tmp_path, "risk", LogFilter(), shown.append)
        await trio.sleep(0.02)
        (tmp_path / "risk.log").write_text("2026-11-20T10:00:00.000 | INFO     | risk | here\n")
        await until(shown, 1)
        nursery.cancel_scope.cancel()
