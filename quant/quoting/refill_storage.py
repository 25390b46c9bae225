"""A stake's state as text, to be stored and given back, with the caps under which it was stored.

Caps that a person has changed since let a stopped stake go on: its stops and alerts are cleared, its totals stay.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

from quant.quoting.refill import EventParameters
from quant.quoting.refill_state import LegState, StakeParameters, StakeState, resumed


class StoredStateBroken(ValueError):
    """The stored text is no state of this stake."""


def encoded(state: StakeState, stake: StakeParameters, event: EventParameters) -> str:
    """Returns the state as one line of JSON."""
    return json.dumps({"state": attrs.asdict(state), "caps": _caps(stake, event)})


def decoded(text: str, stake: StakeParameters, event: EventParameters) -> StakeState:
    """Returns the state that was stored, resumed where the caps are others now. Raises StoredStateBroken."""
    try:
        stored = json.loads(text)
        values: dict[str, Any] = stored["state"]
        state = StakeState(
            **{
                **values,
                "yes": LegState(**values["yes"]),
                "no": LegState(**values["no"]),
                "alerted": tuple(values["alerted"]),
            }
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoredStateBroken(f"the stored state of the stake of {stake.ticker} cannot be read: {error}") from error
    if state.ticker != stake.ticker:
        raise StoredStateBroken(f"the stored state of the stake of {stake.ticker} is that of {state.ticker}")
    return state if stored.get("caps") == _caps(stake, event) else resumed(state)


def _caps(stake: StakeParameters, event: EventParameters) -> list[int | None]:
    return [stake.max_count_e2, stake.max_money_e6, event.max_count_e2, event.max_money_e6]
