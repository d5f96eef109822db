"""What a report says of when and by which version it was made; must never read a clock, so that a rerun gives the same.

MM_FREEZE_UTC_ISO  an ISO time: every report is of that instant; wins over MM_FREEZE_UTC
MM_FREEZE_UTC      1 (as when unset): 1970-01-01T00:00:00Z; 0: the time of the last event that the report is about
MM_VERSION         the version to name instead of the package's
Source: spec/reports.md 0.5.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mmfold.engine.manifest import Manifest

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FROZEN, EVENT_TIME = "1", "0"


class RuntimeSettingError(ValueError):
    """An environment variable that does not hold what it should."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read_runtime(mode: str, ts_ms: int, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the `runtime` of a report.

    Units: `ts_ms` is the time of the last event, ms since 1970.
    Raises: RuntimeSettingError.
    """
    version = environment.get("MM_VERSION") or str(Manifest.__dataclass_fields__["code_version"].default)
    return {"mode": mode, "utc": utc_of(ts_ms, environment).strftime("%Y-%m-%dT%H:%M:%SZ"), "version": version}


def utc_of(ts_ms: int, environment: Mapping[str, str]) -> datetime:
    """Return the time that a report is of.

    Raises: RuntimeSettingError.
    """
    pinned = environment.get("MM_FREEZE_UTC_ISO", "")
    if pinned:
        try:
            found = datetime.fromisoformat(pinned)
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise RuntimeSettingError(
                f"MM_FREEZE_UTC_ISO {pinned!r} is not a time", "such as 2025-01-01T00:00:00Z"
            ) from error
    frozen = environment.get("MM_FREEZE_UTC") or FROZEN
    if frozen not in (FROZEN, EVENT_TIME):
        raise RuntimeSettingError(
            f"MM_FREEZE_UTC {frozen!r} is neither 1 nor 0", "1 or unset: 1970; 0: the time of the last event"
        )
    return EPOCH if frozen == FROZEN else EPOCH + timedelta(milliseconds=ts_ms)
