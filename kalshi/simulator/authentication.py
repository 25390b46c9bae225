"""Who signs a request: the three headers, the clock window, the signature; answers as recorded in June 2026."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from kalshi.signing import verify
from kalshi.simulator.accounts import Account
from kalshi.simulator.api_keys import ApiKey, KeyRing
from kalshi.simulator.exchange_core import ExchangeCore
from kalshi.simulator.refusals import Refused

KEY_HEADER = "kalshi-access-key"
TIMESTAMP_HEADER = "kalshi-access-timestamp"
SIGNATURE_HEADER = "kalshi-access-signature"


class Authenticator:
    """Verifies signatures against the registered keys."""

    def __init__(
        self, core: ExchangeCore, keys: KeyRing, accepted_ms: Callable[[], tuple[int, ...]] | None = None
    ) -> None:
        self._core = core
        self._keys = keys
        # The times around which a timestamp is fresh: more than one where the exchange's clock is not the wall's.
        self._accepted_ms = accepted_ms if accepted_ms is not None else lambda: (core.now_ms(),)

    def authenticate(self, headers: Mapping[str, str], method: str, path: str) -> Account:
        """Returns the account that signed, if its key may read; as `identify` otherwise."""
        key = self.identify(headers, method, path)
        self._keys.check_scope(key, "read")
        return self.account_of(key)

    def account_of(self, key: ApiKey) -> Account:
        """Returns the primary account that the key belongs to."""
        return self._core.accounts[key.account_id]

    def identify(self, headers: Mapping[str, str], method: str, path: str) -> ApiKey:
        """Returns the key that signed; header names in lower case, `path` without query. Raises Refused (401)."""
        for header, word in ((KEY_HEADER, "key"), (SIGNATURE_HEADER, "signature"), (TIMESTAMP_HEADER, "timestamp")):
            if not headers.get(header):
                raise Refused(401, f"{word}_is_missing_from_headers")
        self._check_clock(headers[TIMESTAMP_HEADER])
        key = self._keys.find(headers[KEY_HEADER])
        if key is None:
            raise _authentication_error("NOT_FOUND")
        is_genuine = verify(key.public_key_pem, headers[SIGNATURE_HEADER], headers[TIMESTAMP_HEADER], method, path)
        if not is_genuine:
            raise _authentication_error("INCORRECT_API_KEY_SIGNATURE")
        return key

    def _check_clock(self, timestamp: str) -> None:
        is_number = timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 15
        window_ms = self._core.settings.clock_skew_ms_max
        if not is_number or all(abs(int(timestamp) - now_ms) > window_ms for now_ms in self._accepted_ms()):
            raise Refused(401, "header_timestamp_expired")


def _authentication_error(details: str) -> Refused:
    return Refused(401, "authentication_error", "authentication_error", details)
