"""From the configuration to channels: where secrets may stand, what is refused, and that no refusal tells a secret."""

from pathlib import Path

import pytest

from mmfold.adapters.alerts.opening import open_channels
from mmfold.adapters.alerts.program import Program
from mmfold.adapters.alerts.setup import from_setup
from mmfold.adapters.alerts.webhook import Webhook
from mmfold.adapters.redact import redact_known
from mmfold.adapters.secrets.errors import SecretError
from mmfold.config.errors import ConfigError
from tests.adapters.alerts.made import settings, write_program

WORD = "Xk3vPq8sLw2ZrT7yBn9m"
URL = f"https://hooks.example.com/services/{WORD}"

pytestmark = pytest.mark.usefixtures("guards")


def kept(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def open_one(environ: dict[str, str], *overrides: str) -> Webhook:
    (channel,) = open_channels(settings(*overrides), environ)
    assert isinstance(channel, Webhook)
    return channel


def test_none_is_set() -> None:
    assert open_channels(settings(), {}) == ()


def test_places(tmp_path: Path) -> None:
    file = kept(tmp_path / "url", URL + "\n")
    assert open_one({"HOOK": URL}, "alerts.webhook=env:HOOK").address() == URL
    assert open_one({"HOOK_FILE": str(file)}, "alerts.webhook=env:HOOK").address() == URL
    assert open_one({}, f"alerts.webhook=file:{file}").address() == URL
    assert open_one({}, "alerts.webhook=https://alerts.example.com/mm").address().endswith("/mm")
    both = open_one({"HOOK": URL, "T": "token-1"}, "alerts.webhook=env:HOOK", "alerts.webhook_token=env:T")
    assert both.token is not None and both.token.reveal() == "token-1"


def test_a_plain_url_is_no_secret() -> None:
    for _ in range(2):  # what the redactor were told of, it would refuse the second time
        open_one({}, "alerts.webhook=https://alerts.example.com/mm")
    assert redact_known("https://alerts.example.com/mm") == "https://alerts.example.com/mm"


def test_a_url_is_known_to_the_redactor() -> None:
    open_one({"HOOK": URL}, "alerts.webhook=env:HOOK")
    assert WORD not in redact_known(f"post to {URL}, /services/{WORD}")


REFUSED = [
    ("env:HOOK", {}, "HOOK is not set"),
    ("env:HOOK", {"HOOK": f"http://hooks.example.com/{WORD}"}, "neither https nor http on this machine"),
    ("env:HOOK", {"HOOK": f"ftp://localhost/{WORD}"}, "neither https nor http on this machine"),
    ("env:HOOK", {"HOOK": WORD}, "is no URL"),
    ("env:HOOK", {"HOOK": f"https://[{WORD}"}, "is no URL"),
    ("env:HOOK", {"HOOK": f"https://example.com:{WORD}/"}, "is no URL"),
    ("env:HOOK", {"HOOK": f"https://example.com/a b {WORD}"}, "is no URL"),
    ("env:HOOK", {"HOOK_FILE": "/no/such/file"}, "No such file"),
    ("file:/no/such/file", {}, "No such file"),
    (f"https://hooks.example.com/services/{WORD}", {}, "looks as if it held a secret"),
]


@pytest.mark.parametrize(("place", "environ", "why"), REFUSED)
def test_refused(place: str, environ: dict[str, str], why: str) -> None:
    with pytest.raises((ConfigError, SecretError)) as caught:
        open_channels(settings(f"alerts.webhook={place}"), environ)
    assert why in str(caught.value) and ("alerts.webhook" in str(caught.value) or "HOOK_FILE" in str(caught.value))
    assert WORD not in str(caught.value), "the secret is told"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    file = kept(tmp_path / "url", URL, mode)
    with pytest.raises(SecretError, match="others may use it"):
        open_channels(settings(f"alerts.webhook=file:{file}"), {})


def test_a_token_that_would_break_the_header(tmp_path: Path) -> None:
    file = kept(tmp_path / "token", "one\ntwo")
    with pytest.raises(SecretError, match="is no token"):
        open_channels(settings("alerts.webhook=https://h.example.com/", f"alerts.webhook_token=file:{file}"), {})


def test_programs(tmp_path: Path) -> None:
    path = write_program(tmp_path / "notify", "pass\n")
    (found,) = open_channels(settings("alerts.exec=[notify, --to, me]"), {"PATH": str(tmp_path)})
    assert found == Program((str(path), "--to", "me"), 10.0)
    for name in ("no-such-program", str(tmp_path), str(kept(tmp_path / "plain", "x"))):
        with pytest.raises(ConfigError, match="no program"):
            open_channels(settings(f"alerts.exec=[{name}]"), {"PATH": str(tmp_path)})


def test_a_setup_makes_the_same_channels(tmp_path: Path) -> None:
    path = write_program(tmp_path / "notify", "pass\n")
    made = open_channels(settings(f"alerts.exec=[{path}, a]", "alerts.webhook=env:HOOK"), {"HOOK": URL})
    again = from_setup({one.name: one.setup() for one in made})
    assert list(again) == ["exec", "webhook"] and again["exec"] == made[0]
    assert again["webhook"].setup() == made[1].setup()
