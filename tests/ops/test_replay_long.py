"""Every real recording through the whole bot: all books equal, no gap, quotes made. Run by `make test-long`."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from ops.replay import run_replay
from ops.replay_recording import load_recording
from ops.settings import Settings, WebsocketSettings
from supervisor import build_tree
from tests.kalshi.recordings import BTC15M, DEMO, needs_recordings


@needs_recordings
@pytest.mark.long
@pytest.mark.parametrize(
    ("path", "transport"),
    [*((path, "trio-websocket") for path in (*BTC15M, DEMO)), (DEMO, "fast")],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_a_real_recording_passes(path: Path, transport: str) -> None:
    recording = load_recording(path)
    settings = attrs.evolve(Settings(), websockets=WebsocketSettings(transport=transport))
    result = run_replay(recording, None, build_tree, settings=settings)
    assert result.faults() == (), result.summary()
    assert result.exit_code() == 0
    assert result.connections == len(recording.connections)
    assert result.frames == sum(len(connection.lines) for connection in recording.connections)
    assert result.books_compared > 1_000
    assert result.orders_accepted > 0
    if path == DEMO:
        assert len(recording.connections[0].steps) == 5  # four `ok` frames count in the sequence
        assert result.withheld == 2
