"""What is there before the bot trades is set aside, in a process of its own: the setting is the whole process's."""

from __future__ import annotations

import subprocess
import sys

from ops.collector import COLLECT_AFTER

SCRIPT = """
import gc
from ops.collector import spare_what_is_there
there = len(gc.get_objects())
spare_what_is_there()
assert gc.get_freeze_count() > 0.9 * there, (gc.get_freeze_count(), there)
assert gc.isenabled()
print(gc.get_threshold()[0])
"""


def test_all_objects_are_set_aside_and_the_collector_goes_on() -> None:
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=30, check=True)
    assert int(result.stdout) == COLLECT_AFTER
