"""Logs: one file per actor, one stream for people, and no secret in either.

1. Each actor writes to `logs/<actor>.log`, opened at its first line; `market:KX-1` becomes `market_KX-1.log`.
2. A record is rendered once, here: time, level, actor, text; then secrets are taken out of the whole,
   traceback included. So nothing that a library puts into an error message gets round it. Tracebacks never
   show the values of variables.
3. A line of a record that is no first line is indented, so that text from outside cannot pose as a record of
   its own.
4. Nothing here runs in a thread or waits: files are written as the line comes.
5. Open files are bounded; the actor that was silent longest gives its file up and gets it back with its next
   line.

`logger.catch` is banned: it swallows the error, and a supervised actor would seem to have ended well.
"""

from __future__ import annotations

import contextlib
import re
import sys
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from loguru import logger

from actors.runtime.child import Log, silent_log

if TYPE_CHECKING:
    from loguru import Logger, Record

OPEN_FILES_MAX = 96  # 20 markets and a dozen actors, several times over
TEXT_LENGTH_MAX = 8_000  # a traceback fits; a book that slipped into a message does not
FILE_STEM_LENGTH_MAX = 120

_PEM_BLOCK = re.compile(r"-----BEGIN [A-Z0-9 ]+-----.*?(-----END [A-Z0-9 ]+-----|\Z)", re.DOTALL)
_ACCESS_HEADER = re.compile(
    r"(KALSHI-ACCESS-(?:KEY|SIGNATURE|TIMESTAMP)|KALSHI_(?:ACCESS_KEY|PRIVATE_KEY)|authorization)"
    r"(\W{1,6}(?:b['\"])?)((?:bearer\s+)?[^\s'\",;)}\]]+)",
    re.IGNORECASE,
)
# An escape sequence in a message from outside must not move the cursor of the person who reads the log.
_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
HIDDEN = "(hidden)"


def null_log(actor_name: str = "") -> Log:
    """Returns a log that keeps nothing: for runs on a virtual clock, which a log's own time would belie."""
    return silent_log(actor_name)


def log_file_name(actor_name: str) -> str:
    """Returns the file name of an actor's log.

    Dots go as well: the retention of one file is found by its name up to a dot, and must not catch another's.
    """
    safe = re.sub(r"[^A-Za-z0-9-]", "_", actor_name)[:FILE_STEM_LENGTH_MAX]
    return f"{safe or 'unnamed'}.log"


