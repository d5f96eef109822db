"""Log lines: their form, and that nothing a library or a mistake puts into a record comes out of them."""

import fcntl
import io
import json
import logging
import os
import re
import time
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from mmfold.adapters.logs import TEXT_CHARS_MAX, EventLog, setup_logs
from mmfold.adapters.secrets.value import Secret

pytestmark = pytest.mark.usefixtures("guards")

CANARY = "canary of eighteen"  # no pattern knows it
HEX64 = "9f" * 32
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> io.StringIO:
    stream = io.StringIO()
    setup_logs("DEBUG", stream)
    return stream


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    def read() -> list[dict[str, Any]]:
        text = stream.getvalue()
        assert text.isascii() and CANARY not in text
        return [json.loads(line) for line in text.splitlines()]

    return read


def test_a_line_is_an_event_with_its_fields_keys_sorted(stream: io.StringIO, lines: Lines) -> None:
    EventLog("mm.orders").info("order_blocked", symbol="BTCUSDT", reason="cross_price", price_ticks=617405, note="é😀")
    line = stream.getvalue()
    names = list(json.loads(line))
    assert names == sorted(names) and line.endswith("}\n") and "\\u00e9\\ud83d\\ude00" in line
    [told] = lines()
    assert told.pop("ts").endswith("Z")
    assert told == {
        "event": "order_blocked", "level": "info", "logger": "mm.orders",
        "note": "é😀", "price_ticks": 617405, "reason": "cross_price", "symbol": "BTCUSDT",
    }  # fmt: skip


def test_nothing_of_a_secret_comes_out_of_any_part_of_a_record(lines: Lines) -> None:
    secret = Secret(CANARY)
    log, foreign = EventLog("mm"), logging.getLogger("urllib3")
    log.info("fields", key=secret, text=secret.reveal(), deep=[{"x": secret.reveal()}], api_secret="abc")
    log.info(f"in the event {CANARY}")
    foreign.debug("header %s %r", CANARY, secret)
    foreign.debug("bad arguments %d", CANARY)
    foreign.debug("stack", stack_info=True)
    foreign.debug("a field", extra={"fields": CANARY})
    warnings.warn(f"deprecated {CANARY}", stacklevel=1)
    try:
        raise ValueError(f"signature for {CANARY}")
    except ValueError as error:
        log.error("request_failed", error=error)
        foreign.exception("failed")
    told = lines()
    assert len(told) == 9
    assert told[0]["api_secret"] == "****" and told[0]["text"] == "****"
    assert told[2]["event"].startswith("header **** Secret(can...")
    assert "arguments do not fit" in told[3]["event"]
    assert "ValueError: signature for ****" in told[7]["trace"] == told[8]["trace"]


def test_a_plain_formatter_gets_the_redacted_record(stream: io.StringIO) -> None:
    Secret(CANARY)
    handler = setup_logs("INFO", stream)
    handler.setFormatter(logging.Formatter("%(message)s %(args)s %(exc_text)s"))
    try:
        raise ValueError(CANARY)
    except ValueError:
        logging.getLogger("x").exception("said %s", CANARY)
    assert CANARY not in stream.getvalue() and "ValueError: ****" in stream.getvalue()


def test_operators_keep_order_ids_and_our_hashes(lines: Lines) -> None:
    EventLog("mm").info("order_placed", order_id="3f2c9a10-77aa-4b1c-9d00-a1b2c3d4e5f6", head=HEX64, other=HEX64)
    [told] = lines()
    assert told["order_id"].startswith("3f2c9a10") and told["head"] == HEX64 and told["other"] == "****"


def test_a_huge_frame_is_cut_after_it_is_redacted(lines: Lines) -> None:
    Secret(CANARY)
    EventLog("mm").info("frame", raw="x " * (TEXT_CHARS_MAX // 2 - 4) + CANARY + " tail" * 99)
    [told] = lines()
    assert len(told["raw"]) < TEXT_CHARS_MAX + 40 and told["raw"].endswith("chars)")


def test_lone_surrogates_and_control_characters_make_a_line(lines: Lines) -> None:
    EventLog("mm").info("frame\n\x00", raw="\ud800", data=b"\xff\x00")
    assert lines()[0]["raw"] == "\\ud800"


def test_a_stream_that_fails_costs_lines_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    handler = setup_logs("INFO", Full())
    EventLog("mm").error("lost", error=ValueError("x"))
    assert handler.lost_count == 1 and capfd.readouterr() == ("", "")


def test_levels_and_the_line_s_own_names_are_checked(lines: Lines) -> None:
    with pytest.raises(ValueError, match="none of DEBUG"):
        setup_logs("LOUD")
    with pytest.raises(AssertionError, match="event"):
        EventLog("mm").log(logging.INFO, "x", {"event": "y"})
    logging.getLogger().setLevel(logging.WARNING)
    EventLog("mm").info("quiet")
    EventLog("mm").warning("loud")
    EventLog("mm").debug("quiet")
    assert [line["event"] for line in lines()] == ["loud"]


def test_the_compiler_keeps_its_statements_to_itself(lines: Lines) -> None:
    numba, library = logging.getLogger("numba.core.ssa"), logging.getLogger("aiohttp.client")
    numba.debug("on stmt: %s", "jump 188")
    numba.warning("slow")
    library.debug("connected")
    assert [line["event"] for line in lines()] == ["slow", "connected"]


def test_lines_that_nobody_takes_are_counted_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that stops reading costs lines, never time; once it reads again it is told how many."""
    monkeypatch.setattr("mmfold.adapters.logs.LINE_COUNT_MAX", 10)
    monkeypatch.setattr("mmfold.adapters.logs.CLOSE_S", 0.2)
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4_096)
    with open(writer, "w") as stream:
        handler = setup_logs("DEBUG", stream, is_queued=True)
        started_s = time.monotonic()
        for number in range(300):
            EventLog("mm").info("said", number=number, text="x" * 1_000)
        assert time.monotonic() - started_s < 2
        lost = handler.lost_count
        assert lost > 100
        text = b""
        while sum(int(count) for count in re.findall(rb'"lines":([0-9]+)', text)) < lost:
            text += os.read(reader, 1 << 16)
        handler.close()
        assert time.monotonic() - started_s < 10
    found = [json.loads(line) for line in text.decode().splitlines() if line.startswith("{") and line.endswith("}")]
    said = [line["number"] for line in found if line["event"] == "said"]
    assert said == sorted(said) and said[0] == 0 and len(said) <= 300 - lost
    os.close(reader)


def test_a_queue_is_written_to_its_end_and_redacted(stream: io.StringIO) -> None:
    handler = setup_logs("DEBUG", stream, is_queued=True)
    Secret(CANARY)
    for number in range(50):
        EventLog("mm").info("said", number=number, text=CANARY)
    handler.close()
    EventLog("mm").info("said", number=50, text="after the end")
    found = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["number"] for line in found] == list(range(51)) and CANARY not in stream.getvalue()
