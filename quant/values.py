"""Values that every decision makes anew: frozen for whoever writes code, plain slots while it runs.

A frozen attrs class sets each field by a call, which `object.__setattr__` being a method makes about four times as dear
as a plain store; with some sixty fields a decision that was a tenth of its cost. mypy takes these for frozen and
refuses an assignment to one. Messages between actors stay frozen at run time too: there a value is held by others.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from attrs import frozen as passing_value
else:
    passing_value = functools.partial(attrs.define, unsafe_hash=True)

__all__ = ["passing_value"]
