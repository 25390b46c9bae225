"""What people switch, and what of it survives: the kill switch is a file, so that it stays on over restarts (I26).

A pause, and a program that was switched, are of this process life alone. The file is the truth: whoever creates `KILL`
in the state folder by hand kills too.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from actors.messages.lifecycle import ALL_MARKETS, Switches

KILL_FILE = "KILL"


class PeopleSwitches:
    """The switches of one bot; `current()` reads the kill file anew every time."""

    def __init__(self, state_folder: Path, *, killed_by_settings: bool) -> None:
        self._path = state_folder / KILL_FILE
        self._killed_by_settings = killed_by_settings
        self._killed_here = False
        self._paused: set[str] = set()
        self._paused_programs: dict[str, frozenset[str]] = {}  # with the markets to be flat, where there are some
        self._flattening: set[str] = set()
        self._programs: dict[str, bool] = {}

    def current(self) -> Switches:
        """Returns the switches as they are now."""
        killed = self._killed_by_settings or self._killed_here or self._path.exists()
        return Switches(
            killed=killed,
            paused=frozenset(self._paused),
            paused_programs=frozenset(self._paused_programs),
            flattening=frozenset(self._flattening).union(*self._paused_programs.values()),
            programs=tuple(self._programs.items()),
        )

    def kill(self, on: bool) -> str:
        """Turns the kill switch on or off, for good. Returns what went wrong with the file, empty if nothing did."""
        self._killed_here = on
        self._killed_by_settings = self._killed_by_settings and on
        try:
            if on:
                self._path.touch()
            else:
                self._path.unlink(missing_ok=True)
        except OSError as error:
            return f"the kill switch holds for this life only: {self._path} cannot be changed: {error.strerror}"
        return ""

    def pause(self, ticker: str | None) -> None:
        """Pauses one market, or all of them."""
        self._paused.add(ALL_MARKETS if ticker is None else ticker)

    def switch_program(self, name: str, on: bool) -> None:
        """Starts or stops a program, for this process life; a restart does what the settings say."""
        self._programs[name] = on

    def resume(self, ticker: str | None) -> None:
        """Ends the pause of one market, or every pause; nothing more is closed there either."""
        if ticker is None:
            self._paused.clear()
            self._paused_programs.clear()
            self._flattening.clear()
        else:
            self._paused.discard(ticker)
            self._flattening.discard(ticker)

    def pause_program(self, name: str) -> None:
        """Pauses the markets that a program has, and those that it gets."""
        self._paused_programs.setdefault(name, frozenset())

    def resume_program(self, name: str) -> None:
        """Ends the pause of a program; nothing more is closed for it."""
        self._paused_programs.pop(name, None)

    def flatten_program(self, name: str, tickers: Iterable[str]) -> None:
        """Pauses a program and has what it holds in these markets closed until it is resumed."""
        self._paused_programs[name] = frozenset(tickers)

    def flatten(self, ticker: str | None) -> None:
        """Pauses one market, or all of them, and has what is held there closed until `resume`."""
        self.pause(ticker)
        self._flattening.add(ALL_MARKETS if ticker is None else ticker)
