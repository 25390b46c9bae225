"""The foreign clients as fixtures: installed once, skipped only where no package index can be reached."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tests.clients.installation import IndexUnreachable, NodeFolder, node_with_kalshi_typescript, python_with_pykalshi

T = TypeVar("T")


@pytest.fixture(scope="session")
def pykalshi_python() -> Path:
    return _installed(python_with_pykalshi)


@pytest.fixture(scope="session")
def node_folder() -> NodeFolder:
    return _installed(node_with_kalshi_typescript)


def _installed(install: Callable[[], T]) -> T:
    try:
        return install()
    except IndexUnreachable as unreachable:
        pytest.skip(str(unreachable))
