"""Reads YAML text safely: no objects, and no key given twice without a word about it."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

NESTING_MAX = 20  # settings are four levels deep; anything deeper is a mistake or an attack on the parser


class YamlTextError(ValueError):
    """The text is no YAML that can be used; the message says where and why."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader, but a key that stands twice in a mapping is an error: plain YAML keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands here twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Returns the plain values in `text`. Raises YamlTextError with line and column."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise YamlTextError("aliases (*name) are not supported, write the value itself")
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > NESTING_MAX:
                raise YamlTextError(f"nested deeper than {NESTING_MAX} levels")
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlTextError(f"{where}{error.problem or 'not readable as YAML'}") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        if isinstance(error, YamlTextError):
            raise
        raise YamlTextError(str(error).split("\n", maxsplit=1)[0]) from None
