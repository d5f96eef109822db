"""The webhook against a real server of this machine: what is tried again, what is not, and what it never tells."""

import asyncio
import socket
import time

import pytest

from mmfold.adapters.alerts import channel
from mmfold.adapters.alerts.channel import Outcome, deliver
from mmfold.adapters.alerts.webhook import Webhook, judge
from mmfold.adapters.secrets.value import Secret
from tests.adapters.alerts.hook import running_hook

DATA = b'{"kind":"alert_test"}\n'
PATH = "/services/T00/" + "Xk3vPq8sLw2ZrT7yBn9m"

pytestmark = pytest.mark.usefixtures("guards")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "PAUSES_S", (0.01, 0.02, 0.03))


def send(url: str, token: str | None = None, timeout_s: float = 5.0) -> Outcome:
    hook = Webhook(Secret(url), None if token is None else Secret(token), timeout_s)
    return asyncio.run(deliver(hook, DATA))


ANSWERS = [
    # answers | sent, attempts, reason
    ((200,), (True, 1, "")),
    ((204,), (True, 1, "")),
    ((500, 503, 200), (True, 3, "")),
    ((429, 200), (True, 2, "")),
    ((408, 425, 502, 201), (True, 4, "")),
    ((500,), (False, 4, "HTTP 500")),
    ((404,), (False, 1, "HTTP 404")),
    ((401,), (False, 1, "HTTP 401")),
    ((503, 400), (False, 2, "HTTP 400")),
    ((307,), (False, 1, "HTTP 307: redirects are not followed")),
    ((301,), (False, 1, "HTTP 301: redirects are not followed")),
]


@pytest.mark.parametrize(("answers", "came"), ANSWERS)
def test_answers(answers: tuple[int, ...], came: tuple[bool, int, str]) -> None:
    with running_hook(*answers, Location="http://127.0.0.1:9/elsewhere") as hook:
        found = send(hook.url + PATH)
        assert (found.is_sent, found.attempts, found.reason) == came
        assert hook.bodies == [DATA] * came[1]
        assert {one["Content-Type"] for one in hook.seen} == {"application/json"}
        assert {one["path"] for one in hook.seen} == {PATH}


def test_the_token_is_brought() -> None:
    with running_hook(200) as hook:
        send(hook.url + "/x", "a-token-of-the-test")
        assert hook.seen[0]["Authorization"] == "Bearer a-token-of-the-test"


def test_no_answer_is_not_waited_for() -> None:
    with running_hook(None, 200) as hook:
        start_s = time.monotonic()
        found = send(hook.url + PATH, timeout_s=0.4)
        assert (found.is_sent, found.attempts) == (True, 2) and time.monotonic() - start_s < 10


def test_nobody_listens_and_the_address_is_not_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    found = send(f"http://127.0.0.1:{port}{PATH}", timeout_s=2.0)
    assert (found.is_sent, found.attempts, found.reason) == (False, 4, "no answer: Connection refused")
    assert str(port) not in found.reason and PATH not in str(found.document())


def test_no_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with running_hook(200) as hook:
        assert send(hook.url + PATH).is_sent


@pytest.mark.parametrize(
    ("said", "wait_s"), [("", 0), ("3", 3), ("0", 0), ("-1", 0), ("Wed, 21 Oct", 0), ("99999", 0), ("1e9", 0), ("²", 0)]
)
def test_retry_after(said: str, wait_s: float) -> None:
    assert judge(429, said).wait_s == wait_s


def test_retry_after_is_kept_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    class Limited:
        name = "webhook"

        async def attempt(self, data: bytes) -> channel.Attempt:
            return judge(429, "3" if not pauses else "9000")

    monkeypatch.setattr(channel.asyncio, "sleep", sleep)
    outcome = asyncio.run(deliver(Limited(), DATA))
    assert pauses == [3.0, channel.WAIT_S_MAX, channel.WAIT_S_MAX] and outcome.attempts == 4
