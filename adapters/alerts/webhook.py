"""The channel `webhook`: the alert posted as JSON; must never follow a redirect, use a proxy or tell its address.

2xx is delivered. 408, 425, 429 and 5xx are tried again, after what Retry-After asks for; any other answer would come
again.
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mmfold.adapters.alerts.channel import Attempt
from mmfold.adapters.secrets.value import Secret

if TYPE_CHECKING:
    import aiohttp

AGAIN = (408, 425, 429)
SECONDS_DIGITS_MAX = 4


@dataclass(frozen=True)
class Webhook:
    """An address to post to: a Secret, or a text that the configuration may hold."""

    url: Secret | str
    token: Secret | None
    timeout_s: float
    name = "webhook"

    def setup(self) -> dict[str, Any]:
        """Return what the courier makes it of again."""
        token = None if self.token is None else self.token.reveal()
        return {"timeout_s": self.timeout_s, "token": token, "url": self.address()}

    def address(self) -> str:
        """Return the address itself."""
        return self.url if isinstance(self.url, str) else self.url.reveal()

    async def attempt(self, data: bytes) -> Attempt:
        """Post it once."""
        import aiohttp

        headers = {"Content-Type": "application/json", "User-Agent": "mm-alerts"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.reveal()}"
        limit = aiohttp.ClientTimeout(total=self.timeout_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, trust_env=False) as http,
                http.post(self.address(), data=data, headers=headers, allow_redirects=False) as answer,
            ):
                return judge(answer.status, answer.headers.get("Retry-After", ""))
        except TimeoutError:
            return Attempt(f"no answer within {self.timeout_s:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Attempt(reason_of(error))


def judge(status: int, retry_after: str) -> Attempt:
    """Return what an answer means."""
    if 200 <= status < 300:
        return Attempt()
    is_final = status < 500 and status not in AGAIN
    is_seconds = retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= SECONDS_DIGITS_MAX
    redirected = ": redirects are not followed" if 300 <= status < 400 else ""
    return Attempt(f"HTTP {status}{redirected}", is_final, float(retry_after) if is_seconds else 0.0)


def reason_of(error: "aiohttp.ClientError | OSError | ValueError") -> str:
    """Return why there was no answer, without the address: an exception's own text may hold it."""
    number = getattr(getattr(error, "os_error", error), "errno", None)
    return f"no answer: {os.strerror(number) if number and number > 0 else type(error).__name__}"
