"""The venue's clock: read again where the answer was slow, and refused only where it is surely off."""

import asyncio
import time
from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web

from mmfold.adapters.live import start
from mmfold.adapters.live.account.opening import CannotStart
from mmfold.adapters.live.start import check_clock
from mmfold.adapters.live.venue import rest_client
from mmfold.adapters.live.venue.rest_client import RestClient
from mmfold.adapters.venues.bybit.venue import BybitVenue
from mmfold.engine.limits import NS_PER_MS

SLOW_S = 0.4  # far longer than an answer takes on a busy machine
# the answer's delays | the readings that are made | the offset: the quickest reading's error is half of its delay
READINGS = [
    ([0.0], 1, 0.0),
    ([2 * SLOW_S, 0.0], 2, 0.0),
    ([3 * SLOW_S, 2 * SLOW_S, 3 * SLOW_S], 3, -SLOW_S),
]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(rest_client, "ROUND_TRIP_NS_MAX", round(SLOW_S * 1e9))
    monkeypatch.setattr(start, "CLOCK_SKEW_MAX_NS", round(SLOW_S * 1e9))
    yield


async def read(delays: list[float], skew_s: float = 0.0) -> tuple[RestClient, int]:
    """Check a clock whose answers leave so much after they were made; returns the client and the answers it took."""
    left = list(delays)

    async def tell(_: web.Request) -> web.Response:
        nano = time.time_ns() + round(skew_s * 1e9)
        await asyncio.sleep(left.pop(0))
        answer = {"retCode": 0, "retMsg": "OK", "result": {"timeSecond": str(nano // 10**9), "timeNano": str(nano)}}
        return web.json_response(answer | {"time": nano // NS_PER_MS})

    app = web.Application()
    app.router.add_get("/v5/market/time", tell)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        async with aiohttp.ClientSession() as http:
            client = RestClient(http, BybitVenue(), f"http://127.0.0.1:{runner.addresses[0][1]}")
            await check_clock(client)
    finally:
        await runner.cleanup()
    return client, len(delays) - len(left)


@pytest.mark.parametrize(("delays", "readings", "offset_s"), READINGS)
def test_the_quickest_of_some_readings_counts(delays: list[float], readings: int, offset_s: float) -> None:
    client, taken = asyncio.run(read(delays))
    assert taken == readings
    assert abs(client.offset_ns / 1e9 - offset_s) < SLOW_S / 2


def test_a_clock_that_is_surely_off_is_refused() -> None:
    with pytest.raises(CannotStart, match=r"clock is \+60.0 s off"):
        asyncio.run(read([0.0], skew_s=-60))