class LogBook:
    """All sinks of this process. There is one, made by `configure_logging`."""

    def __init__(
        self,
        folder: Path | None,
        level: str,
        levels: Mapping[str, str],
        *,
        console: bool,
        rotation: str,
        retention: int,
        secrets: tuple[str, ...],
    ) -> None:
        self._folder = folder
        self._level = level
        self._levels = dict(levels)
        self._rotation = rotation
        self._retention = retention
        self._secrets: tuple[str, ...] = ()
        self.hide(*secrets)
        self._sinks: OrderedDict[str, int] = OrderedDict()
        self._base: int | None = None
        self._has_console = console
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._add_base()

    def hide(self, *secrets: str) -> None:
        """Takes these texts out of every line from now on."""
        known = {secret for secret in (*self._secrets, *secrets) if secret}
        self._secrets = tuple(sorted(known, key=len, reverse=True))

    def log_for(self, actor_name: str) -> Logger:
        """Returns the logger of an actor; its file is opened with its first line."""
        return logger.bind(actor=actor_name)

    def level_of(self, actor_name: str) -> str:
        """Returns the level at which an actor logs: its own, its kind's (`market`), or the general one."""
        kind = actor_name.partition(":")[0]
        return self._levels.get(actor_name) or self._levels.get(kind) or self._level

    def set_level(self, actor_name: str, level: str) -> None:
        """Lets an actor talk more or less from now on. Raises ValueError for a level that does not exist."""
        logger.level(level)
        self._levels[actor_name] = level
        for name in [name for name in self._sinks if name == actor_name or name.partition(":")[0] == actor_name]:
            self.close(name)
        self._add_base()

    def close(self, actor_name: str) -> None:
        """Closes an actor's file; its next line opens it again."""
        sink = self._sinks.pop(actor_name, None)
        if sink is not None:
            _drop(sink)

    def close_all(self) -> None:
        """Closes every sink of this book."""
        for name in list(self._sinks):
            self.close(name)
        if self._base is not None:
            _drop(self._base)
            self._base = None

    def prepare(self, record: Record) -> None:
        """Renders a record, takes the secrets out, and sees to it that its actor's file is open."""
        actor = str(record["extra"].get("actor", "main"))
        record["extra"]["actor"] = actor
        record["extra"]["line"] = self._rendered(record, actor)
        # What loguru itself may print when a sink fails holds no more than the line does.
        record["message"], record["exception"] = "", None
        if self._folder is not None and record["level"].no >= self._threshold(actor):
            self._open(actor)

    def _rendered(self, record: Record, actor: str) -> str:
        text = record["message"]
        error = record["exception"]
        if error is not None and error.type is not None:
            text += "\n" + "".join(traceback.format_exception(error.type, error.value, error.traceback)).rstrip()
        # Before it is cut short: half a secret would not be known as one.
        text = self.redact(_CONTROL_CHARACTERS.sub("�", text))
        if len(text) > TEXT_LENGTH_MAX:
            text = f"{text[:TEXT_LENGTH_MAX]} … ({len(text) - TEXT_LENGTH_MAX} characters left out)"
        time = f"{record['time'].astimezone():%Y-%m-%dT%H:%M:%S.%f}"[:-3]
        body = "\n    ".join(text.splitlines()) if text else ""
        return f"{time} | {record['level'].name:<8} | {actor} | {body}"

    def redact(self, text: str) -> str:
        """Returns `text` without private keys, signatures, key ids and the secrets that this book knows."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        text = _PEM_BLOCK.sub(HIDDEN, text)
        return _ACCESS_HEADER.sub(rf"\1\2{HIDDEN}", text)

    def _threshold(self, actor: str) -> int:
        return logger.level(self.level_of(actor)).no

    def _open(self, actor: str) -> None:
        if actor in self._sinks:
            self._sinks.move_to_end(actor)
            return
        while len(self._sinks) >= OPEN_FILES_MAX:
            self.close(next(iter(self._sinks)))
        assert self._folder is not None
        self._sinks[actor] = logger.add(
            self._folder / log_file_name(actor),
            level=self.level_of(actor),
            filter=lambda record: record["extra"].get("actor") == actor,
            format=_line_format,
            rotation=self._rotation,
            retention=self._retention,
            encoding="utf-8",
            catch=True,  # a full disk costs log lines, never the bot
            diagnose=False,
            backtrace=False,
            enqueue=False,
        )

    def _add_base(self) -> None:
        """Adds the sink that is always there: without one no record comes to `prepare`."""
        if self._base is not None:
            _drop(self._base)
        lowest = min((self._level, *self._levels.values()), key=lambda level: logger.level(level).no)
        self._base = logger.add(
            sys.stderr if self._has_console else _nowhere,
            level=lowest,
            filter=lambda record: record["level"].no >= self._threshold(str(record["extra"].get("actor", "main"))),
            format=_coloured_format if self._has_console else _line_format,
            catch=True,
            diagnose=False,
            backtrace=False,
            enqueue=False,
        )


def configure_logging(
    folder: Path | None,
    level: str = "INFO",
    levels: Mapping[str, str] | None = None,
    *,
    console: bool,
    rotation: str = "10 MB",
    retention: int = 5,
    secrets: tuple[str, ...] = (),
) -> LogBook:
    """Sets up all logging of this process and returns the book that hands out loggers.

    `console` also writes to stderr: for runs without a live table. `secrets` are texts to hide wherever they
    come up.
    """
    logger.remove()
    book = LogBook(
        folder,
        level,
        levels or {},
        console=console,
        rotation=rotation,
        retention=retention,
        secrets=secrets,
    )
    logger.configure(patcher=book.prepare)
    return book


def _drop(sink: int) -> None:
    """Removes a sink; lines that a full disk would not take are lost with it, and that is all."""
    with contextlib.suppress(OSError):
        logger.remove(sink)


def _nowhere(_: object) -> None:
    """Takes a line and keeps nothing."""


def _line_format(_: Record) -> str:
    return "{extra[line]}\n"


def _coloured_format(_: Record) -> str:
    return "<level>{extra[line]}</level>\n"
