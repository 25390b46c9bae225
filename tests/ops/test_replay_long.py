"""Every real recording through the whole bot: all books equal, no gap, quotes made. Run by `make test-long`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.replay import run_replay
from ops.replay_recording import load_recording
from supervisor import build_tree
from tests.kalshi.recordings import BTC15M, DEMO, needs_recordings

# About ten seconds on an idle machine of two cores; the bound leaves room for a busy one.
SECONDS_MAX = 60.0


@needs_recordings
@pytest.mark.long
@pytest.mark.parametrize("path", [*BTC15M, DEMO], ids=lambda path: path.name)
def test_a_real_recording_passes(path: Path) -> None:
    recording = load_recording(path)
    result = run_replay(recording, None, build_tree)
    assert result.faults() == (), result.summary()
    assert result.exit_code() == 0
    assert result.connections == len(recording.connections)
    assert result.frames == sum(len(connection.lines) for connection in recording.connections)
    assert result.books_compared > 1_000
    assert result.orders_accepted > 0
    assert result.seconds < SECONDS_MAX
    if path == DEMO:
        assert len(recording.connections[0].steps) == 5  # four `ok` frames count in the sequence
        assert result.withheld == 2
