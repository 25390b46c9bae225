"""Time, chance, identity and threads come from one place; else nothing could run on a virtual clock from a seed."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.style.source import Source, product_sources

FORBIDDEN = {
    "time": ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "sleep"),
    "datetime": ("now", "utcnow", "today"),
    "date": ("today",),
    "uuid": ("uuid1", "uuid4"),
    "os": ("urandom", "getrandom"),
    "secrets": ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "choice"),
    "threading": ("Thread", "Timer"),
    "to_thread": ("run_sync",),
    "asyncio": ("run", "create_task"),
}
# `random.Random(seed)` is the one thing that the module random is for here.
RANDOM_MAY = ("Random",)

# Where a reading is the point of the module, with the reason.
EXEMPT = {
    "actors/runtime/seams.py": "the one place where the seams are connected to the real world",
    "supervisor.py": "the entry point: it makes the real seams and prints times for a person",
}
EXEMPT_PREFIXES = {
    "ops/bench": "measures real time",
    "kalshi/simulator/__main__.py": "an entry point of its own: it makes the exchange's real clock",
}


def is_exempt(path: str) -> bool:
    return path in EXEMPT or path.startswith(tuple(EXEMPT_PREFIXES))


def offences(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if node.attr in FORBIDDEN.get(owner, ()) or (owner == "random" and node.attr not in RANDOM_MAY):
                yield f"{source.path}:{node.lineno} reads {owner}.{node.attr}"
        elif isinstance(node, ast.ImportFrom) and node.module in (*FORBIDDEN, "random"):
            forbidden = FORBIDDEN.get(node.module, ())
            for alias in node.names:
                if alias.name in forbidden or (node.module == "random" and alias.name not in RANDOM_MAY):
                    yield f"{source.path}:{node.lineno} imports {node.module}.{alias.name}"


def test_nobody_reads_a_clock_chance_or_an_id_past_the_seams() -> None:
    found = [line for source in product_sources() if not is_exempt(source.path) for line in offences(source)]
    assert found == []


def test_logging_swallows_no_error() -> None:
    """`logger.catch` would let a crashed actor look like one that has ended well."""
    found = [
        f"{source.path}:{node.lineno}"
        for source in product_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and node.attr == "catch" and _name(node.value).startswith("log")
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.time()",
        "import time\nx = time.monotonic",
        "from time import monotonic",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.utcnow()",
        "import random\nrandom.random()",
        "from random import choice",
        "import uuid\nuuid.uuid4()",
        "import os\nos.urandom(4)",
        "import trio\ntrio.to_thread.run_sync(f)",
        "import threading\nthreading.Thread()",
    ],
)
def test_the_check_finds_what_it_is_for(text: str) -> None:
    assert list(offences(Source(path="x.py", module="x", text=text, tree=ast.parse(text))))


@pytest.mark.parametrize(
    "text", ["import random\nrandom.Random(1)", "import trio\ntrio.current_time()", "self.rng.random()"]
)
def test_the_check_lets_the_seams_themselves_pass(text: str) -> None:
    assert not list(offences(Source(path="x.py", module="x", text=text, tree=ast.parse(text))))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
