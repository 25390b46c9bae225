"""A wrong call ends with 64 and a sentence, as wrong settings do, and never with a traceback."""

from __future__ import annotations

import sys

import pytest

from actors.runtime.exit_guard import ExitCode
from ops.command_line import run_command_line
from supervisor import build_tree


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["frobnicate"], "frobnicate"),
        (["report", "--by", "moon"], "moon"),
        (["report", "--moon"], "--moon"),
        (["explain"], "ticker"),
    ],
)
def test_a_wrong_call_is_a_sentence_and_64(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["supervisor.py", *words])
    with pytest.raises(SystemExit) as ended:
        run_command_line(build_tree)
    assert ended.value.code == ExitCode.USAGE
    told = capsys.readouterr().err
    assert said in told.lower()
    assert "--help" in told
