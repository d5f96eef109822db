"""The doctor's line on channels of alerts: there where one is set, a fault where it cannot be, no secret told."""

import pytest

from mmfold.adapters.doctor.check import Status
from mmfold.adapters.doctor.machine import check_alerts
from mmfold.config.load import load_config

WORD = "Xk3vPq8sLw2ZrT7yBn9m"
BOTH = ("alerts.exec=[sh]", "alerts.webhook=env:HOOK")

CASES = [
    # overrides, HOOK | status and text
    ((), None, None),
    (BOTH, f"https://hooks.example.com/{WORD}", (Status.OK, "exec and webhook, from warning on; not tried: mm alerts")),
    (BOTH, None, (Status.FAIL, "alerts.webhook: HOOK is not set")),
    (BOTH, f"http://hooks.example.com/{WORD}", (Status.FAIL, "neither https nor http on this machine")),
    (("alerts.exec=[no-such-program-here]",), None, (Status.FAIL, "there is no program no-such-program-here")),
]


@pytest.mark.parametrize(("overrides", "hook", "found"), CASES)
@pytest.mark.usefixtures("guards")
def test_the_line(overrides: tuple[str, ...], hook: str | None, found: tuple[Status, str] | None) -> None:
    environ = {"PATH": "/usr/bin:/bin"} | ({} if hook is None else {"HOOK": hook})
    checks = check_alerts(load_config(None, None, overrides), environ)
    assert [one.name for one in checks] == ([] if found is None else ["alerts"])
    if found is not None:
        assert checks[0].status is found[0] and found[1] in checks[0].found
    assert WORD not in str(checks)


def test_without_a_configuration_there_is_nothing_to_say() -> None:
    assert check_alerts(None, {}) == []
