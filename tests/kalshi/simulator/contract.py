"""The exchange's own contract: every successful answer is checked against the official OpenAPI document, where it is.

What is checked of a 2xx answer:
1. Its operation and its status stand in the document.
2. The body validates, and carries no property that the document does not list, except those in `WIRE_EXTRAS`.
3. Numbers and times have the forms of kalshi-rest.md §5, which the document only describes in prose.

`Customer.send` calls `check_answer` for every answer, so each test of the REST surface is a contract test as well.
`seen` remembers which operations have answered, and which of them with something inside.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs
import pytest
import yaml
from jsonschema import FormatChecker
from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

DOCUMENT: Final = Path(__file__).resolve().parents[4] / "shared" / "reference" / "kalshi-openapi.yaml"
PREFIX: Final = "/trade-api/v2"

needs_document = pytest.mark.skipif(not DOCUMENT.exists(), reason=f"the OpenAPI document is not here: {DOCUMENT.name}")

# Properties that the wire is known to carry although the document of October 2026 does not list them: the change log
# names the reason of 2026-06-04, and the exchange's switch for it is off by default.
WIRE_EXTRAS: Final[Mapping[str, tuple[str, ...]]] = {"Order": ("last_update_reason",)}

_VERBS: Final = ("get", "post", "put", "delete")
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,5}[1-9])?Z", re.ASCII)
_PRICE: Final = re.compile(r"-?\d+\.\d{4}", re.ASCII)
_MONEY: Final = re.compile(r"-?\d+\.\d{6}", re.ASCII)
_COUNT: Final = re.compile(r"-?\d+\.\d{2}", re.ASCII)
# Portfolio money has six decimals, a balance four, everything else in dollars is a price with four (recorded).
_MONEY_NAMES: Final = re.compile(r"(cost|fees|pnl|exposure|traded|fill_cost)(_paid)?_dollars|fee_cost", re.ASCII)

seen: dict[str, bool] = {}
"""Operation id to whether one of its answers had something inside."""


class ContractBroken(AssertionError):
    """An answer of the simulator is not what the document promises."""


@attrs.frozen
class Operation:
    """One operation of the document; `pattern` matches whole paths without the prefix."""

    operation_id: str
    method: str
    template: str
    pattern: re.Pattern[str]
    schemas: Mapping[str, Any]


def check_answer(method: str, path: str, status: int, content: bytes) -> None:
    """Checks a 2xx answer to `path` (without query); does nothing where the document is absent."""
    if not 200 <= status < 300 or not DOCUMENT.exists():
        return
    operation = find_operation(method, path.partition("?")[0].removeprefix(PREFIX))
    if operation is None:
        raise ContractBroken(f"{method} {path} is no operation of the document")
    if str(status) not in operation.schemas:
        raise ContractBroken(f"{operation.operation_id} answered {status}, not one of {sorted(operation.schemas)}")
    schema = operation.schemas[str(status)]
    seen.setdefault(operation.operation_id, False)
    if schema is None:
        if content.strip() and json.loads(content) != {}:
            raise ContractBroken(f"{operation.operation_id} {status} promises no body: {content[:200]!r}")
        seen[operation.operation_id] = True
        return
    body = json.loads(content)
    faults = [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in _errors(schema, body)]
    faults += list(_format_faults(body))
    if faults:
        raise ContractBroken(f"{operation.operation_id} {status}:\n" + "\n".join(faults[:12]))
    seen[operation.operation_id] |= _has_content(body)


def find_operation(method: str, path: str) -> Operation | None:
    """Returns the operation that serves the path; fixed words win over parameters."""
    fitting = [one for one in operations() if one.method == method and one.pattern.fullmatch(path)]
    return min(fitting, key=lambda one: one.template.count("{"), default=None)


@cache
def operations() -> tuple[Operation, ...]:
    """Returns every operation of the document, schemas closed against properties that it does not list."""
    document = _closed_document()
    found = []
    for template, verbs in document["paths"].items():
        pattern = re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)))
        for verb in _VERBS:
            if verb in verbs:
                answers = verbs[verb]["responses"]
                schemas = {status: _schema_of(answer) for status, answer in answers.items() if status.startswith("2")}
                found.append(Operation(verbs[verb]["operationId"], verb.upper(), template, pattern, schemas))
    return tuple(found)


def _schema_of(answer: Mapping[str, Any]) -> Any:
    schema = answer.get("content", {}).get("application/json", {}).get("schema")
    return _absolute(schema) if schema is not None else None


def _absolute(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            name: f"document:{value}" if name == "$ref" else _absolute(value)
            for name, value in schema.items()
            if name != "example"
        }
    return [_absolute(one) for one in schema] if isinstance(schema, list) else schema


@cache
def _closed_document() -> Any:
    document = yaml.load(DOCUMENT.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    for name, schema in document["components"]["schemas"].items():
        _close(schema)
        for extra in WIRE_EXTRAS.get(name, ()):
            schema["properties"].setdefault(extra, {"type": "string"})
    _close(document["paths"])
    return document


def _close(schema: Any) -> None:
    """Forbids unlisted properties wherever properties are listed, and lets null be where the document says so.

    The standard ignores `nullable` beside a reference, which the document's own descriptions show is meant.
    """
    if isinstance(schema, dict):
        if schema.get("nullable") and "type" not in schema:
            referred = {name: schema.pop(name) for name in ("$ref", "allOf") if name in schema}
            schema["anyOf"] = [referred, {"type": "string", "enum": [None], "nullable": True}]
        if schema.get("type") == "object" and "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for value in schema.values():
            _close(value)
    elif isinstance(schema, list):
        for value in schema:
            _close(value)


@cache
def _registry() -> Registry[Any]:
    document = copy.deepcopy(_closed_document())
    # Only the components are referred to; the paths would be walked for nothing.
    components = {"components": {"schemas": document["components"]["schemas"]}}
    registry: Registry[Any] = Registry().with_resource("document:", DRAFT4.create_resource(components))
    return registry


_FORMATS: Final = FormatChecker(formats=())


@_FORMATS.checks("date-time")
def _is_date_time(value: object) -> bool:
    return not isinstance(value, str) or _RFC3339.fullmatch(value) is not None


_validators: dict[int, Any] = {}


def _errors(schema: Any, body: object) -> Iterator[Any]:
    validator = _validators.get(id(schema))
    if validator is None:
        validator = OAS30Validator(schema, registry=_registry(), format_checker=_FORMATS)
        _validators[id(schema)] = validator
    yield from validator.iter_errors(body)


def _format_faults(body: object, path: str = "") -> Iterator[str]:
    """Yields the places where a number or a time has another form than the wire's."""
    if isinstance(body, list):
        for index, one in enumerate(body):
            yield from _format_faults(one, f"{path}/{index}")
    elif isinstance(body, dict):
        for name, value in body.items():
            if isinstance(value, str) and not _is_well_formed(name, value):
                yield f"{path}/{name}: {value!r} has not the form of §5"
            else:
                yield from _format_faults(value, f"{path}/{name}")


def _is_well_formed(name: str, value: str) -> bool:
    if name.endswith("_fp"):
        return _COUNT.fullmatch(value) is not None
    if name == "fee_cost" or (name.endswith("_dollars") and _MONEY_NAMES.search(name)):
        return _MONEY.fullmatch(value) is not None
    if name.endswith("_dollars") or name in ("average_fill_price", "average_fee_paid", "balance"):
        return _PRICE.fullmatch(value) is not None
    if name in ("fill_count", "remaining_count", "reduced_by"):
        return _COUNT.fullmatch(value) is not None
    if name.endswith("_time") and name not in ("open_time", "close_time", "start_time", "end_time"):
        return _RFC3339.fullmatch(value) is not None
    return True


def _has_content(body: object) -> bool:
    """Says whether any list of the answer has rows, or the answer has no list at all."""
    if not isinstance(body, dict):
        return bool(body)
    lists = [value for value in body.values() if isinstance(value, list)]
    return any(lists) if lists else True
