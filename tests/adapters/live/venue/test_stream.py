"""A connection that comes back: pauses grow to a bound, a first refusal ends it, a later one does not."""

import asyncio
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest

from mmfold.adapters.live.venue import stream as module
from mmfold.adapters.live.venue.stream import Stream, StreamPlan, StreamRefused
from mmfold.adapters.venues.bybit.venue import BybitTalk
from mmfold.adapters.venues.connection import BACKOFF_S


class Script(Stream):
    """A stream whose connections end as a list says; "up" is one that was up before it ended."""

    def __init__(self, ends: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        async def nothing(*told: Any) -> None:
            """Take what nobody looks at."""

        self.ends, self.pauses = ends, list[float]()
        plan = StreamPlan("public", "ws://127.0.0.1:1", BybitTalk())
        http: Any = None
        super().__init__(http, plan, ts_ms=lambda: 0, on_frame=nothing, on_up=nothing, on_down=nothing)
        monkeypatch.setattr(module.asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    async def live_once(self) -> None:
        if not self.ends:
            raise asyncio.CancelledError
        end = self.ends.pop(0)
        self.was_up = self.was_up or end == "up"
        if end == "refused":
            raise StreamRefused("no")
        raise {"lost": aiohttp.ClientError("cut"), "silent": TimeoutError(), "up": OSError("reset")}[end]


def test_pauses_grow_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Script(["lost", "silent", "up"] * 5, monkeypatch)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stream.run())
    bounds = [min(BACKOFF_S[0] * 2**turn, BACKOFF_S[1]) for turn in range(15)]
    assert all(bound / 2 <= pause <= bound for pause, bound in zip(stream.pauses, bounds, strict=True))
    assert stream.status.reconnects == 15 and bounds[-1] == BACKOFF_S[1]


def test_a_long_life_starts_the_pauses_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Script(["lost"] * 6, monkeypatch)  # the last of them after a long life
    lives = iter([0.0, 0.0] * 5 + [0.0, BACKOFF_S[1] + 1, 0.0])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(lives)))
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stream.run())
    assert stream.pauses[-1] <= BACKOFF_S[0] < stream.pauses[-2]


def test_a_first_refusal_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StreamRefused):
        asyncio.run(Script(["lost", "refused"], monkeypatch).run())


def test_a_later_refusal_is_waited_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Script(["up", "refused", "lost"], monkeypatch)
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stream.run())
    assert len(stream.pauses) == 3
