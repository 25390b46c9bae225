"""The project's own Python files, parsed once for all style tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("kalshi", "quant", "actors", "ops")


@attrs.frozen
class Source:
    """One module: its path from the root, its dotted name, its text and its tree."""

    path: str
    module: str
    text: str
    tree: ast.Module

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")


@attrs.frozen
class Import:
    """One imported module, as a dotted name."""

    module: str
    line: int
    is_for_types_only: bool


@cache
def sources() -> tuple[Source, ...]:
    """Every module of the project, tests and entry point included."""
    found = [ROOT / "supervisor.py"] if (ROOT / "supervisor.py").exists() else []
    for package in (*PACKAGES, "tests"):
        found += sorted((ROOT / package).rglob("*.py"))
    return tuple(_parsed(path) for path in found)


def product_sources() -> tuple[Source, ...]:
    return tuple(source for source in sources() if not source.is_test)


def imports(source: Source) -> Iterator[Import]:
    """Every import of a module, those inside functions included; relative ones resolved."""
    for_types = {id(node) for block in _type_checking_blocks(source.tree) for node in ast.walk(block)}
    for node in ast.walk(source.tree):
        for module in _imported(node, source.module):
            yield Import(module=module, line=node.lineno, is_for_types_only=id(node) in for_types)  # type: ignore[attr-defined]


def _imported(node: ast.AST, importer: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            package = importer.split(".")[: -node.level]
            base = ".".join([*package, *([base] if base else [])])
        # `from kalshi import types` imports the module kalshi.types.
        yield from (f"{base}.{alias.name}" if _is_package(base) else base for alias in node.names)


def _is_package(module: str) -> bool:
    return bool(module) and (ROOT / module.replace(".", "/") / "__init__.py").exists()


def _type_checking_blocks(tree: ast.Module) -> Iterator[ast.If]:
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            yield node


def _parsed(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    relative = path.relative_to(ROOT).as_posix()
    module = relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return Source(path=relative, module=module, text=text, tree=ast.parse(text, filename=relative))
