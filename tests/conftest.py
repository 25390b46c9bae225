"""What holds for every test: no property test is timed, since a busy machine would fail it for nothing."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
