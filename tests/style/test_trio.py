"""The pitfalls of trio that a look at the text finds: shields without an end, channels, generators, locks."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest

from tests.style.source import Source, product_sources

# A life of an actor is shielded until its supervisor or its start timeout ends it; see the module. A shadow order goes
# through the simulator in this process, which answers without waiting for anybody.
SHIELDS_WITHOUT_DEADLINE = ("actors/runtime/child.py", "ops/shadow_doors.py")
# Mailboxes are the only channels there are: kept by the switchboard, they outlive the actor that reads them.
CHANNELS_IN = ("actors/runtime/mailbox.py",)
CLIENTS_MADE_IN = ("kalshi/rest_send.py", "ops/")

Check = Callable[[Source], Iterator[int]]


def found(check: Check, exempt: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{source.path}:{line}"
        for source in product_sources()
        if not source.path.startswith(exempt)
        for line in check(source)
    ]


def endless_shields(source: Source) -> Iterator[int]:
    """Shields that no deadline ends: a task inside cannot be stopped by anybody."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _called(node) == "CancelScope":
            names = {keyword.arg for keyword in node.keywords}
            if "shield" in names and not names & {"deadline", "relative_deadline"}:
                yield node.lineno


def channels(source: Source) -> Iterator[int]:
    """Memory channels; the buffer of one dies silently with its last receiver."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _called(node) == "open_memory_channel":
            yield node.lineno


def channels_without_room(source: Source) -> Iterator[int]:
    """Channels of no capacity: sending without waiting works only while a receiver happens to stand there."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _called(node) == "open_memory_channel":
            size = node.args[0] if node.args else None
            if isinstance(size, ast.Constant) and size.value == 0:
                yield node.lineno


def channels_closed_with_a_checkpoint(source: Source) -> Iterator[int]:
    """`async with channel`: its exit is a checkpoint, whose cancellation would take the place of the error."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncWith):
            for item in node.items:
                text = ast.unparse(item.context_expr)
                if text.endswith(("_channel", "_sender", "_receiver")) or "open_memory_channel" in text:
                    yield node.lineno


def async_generators(source: Source) -> Iterator[int]:
    """Generators that await: a scope or a nursery round a yield is unsound. A context manager is no such thing."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AsyncFunctionDef) and not _is_context_manager(node) and _yields(node):
            yield node.lineno


def locks_taken_by_hand(source: Source) -> Iterator[int]:
    """Locks that `async with` does not let go: with its owner's end such a lock is broken for all who wait."""
    locks = {
        ast.unparse(target)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _called(node.value) == "Lock"
        for target in node.targets
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _called(node).startswith("acquire"):
            function = node.func
            if isinstance(function, ast.Attribute) and ast.unparse(function.value) in locks:
                yield node.lineno


def http_clients(source: Source) -> Iterator[int]:
    """HTTP clients: making one reads certificates and blocks, so no actor's restart may do it."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and _called(node) in ("make_http", "AsyncClient"):
            yield node.lineno


def test_every_shield_has_an_end() -> None:
    assert found(endless_shields, SHIELDS_WITHOUT_DEADLINE) == []


def test_channels_are_mailboxes_that_outlive_their_reader_and_have_room() -> None:
    assert found(channels, CHANNELS_IN) == []
    assert found(channels_without_room) == []


def test_no_channel_is_closed_by_an_async_with() -> None:
    assert found(channels_closed_with_a_checkpoint) == []


def test_no_generator_awaits() -> None:
    assert found(async_generators) == []


def test_locks_are_let_go_by_their_block() -> None:
    assert found(locks_taken_by_hand) == []


def test_http_clients_are_made_at_boot_and_never_by_an_actor() -> None:
    assert found(http_clients, CLIENTS_MADE_IN) == []


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (endless_shields, "with trio.CancelScope(shield=True):\n    pass"),
        (channels, "a, b = trio.open_memory_channel[int](5)"),
        (channels_without_room, "a, b = trio.open_memory_channel(0)"),
        (channels_closed_with_a_checkpoint, "async def f(self):\n    async with self._send_channel:\n        pass"),
        (async_generators, "async def f():\n    yield 1"),
        (locks_taken_by_hand, "lock = trio.Lock()\nasync def f():\n    await lock.acquire()"),
        (http_clients, "make_http('x', 1)"),
    ],
)
def test_the_check_finds_what_it_is_for(check: Check, text: str) -> None:
    assert list(check(Source(path="x.py", module="x", text=text, tree=ast.parse(text))))


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (endless_shields, "with trio.CancelScope(shield=True, deadline=1):\n    pass"),
        (endless_shields, "with trio.move_on_after(1, shield=True):\n    pass"),
        (async_generators, "@asynccontextmanager\nasync def f():\n    yield 1"),
        (async_generators, "async def f():\n    def g():\n        yield 1\n    return g"),
        (locks_taken_by_hand, "lock = trio.Lock()\nasync def f():\n    async with lock:\n        pass"),
    ],
)
def test_the_check_lets_the_sound_form_pass(check: Check, text: str) -> None:
    assert not list(check(Source(path="x.py", module="x", text=text, tree=ast.parse(text))))


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Subscript):
        function = function.value
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_context_manager(node: ast.AsyncFunctionDef) -> bool:
    return any(ast.unparse(decorator).endswith("asynccontextmanager") for decorator in node.decorator_list)


def _yields(function: ast.AST) -> bool:
    """Whether the function itself yields; what is defined inside it does not count."""
    for child in ast.iter_child_nodes(function):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(child, ast.Yield) or _yields(child):
            return True
    return False
