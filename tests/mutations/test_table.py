"""The mutation table fits the program: every invariant has a row, every row finds its line and its test."""

from __future__ import annotations

import ast
import functools

import pytest

from tests.mutations.row import ROOT, Mutation, as_markdown
from tests.mutations.runner import Verdict, judge
from tests.mutations.table import LATER, MUTATIONS

DOCUMENT = ROOT / "docs/invariants.md"
IDS = [f"I{number}" for number in range(1, 31)]


@functools.cache
def text_of(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")


@functools.cache
def names_in(file: str) -> frozenset[str]:
    """The tests of a file as node ids without the file, such as `TestX::test_y`."""
    found = set()
    for node in ast.parse(text_of(file)).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            methods = [m for m in node.body if isinstance(m, ast.FunctionDef | ast.AsyncFunctionDef)]
            found |= {f"{node.name}::{method.name}" for method in methods}
    return frozenset(found)


def test_every_invariant_has_a_mutation_and_the_rows_are_in_their_order() -> None:
    assert list(dict.fromkeys(row.invariant for row in MUTATIONS)) == IDS
    assert {row.invariant for row in LATER} <= set(IDS)


def test_every_old_line_occurs_exactly_once_and_its_mutation_can_be_parsed() -> None:
    for row in MUTATIONS:
        mutated = row.applied_to(text_of(row.file))
        assert mutated != text_of(row.file)
        compile(mutated, row.file, "exec", flags=ast.PyCF_ONLY_AST)


def test_an_old_line_that_is_gone_or_ambiguous_is_told() -> None:
    row = Mutation(invariant="I1", off="", file="x.py", old="a", new="b", tests=())
    assert row.applied_to("a\n") == "b\n"
    for text in ("", "a a"):
        with pytest.raises(ValueError, match="expected the old line once"):
            row.applied_to(text)


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for row in MUTATIONS:
        assert row.tests
        for node_id in row.tests:
            file, _, name = node_id.partition("::")
            if name.partition("[")[0] not in names_in(file):
                missing.append(node_id)
    assert missing == []


def test_the_document_holds_the_table_as_it_is() -> None:
    """`python -m tests.mutations --table` prints what belongs there."""
    assert as_markdown(MUTATIONS, LATER) in DOCUMENT.read_text(encoding="utf-8")


def test_only_a_test_that_ran_and_failed_kills() -> None:
    assert [judge(code) for code in (0, 1, 2, 4, 5, None)] == [
        Verdict.SURVIVED,
        Verdict.KILLED,
        Verdict.BROKEN,
        Verdict.BROKEN,
        Verdict.BROKEN,
        Verdict.HUNG,
    ]
