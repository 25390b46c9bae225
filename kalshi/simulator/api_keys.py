"""API keys: who they belong to, what they may do, and what the exchange answers where they may not.

Rules (kalshi-rest.md §2, API key pages of 2026-08 and 2026-09):
1. A scope is `read`, `write`, or a child such as `write::trade`; a parent holds all of its children, and a key with
   the parent `write` must hold `read` as well.
2. A key may be locked to one subaccount; it then reads and trades there alone, and moves no money between subaccounts.
3. The location attestation belongs to the account: once past, none of its keys trades sports, elections or
   entertainment; an account that never attested is not asked.
4. The key that the account was opened with is a key like the others; it can be deleted, and then nothing signs for it.
"""

from __future__ import annotations

from typing import Final

import attrs

from kalshi.signing import CredentialError, verify
from kalshi.simulator.accounts import Account
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.refusals import Refused, invalid, not_found

SCOPES: Final = (
    "read",
    "write",
    "read::block_trade_accept",
    "read::portfolio_balance",
    "write::trade",
    "write::transfer",
    "write::fcm_risk",
    "write::block_trade_accept",
)
FULL_ACCESS: Final = ("read", "write")
SUBACCOUNT_MAX: Final = 63
KEYS_PER_ACCOUNT_MAX: Final = 100  # not documented; far above what anybody registers
_NAME_LENGTH_MAX: Final = 200
_ATTESTED_CATEGORIES: Final = ("Sports", "Elections", "Entertainment")
_LOCKED_TEXT: Final = "this API key is restricted to a single sub-account and cannot access this endpoint"


@attrs.frozen(kw_only=True)
class ApiKey:
    """One registered key; `subaccount` is the only one it may touch, None for all."""

    key_id: str
    account_id: str
    name: str
    public_key_pem: bytes = attrs.field(repr=False)
    scopes: tuple[str, ...] = FULL_ACCESS
    subaccount: int | None = None

    def may(self, scope: str) -> bool:
        """Says whether the key holds the scope or its parent."""
        return scope in self.scopes or scope.partition("::")[0] in self.scopes


class KeyRing:
    """All keys of all accounts."""

    def __init__(self, core: ExchangeCore) -> None:
        self._core = core
        self._keys: dict[str, ApiKey] = {}
        self._deleted: set[str] = set()
        self._attested_until_s: dict[str, int] = {}

    def find(self, key_id: str) -> ApiKey | None:
        """Returns the key with that id, if it is registered."""
        added = self._keys.get(key_id)
        if added is not None:
            return added
        account = self._core.accounts_by_key.get(key_id)
        return None if account is None or key_id in self._deleted else _opening_key(account)

    def keys_of(self, account: Account) -> list[ApiKey]:
        """Returns the account's keys, oldest first."""
        opening = [] if account.key_id in self._deleted else [_opening_key(account)]
        return opening + [key for key in self._keys.values() if key.account_id == account.account_id]

    def register(
        self,
        account: Account,
        *,
        name: str,
        public_key_pem: bytes,
        scopes: tuple[str, ...] | None,
        subaccount: int | None,
    ) -> ApiKey:
        """Registers another key of the account. Raises Refused."""
        if not 0 < len(name) <= _NAME_LENGTH_MAX:
            raise invalid(f"name must have 1 to {_NAME_LENGTH_MAX} characters")
        if len(self.keys_of(account)) >= KEYS_PER_ACCOUNT_MAX:
            raise invalid("too many API keys")
        try:
            verify(public_key_pem, "", "0", "GET", "/")
        except CredentialError as error:
            raise invalid("public_key is no RSA or Ed25519 public key in PEM format") from error
        key = ApiKey(
            key_id=self._core.new_id(),
            account_id=account.account_id,
            name=name,
            public_key_pem=public_key_pem,
            scopes=_checked_scopes(scopes),
            subaccount=subaccount,
        )
        self._keys[key.key_id] = key
        return key

    def delete(self, account: Account, key_id: str) -> None:
        """Forgets a key of the account. Raises Refused."""
        key = self.find(key_id)
        if key is None or key.account_id != account.account_id:
            raise not_found()
        if self._keys.pop(key_id, None) is None:
            self._deleted.add(key_id)

    def attest(self, account: Account, until_s: int) -> None:
        """Notes until when the account's location attestation holds, in Unix seconds."""
        self._attested_until_s[account.account_id] = until_s

    def attested_until_s(self, account: Account) -> int | None:
        """Returns until when the location attestation holds; None where the account never attested."""
        return self._attested_until_s.get(account.account_id)

    def check_region(self, account: Account, ticker: str) -> None:
        """Raises Refused where the attestation is past and the market needs one (rule 3)."""
        until_s = self._attested_until_s.get(account.account_id)
        market = self._core.markets.get(ticker)
        if until_s is None or market is None or self._core.now_ms() < until_s * 1000:
            return
        if market.event.category in _ATTESTED_CATEGORIES:
            settings = self._core.settings
            raise Refused(settings.region_refusal_status, settings.region_refusal_code)

    def check_scope(self, key: ApiKey, scope: str) -> None:
        """Raises Refused (403) where the key lacks the scope."""
        if not key.may(scope):
            raise Refused(403, self._core.settings.missing_scope_code)

    @staticmethod
    def check_unlocked(key: ApiKey) -> None:
        """Raises Refused (403) for a key that is locked to one subaccount (rule 2)."""
        if key.subaccount is not None:
            raise locked()


def locked() -> Refused:
    """Returns the documented refusal of a locked key."""
    return Refused(403, "forbidden", _LOCKED_TEXT)


def _opening_key(account: Account) -> ApiKey:
    return ApiKey(
        key_id=account.key_id,
        account_id=account.account_id,
        name="opening key",
        public_key_pem=account.public_key_pem,
    )


def _checked_scopes(scopes: tuple[str, ...] | None) -> tuple[str, ...]:
    if scopes is None:
        return FULL_ACCESS
    if not scopes or any(scope not in SCOPES for scope in scopes):
        raise invalid("scopes holds an unknown scope")
    if "write" in scopes and "read" not in scopes:
        raise invalid("a key with the scope write must have the scope read")
    return tuple(dict.fromkeys(scopes))
