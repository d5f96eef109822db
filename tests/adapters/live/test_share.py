"""The throttle of a session on an account: defaults are what a new account has, what somebody set stays."""

import pytest

from mmfold.adapters.live.share import session_document
from mmfold.config.load import load_config
from mmfold.engine.manifest import Instrument, Manifest

NAMES = ("throttle_window_s", "create_per_s_max", "amend_per_s_max", "cancel_per_s_max")


@pytest.mark.parametrize(
    "count, settings, has_account, expected",
    [
        (1, (), False, (3, 10, 20, 25)),
        (1, (), True, (1, 10, 10, 10)),
        (5, (), True, (1, 2, 2, 2)),
        (12, (), True, (1, 1, 1, 1)),
        (5, ("throttle.max_amends_per_sec=40",), True, (1, 2, 40, 2)),
        (5, ("throttle.window_sec=5", "throttle.max_creates_per_sec=0"), True, (5, 0, 2, 2)),
    ],
)
def test_each_has_its_share(
    count: int, settings: tuple[str, ...], has_account: bool, expected: tuple[int, ...]
) -> None:
    listed = tuple(Instrument(symbol=f"S{n:02}", tick_size="0.1", lot_size="0.001") for n in range(count))
    manifest = Manifest(run_id="t", instruments=listed, source="live")
    document = session_document(load_config(None, None, [*settings]), manifest, has_account=has_account)
    for params in document["params"].values():
        assert tuple(params[name] for name in NAMES) == expected
