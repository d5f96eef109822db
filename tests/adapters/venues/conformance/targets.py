"""The venues that have an emulator: a new one is one entry in `TARGETS`."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from mmfold.adapters.secrets.value import Secret
from mmfold.adapters.venues.port import Credentials
from tests.adapters.emulator.binance.running import RunningBinance
from tests.adapters.emulator.running import RunningVenue, run_synthetic


class Emulator(Protocol):
    """A venue that runs in a thread; things go wrong there on demand, at places that it names."""

    urls: dict[str, str]  # "rest": its base address

    def set_faults(self, *rules: dict[str, Any], seed: int = 0) -> None: ...

    def close(self) -> None: ...


class Target(NamedTuple):
    """One venue of the registry and how its emulator is run.

    `account_keys` are those of its account, None where it has none; `places` names where the emulator lets
    things go wrong: "book" (its stream), and with order entry "place" and "fill" (the private stream's word of one).
    """

    venue: str
    symbols: tuple[str, str]
    run: Callable[[], Emulator]
    account_keys: Callable[[Any], Credentials] | None
    places: dict[str, str]


def bybit_keys(running: RunningVenue) -> Credentials:
    key = running.keys[0]
    return Credentials(Secret(key.key), Secret(key.secret))


TARGETS = (
    Target(
        venue="binance",
        symbols=("BTCUSDT", "ETHUSDT"),
        run=RunningBinance,
        account_keys=None,
        places={"book": "public:btcusdt@depth@100ms"},
    ),
    Target(
        venue="bybit",
        symbols=("BTCUSDT", "ETHUSDT"),
        run=run_synthetic,
        account_keys=bybit_keys,
        places={
            "book": "public:orderbook.50.BTCUSDT",
            "place": "trade:order.create",
            "fill": "private:execution",
        },
    ),
)
