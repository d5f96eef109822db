"""What may change while a session runs, and what not."""

from typing import Any

import pytest

from mmfold.adapters.live.operator.reload import MUTABLE_PARAMS, changed_keys, immutable_keys
from mmfold.engine.records import PARAM

BEFORE = {"params": {"A": {"levels_per_side": 2, "mode": 1}}, "policies": {"p": {"x": 1}}, "policy_interval_ns": 5}


@pytest.mark.parametrize(
    "after, changed, refused",
    [
        (BEFORE, (), ()),
        (BEFORE | {"params": {"A": {"levels_per_side": 3, "mode": 1}}}, ("params.A.levels_per_side",), ()),
        (BEFORE | {"params": {"A": {"levels_per_side": 2, "mode": 0}}}, ("params.A.mode",), ("params.A.mode",)),
        (BEFORE | {"params": {"A": {**BEFORE["params"]["A"], "enabled": 0}}}, ("params.A.enabled",), ()),
        (BEFORE | {"policy_interval_ns": 6}, ("policy_interval_ns",), ("policy_interval_ns",)),
        (BEFORE | {"policies": {}}, ("policies.p.x",), ("policies.p.x",)),
        (
            BEFORE | {"params": {"A": {"levels_per_side": 2}, "B": {"mode": 1}}},
            ("params.A.mode", "params.B.mode"), ("params.A.mode", "params.B.mode"),
        ),
    ],
)  # fmt: skip
def test_changes(after: dict[str, Any], changed: tuple[str, ...], refused: tuple[str, ...]) -> None:
    assert changed_keys(BEFORE, after) == changed
    assert immutable_keys(changed) == refused


def test_every_mutable_key_is_a_param() -> None:
    assert PARAM.names is not None and set(PARAM.names) >= MUTABLE_PARAMS
