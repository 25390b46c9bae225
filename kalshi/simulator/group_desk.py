"""Order group writes of customers: create, trigger, reset, limit, delete. The rules of a group are in `groups`."""

from __future__ import annotations

from kalshi.simulator.accounts import Account
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.groups import CONTRACTS_LIMIT_MAX_E2, GROUPS_PER_ACCOUNT_MAX, OrderGroup
from kalshi.simulator.refusals import Refused, invalid, not_found


class GroupDesk:
    """Finds groups for their owners and changes them."""

    def __init__(self, core: ExchangeCore) -> None:
        self._core = core

    def groups_of(self, account: Account) -> list[OrderGroup]:
        """Returns the account's groups, oldest first."""
        return list(account.groups.values())

    def find(self, account: Account, group_id: str, exchange_index: int) -> OrderGroup:
        """Returns the account's group on that shard. Raises Refused: an id alone on another shard is unknown."""
        group = account.groups.get(group_id)
        if group is None or group.exchange_index != exchange_index:
            raise not_found()
        return group

    def create(self, account: Account, limit_e2: int, exchange_index: int) -> OrderGroup:
        """Makes a group with a limit in 1/100 contract. Raises Refused."""
        self._check_pause()
        self._check_limit(limit_e2)
        if exchange_index not in account.cash_by_shard_e6:
            raise Refused(404, "insufficient_shard_balance")
        if len(account.groups) >= GROUPS_PER_ACCOUNT_MAX:
            raise Refused(400, "order_group_limit_exceeded")
        group = OrderGroup(
            group_id=self._core.new_id(),
            account_id=account.account_id,
            exchange_index=exchange_index,
            limit_e2=limit_e2,
            triggers_at_limit=self._core.settings.group_triggers_at_limit,
        )
        self._core.groups[group.group_id] = account.groups[group.group_id] = group
        self._core.publish_group(group, "created", self._core.now_ms(), limit_e2)
        return group

    def trigger(self, group: OrderGroup) -> None:
        """Cancels the group's orders and refuses new ones until a reset; again is harmless. Raises Refused."""
        self._check_pause()
        if not group.is_triggered:
            group.is_triggered = True
            self._core.cancel_group(group, "triggered", self._core.now_ms())

    def reset(self, group: OrderGroup) -> None:
        """Opens the group again. Raises Refused."""
        self._check_pause()
        group.reset()
        self._core.publish_group(group, "reset", self._core.now_ms())

    def set_limit(self, group: OrderGroup, limit_e2: int) -> None:
        """Changes the limit, which may trigger at once. Raises Refused."""
        self._check_pause()
        self._check_limit(limit_e2)
        now_ms = self._core.now_ms()
        triggers = group.set_limit(now_ms, limit_e2)
        self._core.publish_group(group, "limit_updated", now_ms, limit_e2)
        if triggers:
            self._core.cancel_group(group, "triggered", now_ms)

    def delete(self, group: OrderGroup) -> None:
        """Cancels the group's orders and forgets it. Raises Refused."""
        self._check_pause()
        self._core.cancel_group(group, "deleted", self._core.now_ms())
        del self._core.groups[group.group_id]
        del self._core.accounts[group.account_id].groups[group.group_id]

    def _check_pause(self) -> None:
        """Lets nothing through while the whole exchange stands; whether a trading pause stops groups is a switch."""
        core = self._core
        if not core.exchange_active:
            raise Refused(409, "exchange_is_paused")
        if not core.trading_active and not core.settings.group_calls_during_pause:
            raise Refused(409, "trading_is_paused")

    @staticmethod
    def _check_limit(limit_e2: int) -> None:
        if not 100 <= limit_e2 <= CONTRACTS_LIMIT_MAX_E2:
            raise invalid("contracts_limit must be between 1 and 1000000")
