"""Mutations of what goes out: rate limit, secrets, live orders (I19, I22, I27)."""

from __future__ import annotations

from typing import Final

from tests.mutations.row import Mutation, off

_RUNTIME: Final = "tests/actors/runtime"

ROWS: Final[tuple[Mutation, ...]] = (
    off(
        "I19",
        "tokens are waited for",
        "kalshi/budget.py",
        "return 0.0 if missing <= _TOKEN_CRUMB else missing / self.refill_per_s",
        "return 0.0",
        "tests/kalshi/test_budget.py::test_i19_the_exchange_s_bucket_is_never_overdrawn",
    ),
    off(
        "I19",
        "what is in flight does not fill up again",
        "kalshi/budget.py",
        "withheld = min(self._in_flight, self.capacity * IN_FLIGHT_SHARE_MAX)",
        "withheld = 0",
        "tests/kalshi/test_budget.py::test_i19_requests_that_arrive_seconds_late_do_not_overdraw_it_either",
    ),
    off(
        "I19",
        "the urgent are served first",
        "kalshi/budget.py",
        "ticket = _Ticket(priority=priority, order=",
        "ticket = _Ticket(priority=0, order=",
        "tests/kalshi/test_budget.py::test_i19_a_cancel_never_waits_for_creates",
    ),
    off(
        "I19",
        "a reserve is kept from creates",
        "kalshi/budget.py",
        "floor = self.reserve if ticket.priority >= Priority.RENEW else 0.0",
        "floor = 0.0",
        "tests/kalshi/test_budget.py::test_the_reserve_is_out_of_reach_for_creates_and_open_for_the_exit",
    ),
    off(
        "I19",
        "a cancel of the desk goes before its creates",
        "actors/runtime/wire.py",
        "CommandClass.CANCEL: Priority.CANCEL",
        "CommandClass.CANCEL: Priority.CREATE",
        f"{_RUNTIME}/test_wire_priorities.py::test_i19_a_cancel_goes_before_all_creates_that_wait_for_tokens",
    ),
    off(
        "I19",
        "every write takes its tokens",
        "kalshi/rest_send.py",
        "        await self._budget.acquire_write(cost, priority)\n",
        "        await trio.lowlevel.checkpoint()\n",
        "tests/kalshi/test_rest.py::test_i19_every_write_takes_its_tokens_before_it_leaves",
    ),
    off(
        "I22",
        "known secrets are taken out of log lines",
        "ops/logs.py",
        "text = text.replace(secret, HIDDEN)",
        "pass",
        "tests/ops/test_logs.py::test_no_secret_reaches_a_file_by_message_argument_or_traceback",
    ),
    off(
        "I22",
        "keys are taken out wherever they come from",
        "ops/logs.py",
        "text = _PEM_BLOCK.sub(HIDDEN, text)",
        "pass",
        "tests/ops/test_logs.py::test_no_secret_reaches_a_file_by_message_argument_or_traceback",
    ),
    off(
        "I22",
        "a value that could be a secret is not repeated",
        "ops/settings_convert.py",
        'if _SECRET_WORD.search(key) or "PRIVATE KEY" in text:',
        "if False:",
        "tests/ops/test_settings_convert.py::test_a_value_that_could_be_a_secret_is_never_repeated",
    ),
    off(
        "I22",
        "credentials do not show themselves",
        "ops/credentials.py",
        "private_key_pem: bytes = attrs.field(repr=False)",
        "private_key_pem: bytes = attrs.field()",
        "tests/ops/test_modes.py::test_credentials_never_show_themselves",
    ),
    off(
        "I27",
        "the switch LIVE_TRADING_ENABLED",
        "ops/modes.py",
        "if settings.mode is Mode.LIVE and not _is_switched_on(environ):",
        "if False:",
        "tests/ops/test_modes.py::test_live_orders_need_mode_credentials_and_switch_all_three",
    ),
    off(
        "I27",
        "only the one word switches on",
        "ops/modes.py",
        '.strip().lower() == "true"',
        '.strip().lower() != ""',
        "tests/ops/test_modes.py::test_live_orders_need_mode_credentials_and_switch_all_three",
    ),
    off(
        "I27",
        "credentials",
        "ops/modes.py",
        "missing = [*_wrong_address(settings), *_missing_credentials(settings, environ)]",
        "missing = [*_wrong_address(settings)]",
        "tests/ops/test_modes.py::test_live_orders_need_mode_credentials_and_switch_all_three",
    ),
    off(
        "I27",
        "the mode",
        "ops/modes.py",
        "return settings.mode is Mode.LIVE and not check_mode(settings, environ)",
        "return not check_mode(settings, environ)",
        "tests/ops/test_modes.py::test_live_orders_need_mode_credentials_and_switch_all_three",
    ),
    off(
        "I27",
        "a live address in another mode",
        "ops/modes.py",
        "if url is not None and not _may_use(settings.mode, urlsplit(url))",
        "if False",
        "tests/ops/test_modes.py::test_a_live_address_is_refused_in_every_other_mode",
    ),
    off(
        "I27",
        "shadow's transport lets reads pass only",
        "ops/shadow_upstream.py",
        'if request.method != "GET":',
        "if False:",
        "tests/ops/test_shadow_upstream.py::test_the_transport_refuses_every_method_but_get_before_anything_is_sent",
    ),
    off(
        "I27",
        "shadow's socket lets public subscriptions pass only",
        "ops/shadow_upstream.py",
        'if command.get("cmd") not in _COMMANDS or not PUBLIC',
        "if False and not PUBLIC",
        "tests/ops/test_shadow_upstream.py::test_the_socket_lets_public_subscriptions_pass_and_nothing_else",
    ),
)
