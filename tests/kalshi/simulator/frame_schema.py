"""Every frame that a test sees is held against the exchange's own schema, where that lies beside the repository.

The check is stricter than the schema: a key that the schema does not name is a finding as well, because a client
that is generated from the schema would never look at it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest
import yaml

REFERENCE: Final = Path(__file__).resolve().parents[3] / ".." / "shared" / "reference" / "kalshi-asyncapi.yaml"

needs_schema = pytest.mark.skipif(not REFERENCE.exists(), reason="the exchange's schema is not beside this repository")

Frame = dict[str, Any]


def findings(frame: Frame) -> list[str]:
    """Returns what is wrong with a frame, nothing where the schema is not there to say."""
    if not REFERENCE.exists():
        return []
    validators = _validators().get(str(frame.get("type")))
    if validators is None:
        return [f"no message of the type {frame.get('type')!r}"]
    found: list[str] = []
    for validator in validators:
        errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in _errors(validator, frame)]
        if not errors:
            return []
        found += errors
    return found


def check_frame(text: str) -> Frame:
    """Returns the decoded frame. Raises AssertionError for one that the schema does not allow."""
    assert text.endswith("}\n"), text
    frame: Frame = json.loads(text)
    assert findings(frame) == [], text
    return frame


def server_types() -> set[str]:
    """Returns every type of frame that the schema knows from the server."""
    return set(_validators())


def _errors(validator: jsonschema.Draft202012Validator, frame: Frame) -> Iterator[jsonschema.ValidationError]:
    yield from validator.iter_errors(frame)


@cache
def _validators() -> dict[str, list[jsonschema.Draft202012Validator]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with REFERENCE.open() as file:
        document = yaml.load(file, Loader=loader)
    components = _closed(document["components"])
    by_type: dict[str, list[jsonschema.Draft202012Validator]] = {}
    for name, schema in components["schemas"].items():
        kind = schema.get("properties", {}).get("type", {}).get("const")
        if kind is not None:
            whole = {"$ref": f"#/components/schemas/{name}", "components": components}
            checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
            by_type.setdefault(kind, []).append(jsonschema.Draft202012Validator(whole, format_checker=checker))
    return by_type


def _closed(part: Any) -> Any:
    """Returns the schema with every object closed to keys that it does not name."""
    if isinstance(part, list):
        return [_closed(one) for one in part]
    if not isinstance(part, dict):
        return part
    closed = {key: _closed(value) for key, value in part.items() if key not in ("example", "examples")}
    if closed.get("type") == "object" and "properties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed
