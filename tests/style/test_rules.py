"""docs/rules.md: every rule has its number, its shipped default, and a test that exists."""

from __future__ import annotations

import enum
import importlib
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROWS = (*(f"C{number}" for number in range(1, 9)), *(f"D{number}" for number in range(1, 9)))

LINE = re.compile(r"^\| ([CD]\d+)\.(\d+) \|(.+)\|$")
DEFAULT = re.compile(r"`([\w.\-]+): ([^`]+)`")
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


@attrs.frozen
class Rule:
    row: str
    number: int
    text: str
    defaults: tuple[tuple[str, Any], ...]
    tests: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        return f"{self.row}.{self.number}"


def read(line: str) -> Rule | None:
    found = LINE.match(line)
    if found is None:
        return None
    text, defaults, tests = (cell.strip() for cell in found[3].split("|"))
    return Rule(
        row=found[1],
        number=int(found[2]),
        text=text,
        defaults=tuple((key, yaml.safe_load(value)) for key, value in DEFAULT.findall(defaults)),
        tests=tuple(TEST.findall(tests)),
    )


PAGE = (ROOT / "docs" / "rules.md").read_text().splitlines()
RULES = [rule for line in PAGE if (rule := read(line)) is not None]


@cache
def shipped() -> Any:
    return yaml.safe_load((ROOT / "config.yaml").read_text())


def setting(key: str) -> Any:
    """Returns the value of config.yaml at a dotted key. Raises KeyError."""
    tree = shipped()
    for part in key.split("."):
        tree = tree[part]
    return tree


def of_code(key: str) -> Any:
    """Returns a constant of a module, or the default of a class's field, as it would be written. Raises KeyError."""
    parts = key.split(".")
    depth = next(n for n in range(len(parts) - 1, 0, -1) if (ROOT / Path(*parts[:n])).with_suffix(".py").is_file())
    module, names = importlib.import_module(".".join(parts[:depth])), parts[depth:]
    if len(names) == 1:
        return getattr(module, names[0])
    default: Any = attrs.fields_dict(getattr(module, names[0]))[names[1]].default
    return default.value if isinstance(default, enum.Enum) else default


def test_every_line_of_a_table_is_a_rule_and_there_are_many() -> None:
    lines = [line for line in PAGE if line.startswith("|") and not re.match(r"\| rule \||\|---", line)]
    assert len(lines) == len(RULES) > 150


def test_rules_are_numbered_densely_in_the_order_of_the_feature_list() -> None:
    numbers: dict[str, list[int]] = defaultdict(list)
    for rule in RULES:
        numbers[rule.row].append(rule.number)
    assert tuple(numbers) == ROWS
    assert {row: found for row, found in numbers.items() if found != list(range(1, len(found) + 1))} == {}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_default_is_the_shipped_one(rule: Rule) -> None:
    for key, value in rule.defaults:
        assert (of_code(key) if key.startswith(("quant.", "actors.")) else setting(key)) == value, key


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_named_test_exists(rule: Rule) -> None:
    assert rule.tests, "a rule without a test is no rule yet"
    for path, name in rule.tests:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / "tests" / path).read_text(), re.MULTILINE), name


def test_a_cell_holds_nothing_but_defaults_and_tests() -> None:
    """What the patterns do not understand would go unchecked."""
    for line in PAGE:
        found = LINE.match(line)
        if found is None:
            continue
        _, defaults, tests = found[3].split("|")
        assert DEFAULT.sub("", defaults).strip(" ,") == "", line
        assert TEST.sub("", tests).strip(" ,") == "", line
