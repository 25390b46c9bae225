"""What stands in the files: said what it is, finished, bounded, and bound to no machine."""

from __future__ import annotations

import ast
import re

from tests.style.source import ROOT, Source, product_sources, sources

UNFINISHED = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
MACHINE_PATH = re.compile(r"""["'`\s(](/(?:home|root|work|Users|mnt|opt|var/folders)/|[A-Z]:\\)""")
WORKPLACE = re.compile(r"\.\./shared|\bissue #?\d")
FILE_LINES_MAX = 900  # far beyond the usual 100 to 300: a file of that length holds several ideas
TEXTS = ("*.md", "*.yaml", "*.toml", "Makefile", "docs/**/*.md", ".ci/run")


def prose() -> list[tuple[str, str]]:
    """Every text of the project that is no Python: path and content."""
    found = {path for pattern in TEXTS for path in ROOT.glob(pattern) if ".venv" not in path.parts}
    return [(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")) for path in sorted(found)]


def lines_with(pattern: re.Pattern[str], texts: list[tuple[str, str]]) -> list[str]:
    return [
        f"{path}:{number} {line.strip()}"
        for path, text in texts
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def python() -> list[tuple[str, str]]:
    return [(source.path, source.text) for source in sources() if not source.path.startswith("tests/style/")]


def test_nothing_is_left_for_later_in_the_code() -> None:
    assert lines_with(UNFINISHED, python()) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert lines_with(MACHINE_PATH, [*python(), *prose()]) == []


def test_the_product_names_no_workplace() -> None:
    product = [(source.path, source.text) for source in product_sources()]
    assert lines_with(WORKPLACE, [*product, *prose()]) == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path}: {target}"
        for path, text in prose()
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        if path.endswith(".md") and not (ROOT / path).parent.joinpath(target).exists()
    ]
    assert broken == []


def test_every_module_says_what_it_is() -> None:
    silent = [source.path for source in sources() if source.text.strip() and ast.get_docstring(source.tree) is None]
    assert silent == []


def test_files_are_of_one_idea() -> None:
    long = [(source.path, len(source.text.splitlines())) for source in sources()]
    assert [(path, lines) for path, lines in long if lines > FILE_LINES_MAX] == []


def test_no_channel_is_without_a_bound() -> None:
    """I11: an unbounded buffer is a memory leak with a delay."""
    found = [
        f"{source.path}:{node.lineno}"
        for source in product_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and _called(node) == "open_memory_channel" and _is_boundless(node)
    ]
    assert found == []


def test_no_queue_of_the_standard_library_is_without_a_bound() -> None:
    found = [
        f"{source.path}:{node.lineno}"
        for source in product_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Call) and _called(node) in ("Queue", "SimpleQueue", "LifoQueue")
    ]
    assert found == []


def test_no_error_is_swallowed_without_a_word() -> None:
    found = [f"{source.path}:{node.lineno}" for source in product_sources() for node in _silent_handlers(source)]
    assert found == []


def _silent_handlers(source: Source) -> list[ast.ExceptHandler]:
    """Handlers that catch everything and do nothing."""
    return [
        node
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and all(isinstance(statement, ast.Pass | ast.Continue) for statement in node.body)
    ]


def _called(node: ast.Call) -> str:
    function = node.func
    if isinstance(function, ast.Subscript):
        function = function.value
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is_boundless(node: ast.Call) -> bool:
    sizes = [*node.args, *(keyword.value for keyword in node.keywords)]
    return any(
        (isinstance(size, ast.Attribute) and size.attr == "inf")
        or (isinstance(size, ast.Call) and _called(size) == "float")
        for size in sizes
    )
