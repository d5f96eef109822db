"""The `runtime` of a report: frozen unless asked otherwise, and then by events, never by a clock."""

import pytest

from mmfold.adapters.cli.runtime import RuntimeSettingError, read_runtime

LAST_MS = 86_400_000 + 1_999

TIMES = [
    # environment | utc, version
    ({}, "1970-01-01T00:00:00Z", "0.2.0"),
    ({"MM_FREEZE_UTC": "1", "MM_VERSION": "dev"}, "1970-01-01T00:00:00Z", "dev"),
    ({"MM_FREEZE_UTC": "", "MM_VERSION": ""}, "1970-01-01T00:00:00Z", "0.2.0"),
    ({"MM_FREEZE_UTC": "0"}, "1970-01-02T00:00:01Z", "0.2.0"),
    ({"MM_FREEZE_UTC_ISO": "2025-01-01T00:00:00Z"}, "2025-01-01T00:00:00Z", "0.2.0"),
    ({"MM_FREEZE_UTC_ISO": "2025-01-01T02:00:00.9+02:00", "MM_FREEZE_UTC": "1"}, "2025-01-01T00:00:00Z", "0.2.0"),
    ({"MM_FREEZE_UTC_ISO": "2025-01-01T00:00:00"}, "2025-01-01T00:00:00Z", "0.2.0"),
]


@pytest.mark.parametrize(("environment", "utc", "version"), TIMES)
def test_runtime_is(environment: dict[str, str], utc: str, version: str) -> None:
    assert read_runtime("sim", LAST_MS, environment) == {"mode": "sim", "utc": utc, "version": version}


@pytest.mark.parametrize(
    "environment",
    [{"MM_FREEZE_UTC": "yes"}, {"MM_FREEZE_UTC_ISO": "noon"}, {"MM_FREEZE_UTC_ISO": "0001-01-01T00:00+09:00"}],
)
def test_a_setting_that_says_nothing_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(RuntimeSettingError, match=next(iter(environment))) as caught:
        read_runtime("sim", 0, environment)
    assert caught.value.hint
