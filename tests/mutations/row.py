"""What a row of the mutation table is: one line of the program changed, and the test that must notice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]


@attrs.frozen(kw_only=True)
class Mutation:
    """One mechanism switched off: `old` becomes `new` in `file`, and one of `tests` must fail then.

    `old` must occur exactly once in the file; `tests` are pytest node ids.
    """

    invariant: str
    off: str  # what is switched off, in a few words
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied_to(self, text: str) -> str:
        """Returns the file's text with the mutation in it. Raises ValueError unless `old` occurs exactly once."""
        found = text.count(self.old)
        if found != 1:
            raise ValueError(f"{self.invariant}, {self.file}: expected the old line once, found {found}: {self.old!r}")
        return text.replace(self.old, self.new)


def off(invariant: str, what: str, file: str, old: str, new: str, *tests: str) -> Mutation:
    """Returns a row of the table."""
    return Mutation(invariant=invariant, off=what, file=file, old=old, new=new, tests=tests)


@attrs.frozen(kw_only=True)
class Later:
    """A clause of an invariant whose mechanism is not built yet: the issue that builds it brings test and mutation."""

    invariant: str
    clause: str
    issue: str


def _as_code(text: str) -> str:
    """Returns lines of code as one cell's text; an empty result means that nothing is left of the line."""
    one_line = "; ".join(line.strip() for line in text.strip().splitlines() if line.strip())
    return f"`{one_line}`".replace("|", "\\|")


def as_markdown(mutations: Iterable[Mutation], later: Iterable[Later]) -> str:
    """Returns both tables as they stand in docs/invariants.md."""
    lines = ["| id | switched off, and the line that does it | where | test that fails |", "|---|---|---|---|"]
    for row in mutations:
        tests = ", ".join(f"`{test.removeprefix('tests/')}`" for test in row.tests)
        change = f"{_as_code(row.old)} → {_as_code(row.new)}"
        lines.append(f"| {row.invariant} | {row.off}: {change} | [{row.file}](../{row.file}) | {tests} |")
    lines += ["", "| id | not built yet | issue that brings test and mutation |", "|---|---|---|"]
    lines += [f"| {row.invariant} | {row.clause} | {row.issue} |" for row in later]
    return "\n".join(lines) + "\n"
