"""Money that moves inside one customer's own money: between shards, and between the primary account and subaccounts.

Rules (kalshi-rest.md §6, §7.7; OpenAPI 3.34):
1. Every subaccount is an account of its own with its own cash and positions; number 0 is the primary one.
2. A transfer moves what the source has, never more, and nothing else changes: conservation is not touched.
3. A client transfer id is taken for ever per source shard (between shards) or per customer (between subaccounts); a
   repeat moves nothing and answers 409.
4. A transfer between shards says `pending` until portfolio reads show its money, then `complete`.
5. There is no margined exchange here, so an instance other than `event_contract` is refused.
6. Every `SWEEP_MS` the primary account's money is split over the shards by its target allocation: each shard gets its
   percentage of what can be swept, which is all cash less what resting orders reserve on their own shard. Nothing moves
   while transfers are paused. Such moves are no transfers of the customer, and stand in no history.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final, Literal, get_args

import attrs

from kalshi.simulator.accounts import Account
from kalshi.simulator.api_keys import SUBACCOUNT_MAX
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.rate_limits import SHARDS
from kalshi.simulator.refusals import Refused, invalid, not_found
from kalshi.simulator.wire_numbers import DOLLAR_E4
from kalshi.types import Side

PRIMARY: Final = 0
SWEEP_MS: Final = 10_000
TRANSFERS_PER_ACCOUNT_MAX: Final = 10_000  # a listing is paged by 500; more than this is a test gone wrong
_KNOWN_SHARDS: Final = (0, *SHARDS)

Reservation = Literal["none", "max", "sum"]
RESERVATIONS: Final[tuple[Reservation, ...]] = get_args(Reservation)

_STEP_E6: Final = 100  # a balance never gets finer


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
    reservation: Reservation = "sum"


class Treasury:
    """Subaccounts and transfers of all customers; callers pass the primary account."""

    def __init__(self, core: ExchangeCore, open_view: Callable[[Account], None]) -> None:
        self._core = core
        self._open_view = open_view
        self._customers: dict[str, _Customer] = {}
        self._next_sweep_ms = core.now_ms() + SWEEP_MS

    def tick(self) -> None:
        """Applies the target allocations when that is due (rule 6)."""
        now_ms = self._core.now_ms()
        if now_ms < self._next_sweep_ms:
            return
        self._next_sweep_ms = now_ms + SWEEP_MS
        if not self._core.exchange_active:
            return
        for customer in self._customers.values():
            if customer.allocation:
                self._sweep(customer, now_ms)

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

    def set_allocation(self, primary: Account, percent_by_shard: dict[int, int], reservation: Reservation) -> None:
        """Replaces the wanted split over shards, which the next sweep applies; none ends it. Raises Refused."""
        if not percent_by_shard.keys() <= set(_KNOWN_SHARDS):
            raise invalid("exchange shard not found")
        if percent_by_shard and sum(percent_by_shard.values()) != 100:
            raise invalid("percentages must total 100")
        customer = self._customer(primary)
        customer.allocation, customer.reservation = dict(percent_by_shard), reservation

    def allocation(self, primary: Account) -> tuple[dict[int, int], Reservation]:
        """Returns the wanted split over shards and how resting orders count in it."""
        customer = self._customer(primary)
        return customer.allocation, customer.reservation

    def _sweep(self, customer: _Customer, now_ms: int) -> None:
        account = customer.accounts[PRIMARY]
        cash = account.cash_by_shard_e6
        kept = {shard: min(cash[shard], _reserved_e6(account, shard, customer.reservation)) for shard in cash}
        swept_e6 = sum(cash.values()) - sum(kept.values())
        wanted = dict.fromkeys(cash, 0)
        for shard, percent in customer.allocation.items():
            wanted[shard] = swept_e6 * percent // 100 // _STEP_E6 * _STEP_E6
        # What rounding leaves goes where most goes.
        wanted[max(customer.allocation, key=customer.allocation.__getitem__)] += swept_e6 - sum(wanted.values())
        split = {shard: kept.get(shard, 0) + money_e6 for shard, money_e6 in wanted.items()}
        if any(money_e6 != cash.get(shard, 0) for shard, money_e6 in split.items()):
            cash.update(split)
            self._core.publish_cash(account, now_ms)

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


def _reserved_e6(account: Account, shard: int, reservation: Reservation) -> int:
    """Returns what the shard's resting orders keep there: nothing, their dearest side of a market, or all of them."""
    if reservation == "none":
        return 0
    by_side: dict[tuple[str, Side], int] = {}
    for order in account.open_orders.values():
        if order.exchange_index == shard:
            each_e4 = order.price_e4 if order.side is Side.BID else DOLLAR_E4 - order.price_e4
            place = (order.ticker, order.side)
            by_side[place] = by_side.get(place, 0) + each_e4 * order.remaining_e2
    return max(by_side.values(), default=0) if reservation == "max" else sum(by_side.values())
