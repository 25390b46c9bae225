"""Reading the actors' logs: list, filter, follow. Works on the files alone, so the bot need not run.

A record is its first line and the indented lines after it; filters keep or drop whole records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import attrs
import trio
from loguru import logger

from ops.logs import log_file_name

FOLLOW_POLL_S = 0.2  # a person's eye does not see the difference to an instant
RECORD_LINES_MAX = 2_000  # a record longer than this is cut: the file is no log of ours

_ROTATED = re.compile(r"\.\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}_\d{6}(\.\d+)?$")
_DURATION = re.compile(r"(\d+)\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class LogReadError(ValueError):
    """The person asked for a log that cannot be shown; the message says what there is."""


@attrs.frozen(kw_only=True)
class LogFilter:
    """Which records to show: at or above a level, matching a pattern, not before a moment."""

    level: str | None = None
    grep: str | None = None
    since: datetime | None = None

    def __attrs_post_init__(self) -> None:
        if self.grep is not None:
            try:
                re.compile(self.grep)
            except re.error as error:
                raise LogReadError(f"--grep {self.grep!r} is no regular expression: {error}.") from None
        if self.level is not None:
            try:
                logger.level(self.level.upper())
            except ValueError:
                raise LogReadError(
                    f"There is no level {self.level!r}; usual are DEBUG, INFO, WARNING, ERROR."
                ) from None

    def keeps(self, record: str) -> bool:
        """Whether a whole record, with all its lines, is to be shown."""
        time, level = _head(record)
        if self.level is not None and _severity(level) < logger.level(self.level.upper()).no:
            return False
        if self.since is not None and (time is None or time < self.since.replace(tzinfo=None)):
            return False
        return self.grep is None or re.search(self.grep, record) is not None


@attrs.frozen(kw_only=True)
class LogEntry:
    """One actor that has a log."""

    actor: str
    path: Path
    size_bytes: int
    modified_s: float

    def __str__(self) -> str:
        return f"{self.actor:<40} {self.size_bytes / 1000:>10,.1f} kB  {self.path}"


def list_logs(folder: Path) -> tuple[LogEntry, ...]:
    """Returns the actors that have a log in `folder`, by name."""
    if not folder.is_dir():
        return ()
    entries = []
    for path in sorted(folder.glob("*.log")):
        if _ROTATED.search(path.stem):
            continue
        status = path.stat()
        entries.append(
            LogEntry(actor=_actor_in(path), path=path, size_bytes=status.st_size, modified_s=status.st_mtime)
        )
    return tuple(entries)


def read_log(folder: Path, actor: str, wanted: LogFilter) -> Iterator[str]:
    """Yields an actor's records, oldest first, rotated files included. Raises LogReadError without any."""
    current = _existing(folder, actor)
    rotated = [path for path in folder.glob(f"{current.stem}.*.log") if _ROTATED.search(path.stem)]
    for path in (*sorted(rotated), current):
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from (record for record in _records(file) if wanted.keeps(record))


async def follow_log(
    folder: Path, actor: str, wanted: LogFilter, show: Callable[[str], None], *, from_end: bool = True
) -> None:
    """Shows an actor's new records as they come, over rotations, until cancelled.

    Waits for a log that is not there yet: a market's actor may come later.
    """
    path = folder / log_file_name(actor)
    position, identity = 0, 0
    if from_end and path.exists():
        status = path.stat()
        position, identity = status.st_size, status.st_ino
    waiting = ""
    while True:  # ends by cancellation: Ctrl+C of the person who follows
        if path.exists():
            status = path.stat()
            if status.st_ino != identity or status.st_size < position:
                position, identity = 0, status.st_ino
            with path.open("rb") as file:
                file.seek(position)
                fresh = file.read()
            position += len(fresh)
            waiting = _show_whole(waiting + fresh.decode("utf-8", "replace"), wanted, show)
        await trio.sleep(FOLLOW_POLL_S)


def parse_since(text: str, now: datetime) -> datetime:
    """Returns the moment that `text` means: a duration back from `now` (10m, 2h) or a time in ISO form."""
    duration = _DURATION.fullmatch(text.strip())
    if duration:
        return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise LogReadError(f"--since {text!r} is neither a duration (90s, 10m, 2h, 1d) nor a time.") from None
    return moment.astimezone() if moment.tzinfo is None else moment.astimezone(now.tzinfo)


def _existing(folder: Path, actor: str) -> Path:
    path = folder / log_file_name(actor)
    if path.exists():
        return path
    names = [entry.actor for entry in list_logs(folder)]
    known = f"There are logs of: {', '.join(names)}." if names else "There are no logs there; has the bot run?"
    raise LogReadError(f"{actor!r} has no log in {folder}. {known}")


def _show_whole(text: str, wanted: LogFilter, show: Callable[[str], None]) -> str:
    """Shows the records that are complete in `text` and returns the line that is still being written."""
    whole, newline, rest = text.rpartition("\n")
    if not newline:
        return rest
    for record in _records(iter(f"{line}\n" for line in whole.split("\n"))):
        if wanted.keeps(record):
            show(record)
    return rest


def _records(lines: Iterator[str]) -> Iterator[str]:
    record: list[str] = []
    for line in lines:
        if record and not line.startswith("    "):
            yield "".join(record).rstrip("\n")
            record = []
        if len(record) < RECORD_LINES_MAX:
            record.append(line)
    if record:
        yield "".join(record).rstrip("\n")


def _head(record: str) -> tuple[datetime | None, str]:
    parts = record.split(" | ", 3)
    if len(parts) < 4:
        return None, ""
    try:
        return datetime.fromisoformat(parts[0]), parts[1].strip()
    except ValueError:
        return None, parts[1].strip()


def _severity(level: str) -> int:
    try:
        return logger.level(level).no
    except ValueError:
        return 0


def _actor_in(path: Path) -> str:
    """The actor's name as its first record has it: the file name has lost its colon and dots."""
    with path.open(encoding="utf-8", errors="replace") as file:
        parts = file.readline(1_000).split(" | ", 3)
    return parts[2] if len(parts) == 4 else path.stem
