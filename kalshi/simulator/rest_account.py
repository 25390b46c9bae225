"""API limits, tiers, endpoint costs and API keys over REST (kalshi-rest.md §2, §4, §7.7)."""

from __future__ import annotations

from typing import Final, Literal

from kalshi.signing import generate_key_pair
from kalshi.simulator.accounts import Account
from kalshi.simulator.api_keys import SUBACCOUNT_MAX, ApiKey
from kalshi.simulator.rate_limits import TIERS, VOLUME_SHARES_E6, limits_of
from kalshi.simulator.refusals import Refused, invalid
from kalshi.simulator.rest_body import Body
from kalshi.simulator.rest_call import DEFAULT_COST, Answer, Call
from kalshi.simulator.views import Json
from kalshi.simulator.wire_numbers import count_text

UPGRADE_COST: Final = 30
_LATEST_ORDERS: Final = 100
_MONTH_MS: Final = 30 * 86_400_000
# What costs other than the default of 10; recorded in June 2026 and the cost changes since. Endpoints that are not
# served here stand in the list as they do on the real one.
_ENDPOINT_COSTS: Final = (
    ("POST", "/trade-api/v2/account/api_usage_level/upgrade", UPGRADE_COST),
    ("GET", "/trade-api/v2/cfbenchmarks", 150),
    ("GET", "/trade-api/v2/cfbenchmarks/*endpoint", 150),
    ("POST", "/trade-api/v2/communications/quotes", 2),
    ("DELETE", "/trade-api/v2/communications/quotes/:quote_id", 2),
    ("DELETE", "/trade-api/v2/portfolio/events/orders", 2),
    ("DELETE", "/trade-api/v2/portfolio/events/orders/:order_id", 2),
    ("DELETE", "/trade-api/v2/portfolio/events/orders/batched", 2),
    ("GET", "/trade-api/v2/portfolio/orders/:order_id", 2),
)


def account_limits(call: Call) -> Answer:
    limits = limits_of(call.account.tier)
    return Answer(
        body={
            "usage_tier": call.account.tier,
            "read": {"refill_rate": limits.read_refill, "bucket_capacity": limits.read_capacity},
            "write": {"refill_rate": limits.write_refill, "bucket_capacity": limits.write_capacity},
            "grants": [
                {"exchange_instance": "event_contract", "level": level, "source": "manual"}
                for level in call.account.granted_levels
            ],
        }
    )


def endpoint_costs(call: Call) -> Answer:
    rows = [{"cost": cost, "method": method, "path": path} for method, path, cost in _ENDPOINT_COSTS]
    return Answer(body={"default_cost": 10, "endpoint_costs": rows})


def upgrade_api_usage_level(call: Call) -> Answer:
    """Grants the advanced tier for ever, if one of the account's last 100 orders came from the API."""
    call.spend_write(UPGRADE_COST, 0)
    account = call.account
    if not call.view(account).orders:  # every order here came from the API
        raise Refused(403, "forbidden", details=f"no API order among the latest {_LATEST_ORDERS}")
    if "advanced" not in account.granted_levels:
        account.granted_levels.append("advanced")
    if account.tier == "basic":
        account.tier = "advanced"
        call.services.limiter.forget(account)
    return Answer(status=201)


def volume_progress(call: Call) -> Answer:
    """Tells own volume of 30 days and what each tier asks of the exchange's volume."""
    core = call.services.core
    now_ms = core.now_ms()
    own_e2 = sum(
        fill.count_e2
        for account in call.subaccounts()
        for fill in call.view(account).fills
        if fill.ts_ms >= now_ms - _MONTH_MS
    )
    everybody_e2 = sum(market.volume_e2 for market in core.markets.values())
    goals = [
        {
            "level": level,
            "earn_volume_goal_fp": count_text(everybody_e2 * earn_e6 // 1_000_000),
            "keep_volume_goal_fp": count_text(everybody_e2 * keep_e6 // 1_000_000),
        }
        for level, (earn_e6, keep_e6) in VOLUME_SHARES_E6.items()
    ]
    progress = {"computed_ts": now_ms // 1000, "trailing_30d_volume_fp": count_text(own_e2), "goals": goals}
    return Answer(body={"volume_progress": [progress]})


def list_api_keys(call: Call) -> Answer:
    body: Json = {"api_keys": [_key_view(key) for key in call.services.keys.keys_of(call.account)]}
    attested_until_s = call.services.keys.attested_until_s(call.account)
    return Answer(body=body if attested_until_s is None else body | {"api_key_region_expiration_ts": attested_until_s})


def create_api_key(call: Call) -> Answer:
    body = call.body("CreateApiKeyRequest")
    call.spend_write(DEFAULT_COST, 0)
    if tuple(TIERS).index(call.account.tier) < tuple(TIERS).index("premier"):
        raise Refused(403, "forbidden", details="own public keys need the premier tier or a higher one")
    key = _register(call, body, body.required_text("public_key").encode())
    return Answer(status=201, body={"api_key_id": key.key_id})


def generate_api_key(call: Call) -> Answer:
    body = call.body("GenerateApiKeyRequest")
    call.spend_write(DEFAULT_COST, 0)
    kind = body.text("key_type") or "rsa"
    if kind not in ("rsa", "ed25519"):
        raise invalid("key_type must be rsa or ed25519")
    kinds: dict[str, Literal["rsa", "ed25519"]] = {"rsa": "rsa", "ed25519": "ed25519"}
    private_pem, public_pem = generate_key_pair(kinds[kind])
    key = _register(call, body, public_pem)
    return Answer(status=201, body={"api_key_id": key.key_id, "key_type": kind, "private_key": private_pem.decode()})


def delete_api_key(call: Call) -> Answer:
    call.spend_write(DEFAULT_COST, 0)
    call.services.keys.delete(call.account, call.path_parameters["api_key"])
    return Answer(status=204)


def _register(call: Call, body: Body, public_pem: bytes) -> ApiKey:
    if body.text("fcm_subtrader_id"):
        raise Refused(403, "forbidden", details="fcm_subtrader_id is for FCM members")
    return call.services.keys.register(
        call.account,
        name=body.required_text("name"),
        public_key_pem=public_pem,
        scopes=body.texts("scopes"),
        subaccount=_locked_subaccount(call, call.account, body.integer("subaccount")),
    )


def _locked_subaccount(call: Call, account: Account, number: int | None) -> int | None:
    if number is not None and not 0 <= number <= SUBACCOUNT_MAX:
        raise invalid(f"subaccount must be 0 to {SUBACCOUNT_MAX}")
    return None if number is None else call.services.treasury.account(account, number).subaccount_number


def _key_view(key: ApiKey) -> Json:
    view: Json = {"api_key_id": key.key_id, "name": key.name, "scopes": list(key.scopes)}
    return view if key.subaccount is None else view | {"subaccount": key.subaccount}
