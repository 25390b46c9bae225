"""Imports point one way: decisions know nobody, actors know decisions, operators know all."""

from __future__ import annotations

import sys

from tests.style.source import Import, Source, imports, product_sources

OURS = ("kalshi", "quant", "actors", "ops", "supervisor", "tests")

# What quant may have besides itself: value types and arithmetic of the exchange, and attrs.
QUANT_MAY = ("kalshi.numbers", "kalshi.types", "kalshi.grid", "kalshi.fees")
QUANT_LIBRARIES = ("attrs",)
QUANT_STDLIB_NEVER = (
    "asyncio",
    "datetime",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "socket",
    "sqlite3",
    "subprocess",
    "sys",
    "threading",
    "time",
    "uuid",
)
# The simulated exchange parses and calculates by itself, so that one bug cannot cancel itself out on both sides.
SIMULATOR_MAY = ("kalshi.numbers", "kalshi.types", "kalshi.signing", "kalshi.simulator")
# Commands beside the bot. Campaigns and backtests run whole worlds, each in a process of its own; a report reads ahead
# in a thread. No bot and no event loop is in the process that starts them.
BESIDE_THE_LOOP = ("ops/campaign/campaign.py", "ops/backtest/pool.py", "ops/report/ahead.py")
NEVER_ANYWHERE = ("asyncio", "anyio", "threading", "multiprocessing", "concurrent", "requests", "aiohttp")


def ours(source: Source) -> list[Import]:
    return [found for found in imports(source) if found.module.split(".")[0] in OURS]


def within(module: str, allowed: tuple[str, ...]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


def offences(package: str, allowed: tuple[str, ...], exempt: str = "") -> list[str]:
    """Imports of our own modules, from a package, that are not among those allowed to it."""
    return [
        f"{source.path}:{found.line} imports {found.module}"
        for source in product_sources()
        if within(source.module, (package,)) and not (exempt and within(source.module, (exempt,)))
        for found in ours(source)
        if not within(found.module, allowed)
    ]


def test_the_client_knows_only_itself_and_not_its_simulator() -> None:
    found = offences("kalshi", ("kalshi",), exempt="kalshi.simulator")
    crossing = [line for line in offences("kalshi", ("none",), exempt="kalshi.simulator") if "simulator" in line]
    assert found + crossing == []


def test_the_simulator_shares_value_types_and_signatures_with_the_client_and_nothing_else() -> None:
    assert offences("kalshi.simulator", SIMULATOR_MAY) == []


def test_decisions_know_only_the_value_types_of_the_exchange() -> None:
    assert offences("quant", ("quant", *QUANT_MAY)) == []


def test_decisions_use_no_clock_no_chance_no_files_and_no_event_loop() -> None:
    found = [
        f"{source.path}:{one.line} imports {one.module}"
        for source in product_sources()
        if within(source.module, ("quant",))
        for one in imports(source)
        if (root := one.module.split(".")[0]) not in OURS
        if root in QUANT_STDLIB_NEVER or not (root in sys.stdlib_module_names or root in QUANT_LIBRARIES)
    ]
    assert found == []


def test_actors_do_not_know_the_operators_tools() -> None:
    assert offences("actors", ("actors", "quant", "kalshi")) == []


def test_actors_do_not_know_the_simulator() -> None:
    assert [line for line in offences("actors", ("none",)) if "kalshi.simulator" in line] == []


def test_the_actor_runtime_and_messages_know_no_actor() -> None:
    """The runtime is below the actors; only its own parts and the messages may be used there."""
    assert offences("actors.messages", ("actors.messages", "actors.runtime", "kalshi", "quant")) == []
    assert offences("actors.runtime", ("actors.runtime", "actors.messages", "kalshi", "quant")) == []


def test_nobody_imports_the_entry_point_or_the_tests() -> None:
    found = [
        f"{source.path}:{one.line} imports {one.module}"
        for source in product_sources()
        for one in ours(source)
        # The bench is an entry point beside it: it measures the whole bot, tree and all.
        if within(one.module, ("supervisor", "tests")) and source.path != "ops/bench.py"
    ]
    assert found == []


def test_there_is_one_event_loop_and_no_thread_of_our_own() -> None:
    found = [
        f"{source.path}:{one.line} imports {one.module}"
        for source in product_sources()
        for one in imports(source)
        if within(one.module, NEVER_ANYWHERE) and source.path not in BESIDE_THE_LOOP
    ]
    assert found == []
