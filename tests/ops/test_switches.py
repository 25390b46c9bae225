"""I26: a kill stays on, however it was switched on, until a person clears it; a pause is of one life alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.messages.lifecycle import ALL_MARKETS as ALL
from ops.switches import KILL_FILE, PeopleSwitches


def a_life(folder: Path, *, killed_by_settings: bool = False) -> PeopleSwitches:
    return PeopleSwitches(folder, killed_by_settings=killed_by_settings)


def test_a_kill_stays_on_over_restarts_until_a_person_clears_it(tmp_path: Path) -> None:
    assert not a_life(tmp_path).current().killed
    assert a_life(tmp_path).kill(True) == ""
    assert a_life(tmp_path).current().killed
    assert a_life(tmp_path).current().killed, "looking at it must not clear it"
    assert a_life(tmp_path).kill(False) == ""
    assert not a_life(tmp_path).current().killed


def test_the_file_kills_whoever_made_it(tmp_path: Path) -> None:
    running = a_life(tmp_path)
    (tmp_path / KILL_FILE).touch()
    assert running.current().killed, "a file made while the bot runs kills at once"
    (tmp_path / KILL_FILE).unlink()
    assert not running.current().killed


def test_a_kill_by_configuration_holds_until_a_person_clears_it(tmp_path: Path) -> None:
    killed = a_life(tmp_path, killed_by_settings=True)
    assert killed.current().killed
    assert killed.kill(False) == ""
    assert not killed.current().killed
    assert a_life(tmp_path, killed_by_settings=True).current().killed, "the next life reads the configuration anew"


def test_a_kill_that_cannot_be_written_holds_for_this_life_and_says_so(tmp_path: Path) -> None:
    switches = a_life(tmp_path / "missing")
    assert "holds for this life only" in switches.kill(True)
    assert switches.current().killed


def test_a_clearing_that_cannot_remove_the_file_leaves_the_kill_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switches = a_life(tmp_path)
    switches.kill(True)

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refused)
    assert "cannot be changed" in switches.kill(False)
    assert switches.current().killed


def test_resuming_ends_pauses_and_never_a_kill(tmp_path: Path) -> None:
    switches = a_life(tmp_path)
    switches.kill(True)
    switches.pause(None)
    switches.pause("M")
    assert switches.current().paused == {ALL, "M"}
    switches.resume("M")
    assert switches.current().paused == {ALL}
    switches.resume(None)
    assert switches.current().paused == frozenset()
    assert switches.current().killed
    assert a_life(tmp_path).current().killed


def test_a_market_that_is_flattened_is_paused_until_it_is_resumed(tmp_path: Path) -> None:
    switches = a_life(tmp_path)
    switches.flatten("M")
    assert switches.current().paused == {"M"}
    assert (switches.current().is_flattening("M"), switches.current().is_flattening("N")) == (True, False)
    switches.flatten(None)
    assert switches.current().is_flattening("N")
    switches.resume("M")
    assert switches.current().is_flattening("M"), "all markets are, still"
    switches.resume(None)
    assert not switches.current().is_flattening("M")
    assert switches.current().paused == frozenset()


def test_a_program_is_paused_by_its_name_until_it_or_everything_is_resumed(tmp_path: Path) -> None:
    switches = a_life(tmp_path)
    switches.pause_program("games")
    switches.pause_program("scored")
    switches.resume_program("games")
    assert switches.current().paused_programs == {"scored"}
    switches.resume(None)
    assert switches.current().paused_programs == frozenset()


def test_a_program_that_is_flattened_is_closed_in_its_markets_until_it_is_resumed(tmp_path: Path) -> None:
    switches = a_life(tmp_path)
    switches.flatten_program("games", ("M", "N"))
    assert switches.current().paused_programs == {"games"}
    assert switches.current().flattening == {"M", "N"}
    switches.pause_program("games")
    assert switches.current().flattening == {"M", "N"}, "a pause takes nothing back"
    switches.resume_program("games")
    assert switches.current().flattening == frozenset()
