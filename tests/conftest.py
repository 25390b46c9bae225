"""What holds for every test.

No property test is timed, since a busy machine would fail it for nothing. And the collector works less often than is
its habit: at its usual pace it takes a tenth of a simulation's time, and finds little there.
"""

from __future__ import annotations

import gc

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
gc.set_threshold(50_000)
