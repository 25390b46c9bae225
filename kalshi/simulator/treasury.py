"""Money that moves inside one customer's own money: between shards, and between the primary account and subaccounts.

Rules (kalshi-rest.md §6, §7.7; OpenAPI 3.34):
1. Every subaccount is an account of its own with its own cash and positions; number 0 is the primary one.
2. A transfer moves what the source has, never more, and nothing else changes: conservation is not touched.
3. A client transfer id is taken for ever per source shard (between shards) or per customer (between subaccounts); a
   repeat moves nothing and answers 409.
4. A transfer between shards says `pending` until portfolio reads show its money, then `complete`.
5. There is no margined exchange here, so an instance other than `event_contract` is refused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

import attrs

from kalshi.simulator.accounts import Account
from kalshi.simulator.api_keys import SUBACCOUNT_MAX
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.rate_limits import SHARDS
from kalshi.simulator.refusals import Refused, invalid, not_found

PRIMARY: Final = 0
TRANSFERS_PER_ACCOUNT_MAX: Final = 10_000  # a listing is paged by 500; more than this is a test gone wrong
_KNOWN_SHARDS: Final = (0, *SHARDS)
_CENT_E6: Final = 10_000


@attrs.frozen(kw_only=True)
class Place:
    """One pot of a customer's money: a subaccount on a shard."""

    subaccount: int
    exchange_index: int


@attrs.frozen(kw_only=True)
class Transfer:
    """One transfer that was made; money in 1/1,000,000 dollar."""

    transfer_id: str
    client_transfer_id: str | None
    source: Place
    destination: Place
    amount_e6: int
    created_ms: int


@attrs.define(kw_only=True)
class _Customer:
    """What is remembered of one customer; subaccounts by number, the primary account included."""

    accounts: dict[int, Account]
    netting: dict[int, bool] = attrs.field(factory=dict)
    shard_transfers: deque[Transfer] = attrs.field(factory=lambda: deque(maxlen=TRANSFERS_PER_ACCOUNT_MAX))
    subaccount_transfers: deque[Transfer] = attrs.field(factory=lambda: deque(maxlen=TRANSFERS_PER_ACCOUNT_MAX))
    # Taken for ever is the exchange's own rule, so this has no bound, as with client order ids.
    taken: set[tuple[int | None, str]] = attrs.field(factory=set)
    allocation: dict[int, int] = attrs.field(factory=dict)
    reservation: str = "none"


