"""Every setting of the bot, as one frozen tree.

Each parameter class of `quant` and `actors.runtime` is a section here, or a section adds some keys of its own
to one: an actor gets its section by constructor and never sees the rest. Defaults live in the classes;
`config.yaml` repeats them with words, and a test holds the two together. Keys and units in YAML:
`ops.settings_convert`. Rules: `ops.settings_rules`.
"""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from actors.fill_reconciler import FillParameters
from actors.market import MarketParameters
from actors.runtime.ledger_store.parameters import LedgerParameters
from actors.runtime.selection_facts import FactsParameters
from actors.runtime.supervision import BackOff, RestartWindow
from kalshi.numbers import MoneyE6
from kalshi.simulator.queue_model import QueueModel
from ops.modes import Mode
from quant.allocation import AllocationParameters
from quant.market_profiles import MarketConfigurationParameters
from quant.orders.parameters import DeskParameters, FeedLimits
from quant.programs import Program
from quant.quoting.avellaneda_stoikov import AvellanedaStoikovParameters
from quant.quoting.market_signals import SignalUse
from quant.quoting.throttles import ThrottleParameters
from quant.retirement import RetirementParameters
from quant.risk import RiskParameters
from quant.selection.discovery import DiscoveryParameters
from quant.selection.volatility_scan import ScanParameters
from quant.sessions.parameters import SessionParameters
from quant.signals.volatility import VolatilityParameters
from quant.stop_loss import StopLossParameters


@attrs.frozen(kw_only=True)
class ExchangeSettings:
    """Where the exchange is and how it is called; addresses that are None follow from the mode."""

    base_url: str | None = None
    websocket_url: str | None = None
    data_connections: int = 10
    control_connections: int = 4
    data_deadline_s: float = 3.0
    control_deadline_s: float = 2.0
    clock_offset_max_s: float = 3.0


@attrs.frozen(kw_only=True)
class WebsocketSettings(FeedLimits):
    """The market-data connection; the desk's limits for the age of its proof of life are part of it."""

    enabled: bool = True
    transport: str = "trio-websocket"
    ping_every_s: float = 2.0
    ping_deadline_s: float = 2.0
    reconnect_first_s: float = 0.5
    reconnect_max_s: float = 30.0
    connect_deadline_s: float = 10.0
    max_markets_per_connection: int = 100


@attrs.frozen(kw_only=True)
class SimulatorSection:
    """The embedded exchange of the simulated mode."""

    seed: int = 1
    cash_e6: MoneyE6 = attrs.field(default=MoneyE6(10_000_000_000))


@attrs.frozen(kw_only=True)
class ShadowSection:
    """Mode `shadow`: what is assumed of our place in the real queues (kalshi.simulator.queue_model)."""

    queue_model: QueueModel = QueueModel.RISK_AVERSE


@attrs.frozen(kw_only=True)
class DiscoverySettings(DiscoveryParameters):
    """How often markets are looked for, and what the score of programs that select by it counts."""

    interval_s: float = 10.0
    facts: FactsParameters = attrs.field(factory=FactsParameters)


@attrs.frozen(kw_only=True)
class VolatilityScannerSettings(ScanParameters):
    """The scanner, whether it runs at all, and how often it looks.

    It is off where nobody needs its events: two hundred subscriptions and a share of a core are no default.
    """

    is_enabled: bool = False
    refresh_interval_s: float = 3.0
    rediscovery_s: float = 600.0
    rest_reads_per_s_max: float = 2.0


@attrs.frozen(kw_only=True)
class RiskSettings(RiskParameters):
    """The caps, and the lease on which everybody else believes them."""

    lease_s: float = 5.0
    renew_s: float = 1.0
    account_every_s: float = 2.0
    retirement: RetirementParameters = attrs.field(factory=RetirementParameters)


@attrs.frozen(kw_only=True)
class SupervisionSettings:
    """How often parts may be restarted before their supervisor gives up, and how long it waits in between."""

    root: RestartWindow = attrs.field(default=RestartWindow(3, 300.0))
    markets: RestartWindow = attrs.field(default=RestartWindow(10, 60.0))
    quarantine: RestartWindow = attrs.field(default=RestartWindow(4, 300.0))
    back_off: BackOff = attrs.field(factory=BackOff)


@attrs.frozen(kw_only=True)
class ShutdownSettings:
    """How long the ordered end may take, fence and sweep included."""

    service_s: float = 20.0
    terminal_s: float = 4.0


@attrs.frozen(kw_only=True)
class LoggingSettings:
    """What is written to the log files, and how much of it is kept."""

    level: str = "INFO"
    levels: Mapping[str, str] = attrs.field(factory=dict)
    rotation: str = "10 MB"
    retention: int = 5


@attrs.frozen(kw_only=True)
class FolderSettings:
    """Where the bot keeps what must survive it, and where it writes its logs."""

    state: str = "state"
    logs: str = "logs"


@attrs.frozen(kw_only=True)
class ControlSettings:
    """The control socket; None puts it into the state folder."""

    socket: str | None = None


@attrs.frozen(kw_only=True)
class Settings:
    """The whole configuration; `Settings()` is the default one."""

    mode: Mode = Mode.SIMULATED
    kill_switch: bool = False
    exchange: ExchangeSettings = attrs.field(factory=ExchangeSettings)
    websockets: WebsocketSettings = attrs.field(factory=WebsocketSettings)
    simulator: SimulatorSection = attrs.field(factory=SimulatorSection)
    shadow: ShadowSection = attrs.field(factory=ShadowSection)
    programs: Mapping[str, Program] = attrs.field(factory=lambda: {"discovery": Program()})
    discovery: DiscoverySettings = attrs.field(factory=DiscoverySettings)
    volatility_scanner: VolatilityScannerSettings = attrs.field(factory=VolatilityScannerSettings)
    allocation: AllocationParameters = attrs.field(factory=AllocationParameters)
    markets: MarketParameters = attrs.field(factory=MarketParameters)
    market_configuration: MarketConfigurationParameters = attrs.field(factory=MarketConfigurationParameters)
    quoting: AvellanedaStoikovParameters = attrs.field(factory=AvellanedaStoikovParameters)
    volatility: VolatilityParameters = attrs.field(factory=VolatilityParameters)
    sessions: SessionParameters = attrs.field(factory=SessionParameters)
    signals: SignalUse = attrs.field(factory=SignalUse)
    throttles: ThrottleParameters = attrs.field(factory=ThrottleParameters)
    orders: DeskParameters = attrs.field(factory=DeskParameters)
    risk: RiskSettings = attrs.field(factory=RiskSettings)
    stop_loss: StopLossParameters = attrs.field(factory=StopLossParameters)
    fills: FillParameters = attrs.field(factory=FillParameters)
    ledger: LedgerParameters = attrs.field(factory=LedgerParameters)
    supervision: SupervisionSettings = attrs.field(factory=SupervisionSettings)
    shutdown: ShutdownSettings = attrs.field(factory=ShutdownSettings)
    logging: LoggingSettings = attrs.field(factory=LoggingSettings)
    folders: FolderSettings = attrs.field(factory=FolderSettings)
    control: ControlSettings = attrs.field(factory=ControlSettings)
