"""The PARAMS of a session: those of its configuration, with the throttle's defaults lowered to what a new account has.

The core counts an instrument's requests, the venue the account's: each instrument gets its share of the venue's
documented limit, a second at a time. What somebody set stays as it was set; the gateway keeps to the limit anyway.
"""

from typing import Any

from mmfold.adapters.live.venue.budget import ORDERS_PER_S
from mmfold.config.models import Config
from mmfold.config.params import config_document
from mmfold.engine.manifest import Manifest

WINDOW_KEY, WINDOW = "window_sec", "throttle_window_s"
RATES = {
    "max_creates_per_sec": "create_per_s_max",
    "max_amends_per_sec": "amend_per_s_max",
    "max_cancels_per_sec": "cancel_per_s_max",
}


def session_document(config: Config, manifest: Manifest, *, has_account: bool) -> dict[str, Any]:
    """Return the CONFIG document of a session.

    Raises: ConfigError when a value is not exact in an instrument's ticks or lots.
    """
    document = config_document(config, manifest)
    if not has_account:
        return document
    share = max(1, ORDERS_PER_S // len(manifest.instruments))
    for symbol, params in document["params"].items():
        if is_default(config, symbol, WINDOW_KEY):
            params[WINDOW] = 1
        for key, name in RATES.items():
            if is_default(config, symbol, key):
                params[name] = min(params[name], share)
    return document


def is_default(config: Config, symbol: str, key: str) -> bool:
    """Tell whether nobody has set a key of the throttle for a symbol."""
    keys = (f"throttle.{key}", f"per_symbol.{symbol}.throttle.{key}")
    return all(config.origins.get(one, "default") == "default" for one in keys)