class Treasury:
    """Subaccounts and transfers of all customers; callers pass the primary account."""

    def __init__(self, core: ExchangeCore, open_view: Callable[[Account], None]) -> None:
        self._core = core
        self._open_view = open_view
        self._customers: dict[str, _Customer] = {}

    def subaccounts(self, primary: Account) -> dict[int, Account]:
        """Returns the customer's accounts by number, 0 first."""
        return dict(self._customer(primary).accounts)

    def account(self, primary: Account, number: int) -> Account:
        """Returns one of the customer's accounts. Raises Refused for a number that was never made."""
        account = self._customer(primary).accounts.get(number)
        if account is None:
            raise invalid("subaccount not found")
        return account

    def create_subaccount(self, primary: Account, exchange_index: int) -> int:
        """Makes the next subaccount with an empty pot on that shard and returns its number. Raises Refused."""
        if primary.tier == "basic":
            raise Refused(
                400, "subaccounts_not_available", details="subaccounts need the advanced tier or a higher one"
            )
        accounts = self._customer(primary).accounts
        number = len(accounts)
        if number > SUBACCOUNT_MAX:
            raise invalid(f"at most {SUBACCOUNT_MAX} subaccounts")
        account = Account(
            account_id=f"{primary.account_id}/{number}",
            key_id=primary.key_id,
            tier=primary.tier,
            public_key_pem=primary.public_key_pem,
            cash_by_shard_e6={exchange_index: 0},
            subaccount_number=number,
        )
        accounts[number] = self._core.accounts[account.account_id] = account
        self._open_view(account)
        return number

    def move_between_shards(
        self, primary: Account, source: Place, destination: Place, amount_e6: int, client_transfer_id: str | None
    ) -> Transfer:
        """Moves money, also between subaccounts of two shards; returns the record. Raises Refused (rules 2, 3)."""
        customer = self._customer(primary)
        transfer = self._moved(primary, source, destination, amount_e6, client_transfer_id, source.exchange_index)
        # On one shard it is a subaccount transfer and stands in that history (documented).
        is_local = source.exchange_index == destination.exchange_index
        (customer.subaccount_transfers if is_local else customer.shard_transfers).append(transfer)
        return transfer

    def move_between_subaccounts(
        self, primary: Account, source: Place, destination: Place, amount_e6: int, client_transfer_id: str
    ) -> Transfer:
        """Moves money on one shard; returns the record. Raises Refused (rules 2, 3)."""
        transfer = self._moved(primary, source, destination, amount_e6, client_transfer_id, None)
        self._customer(primary).subaccount_transfers.append(transfer)
        return transfer

    def shard_transfers(self, primary: Account) -> list[Transfer]:
        """Returns the transfers between shards, newest first."""
        return list(reversed(self._customer(primary).shard_transfers))

    def subaccount_transfers(self, primary: Account) -> list[Transfer]:
        """Returns the transfers on one shard, newest first."""
        return list(reversed(self._customer(primary).subaccount_transfers))

    def shard_transfer(self, primary: Account, transfer_id: str) -> Transfer:
        """Returns one transfer between shards. Raises Refused."""
        for transfer in self._customer(primary).shard_transfers:
            if transfer.transfer_id == transfer_id:
                return transfer
        raise not_found()

    def set_netting(self, primary: Account, number: int, *, enabled: bool) -> None:
        """Switches netting of one subaccount on or off; here it changes no collateral. Raises Refused."""
        self.account(primary, number)
        self._customer(primary).netting[number] = enabled

    def netting(self, primary: Account) -> dict[int, bool]:
        """Returns the netting switch of each subaccount, off unless it was set."""
        customer = self._customer(primary)
        return {number: customer.netting.get(number, False) for number in customer.accounts}

    def set_allocation(self, primary: Account, percent_by_shard: dict[int, int], reservation: str) -> None:
        """Replaces the wanted split over shards; nothing is moved by it here. Raises Refused."""
        if percent_by_shard and sum(percent_by_shard.values()) != 100:
            raise invalid("percentages must total 100")
        customer = self._customer(primary)
        customer.allocation, customer.reservation = dict(percent_by_shard), reservation

    def allocation(self, primary: Account) -> tuple[dict[int, int], str]:
        """Returns the wanted split over shards and how resting orders count in it."""
        customer = self._customer(primary)
        return customer.allocation, customer.reservation

    def _customer(self, primary: Account) -> _Customer:
        customer = self._customers.get(primary.account_id)
        if customer is None:
            customer = self._customers[primary.account_id] = _Customer(accounts={PRIMARY: primary})
        return customer

    def _moved(
        self,
        primary: Account,
        source: Place,
        destination: Place,
        amount_e6: int,
        client_transfer_id: str | None,
        taken_on: int | None,
    ) -> Transfer:
        customer = self._customer(primary)
        if client_transfer_id is not None and (taken_on, client_transfer_id) in customer.taken:
            raise Refused(409, "transfer_already_exists")
        payer = self.account(primary, source.subaccount)
        payee = self.account(primary, destination.subaccount)
        if source == destination:
            raise invalid("source and destination are the same")
        if not {source.exchange_index, destination.exchange_index} <= set(_KNOWN_SHARDS):
            raise invalid("exchange shard not found")
        if amount_e6 <= 0:
            raise invalid("amount must be positive")
        if payer.cash_by_shard_e6.get(source.exchange_index, 0) < amount_e6:
            raise Refused(400, "insufficient_balance")
        now_ms = self._core.now_ms()
        payer.cash_by_shard_e6[source.exchange_index] -= amount_e6
        pots = payee.cash_by_shard_e6
        pots[destination.exchange_index] = pots.get(destination.exchange_index, 0) + amount_e6
        for account in dict.fromkeys((payer, payee)):
            self._core.publish_cash(account, now_ms)
        if client_transfer_id is not None:
            customer.taken.add((taken_on, client_transfer_id))
        return Transfer(
            transfer_id=self._core.new_id(),
            client_transfer_id=client_transfer_id,
            source=source,
            destination=destination,
            amount_e6=amount_e6,
            created_ms=now_ms,
        )
