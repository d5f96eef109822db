"""The three forms of captures, one line at a time; must never look at what a venue's message says.

    stamped     `<receive time> <message>`
    cryptofeed  `<receive time>: <message>` received, `<url> -> <t>: <body>` an HTTP response,
                `<url> <- <t>: <message>` sent by the client, `<url> <-> <t>` a connection opened (cryptofeed v2 text)
    capture     one JSON object a line: `t` = header, http, connect, send or recv; `ts` a time;
                `data` the message as a string

The times of the first are usually ns, of the others seconds; a file's own units are found by its digits (units.py).
Times in seconds become ns digit by digit: a float of today's seconds is only good to 200 ns.
"""

import enum
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import orjson

from mmfold.adapters.importers.outcome import ImportFailedError, RefusedError
from mmfold.adapters.importers.streams import CHUNK_BYTES, read_lines
from mmfold.adapters.importers.units import SPOKEN_UNITS, STAMPED_UNITS, Units, find_units
from mmfold.engine.limits import NS_PER_S, TS_NS_MAX
from mmfold.engine.records import NO_TS_NS

SECONDS = rb"([0-9]{1,19})(?:\.([0-9]{1,9}))?"
STAMPED_LINE = re.compile(rb"([0-9]{1,19}) (.+)", re.DOTALL)
RECEIVED_LINE = re.compile(SECONDS + rb": (.*)", re.DOTALL)
SPOKEN_LINE = re.compile(rb"([a-z]+://[^ ]+) (<->|<-|->) " + SECONDS + rb"(?:: (.*))?", re.DOTALL)
CAPTURE_TIME = re.compile(rb'[,{]"ts": ?' + SECONDS + rb"[,}]")
SNIFF_LINE_COUNT = 100
BOM = b"\xef\xbb\xbf"
EXCHANGE_TIME = re.compile(rb'"(?:E|T|ts|cts)": ?([0-9]{1,19})[,}]')
MARKET_IN_URL = re.compile(
    r"/public/(linear|inverse|spot|option)\b|//(fapi|fstream)|//(dapi|dstream)|//(api|stream)\.binance"
)


CAPTURES = "mm import takes what a venue sent: raw JSON messages with their receive times, as `mm record` keeps them"
UNPACK = f"unpack it and import the files in it; {CAPTURES}"
UTF_8 = "convert it to UTF-8, such as with iconv -f UTF-16 -t UTF-8"
FOREIGN = (
    (b"PK\x03\x04", "a zip archive", UNPACK),
    (b"PK\x05\x06", "an empty zip archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a rar archive", UNPACK),
    (b"\xfd7zXZ\x00", "an xz file", "unpack it with xz -d"),
    (b"BZh", "a bzip2 file", "unpack it with bzip2 -d"),
    (b"\x04\x22\x4d\x18", "an lz4 file", "unpack it with lz4 -d"),
    (b"PAR1", "a Parquet file", CAPTURES),
    (b"\xff\xfe", "UTF-16 text", UTF_8),
    (b"\xfe\xff", "UTF-16 text", UTF_8),
)
# At least two separators and nothing of JSON: a header, or numbers.
SEPARATED_LINE = re.compile(rb"[^{}\[\],;\t]*(?:[,;\t][^{}\[\],;\t]*){2,}")


class Form(enum.IntEnum):
    """How a capture's lines are made; the numbers are the kernels' too."""

    STAMPED = 0
    CRYPTOFEED = 1
    CAPTURE = 2


class Origin(enum.Enum):
    """Who said what a line holds."""

    RECEIVED = "received"
    RESPONSE = "response"
    SENT = "sent"
    OPENED = "connect"
    HEADER = "header"


FORM_UNITS = {Form.STAMPED: STAMPED_UNITS, Form.CRYPTOFEED: SPOKEN_UNITS, Form.CAPTURE: SPOKEN_UNITS}
CAPTURE_ORIGINS = {
    "recv": Origin.RECEIVED,
    "http": Origin.RESPONSE,
    "send": Origin.SENT,
    "connect": Origin.OPENED,
    "header": Origin.HEADER,
}
SPOKEN_ORIGINS = {b"<->": Origin.OPENED, b"<-": Origin.SENT, b"->": Origin.RESPONSE}


@dataclass(frozen=True, slots=True)
class Frame:
    """One line of a capture.

    Units: ts_receive_ns is `NO_TS_NS` where the line has no time.
    """

    origin: Origin
    ts_receive_ns: int
    message: bytes
    url: str = ""
    connection: str = ""  # its name, where the form has one


@dataclass(frozen=True, slots=True)
class Sniffed:
    """What the start of a file shows: its form and its first receive time."""

    path: Path
    form: Form
    units: Units
    ts_receive_ns: int
    start: bytes = b""  # the first lines, by which files of one first time are put in order


def parse_frame(form: Form, line: bytes, units: Units | None = None) -> Frame:
    """Return what one line without its LF holds; units are the file's, by default those of its form.

    A byte order mark before it, which editors write, says nothing.
    Raises: RefusedError.
    """
    line, units = line.removeprefix(BOM), units or FORM_UNITS[form]
    if form == Form.STAMPED:
        match = STAMPED_LINE.fullmatch(line)
        if match is None:
            raise RefusedError("not `<receive time> <message>`")
        return Frame(Origin.RECEIVED, stamp_ns(match[1], None, units), match[2])
    if form == Form.CAPTURE:
        return parse_capture_line(line, units)
    if match := RECEIVED_LINE.fullmatch(line):
        return Frame(Origin.RECEIVED, stamp_ns(match[1], match[2], units), match[3])
    if match := SPOKEN_LINE.fullmatch(line):
        url = match[1].decode("utf-8", "replace")
        return Frame(SPOKEN_ORIGINS[match[2]], stamp_ns(match[3], match[4], units), match[5] or b"", url)
    raise RefusedError("not `<time>: <message>` and not `<url> -> <time>: <message>`")


def parse_capture_line(line: bytes, units: Units) -> Frame:
    """Return what one JSON line of a capture holds.

    Raises: RefusedError.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RefusedError(f"not JSON: {error}") from error
    if not isinstance(record, dict) or record.get("t") not in CAPTURE_ORIGINS:
        raise RefusedError('unknown record: "t" is none of ' + ", ".join(CAPTURE_ORIGINS))
    origin = CAPTURE_ORIGINS[record["t"]]
    if origin == Origin.HEADER:
        return Frame(origin, NO_TS_NS, b"")
    match = CAPTURE_TIME.search(line)
    if match is None:
        raise RefusedError('"ts" is missing or not a plain number')
    message = record.get("data", "")
    if not isinstance(message, str) or (not message and origin in (Origin.RECEIVED, Origin.RESPONSE)):
        raise RefusedError('"data" is missing or not a string')
    url, connection = record.get("url") or record.get("addr") or "", record.get("conn", "")
    if not isinstance(url, str) or not isinstance(connection, str):
        raise RefusedError('"url", "addr" or "conn" is not a string')
    return Frame(origin, stamp_ns(match[1], match[2], units), message.encode(), url, connection)


def stamp_ns(whole: bytes, fraction: bytes | None, units: Units) -> int:
    """Return a receive time in ns, exactly.

    Raises: RefusedError for one that a row cannot hold, and for one that is not in the file's unit.
    """
    ts_ns = int(whole) * units.receive_ns
    if fraction:
        part_ns, rest = divmod(int(fraction.ljust(9, b"0")) * units.receive_ns, NS_PER_S)
        if rest:
            raise RefusedError(f"receive time {(whole + b'.' + fraction).decode()} has more digits than ns")
        ts_ns += part_ns
    if not units.ts_low_ns <= ts_ns < TS_NS_MAX:
        raise RefusedError(
            f"receive time {whole.decode()} is out of range: the file's are in {units.names()['receive']}"
        )
    return ts_ns


def market_of_url(url: str) -> str:
    """Return the market that a connection's address names, or nothing."""
    match = MARKET_IN_URL.search(url)
    if match is None:
        return ""
    return match[1] or ("usdm" if match[2] else "coinm" if match[3] else "spot")


def sniff(path: Path) -> Sniffed:
    """Read the start of a file and tell its form.

    Raises: ImportFailedError when it is empty or no form that is known.
    """
    head = next(read_lines(path, lambda _: None), b"")
    # Of a packed file the first buffer may be longer, and shows no more for it.
    head = head[: head.rfind(b"\n", 0, CHUNK_BYTES) + 1 or len(head)]
    if not head.strip():
        raise ImportFailedError(f"{path.name}: the file is empty")
    for magic, what, hint in FOREIGN:
        if head.startswith(magic):
            raise ImportFailedError(f"{path.name}: {what}, no capture of a stream", hint)
    first_lines = head.split(b"\n", SNIFF_LINE_COUNT)[:SNIFF_LINE_COUNT]
    lines = [line.rstrip(b"\r").removeprefix(BOM) for line in first_lines if line.strip()]
    forms: tuple[Form, ...] = tuple(Form)
    units = {form: sniff_units(form, lines) for form in forms}
    for line in lines:
        for form in forms:
            with suppress(RefusedError):
                frame = parse_frame(form, line, units[form])
                if frame.ts_receive_ns != NO_TS_NS:
                    return Sniffed(path, form, units[form], frame.ts_receive_ns, b"\n".join(lines))
                forms = (form,)
    if SEPARATED_LINE.fullmatch(lines[0]):
        raise ImportFailedError(f"{path.name}: separated values (CSV), no capture of a stream", CAPTURES)
    raise ImportFailedError(
        f"{path.name} line 1 (byte 0): no form of capture that is known",
        "expected `<time> <json>` lines, cryptofeed text, or one JSON object a line with t, ts, data",
    )


def sniff_units(form: Form, lines: list[bytes]) -> Units:
    """Return the units of the times in a file's first lines, read in a form."""
    stamps, times = [], []
    for line in lines:
        if form == Form.STAMPED:
            match = STAMPED_LINE.fullmatch(line)
        elif form == Form.CRYPTOFEED:
            match = RECEIVED_LINE.fullmatch(line)
        else:
            match = CAPTURE_TIME.search(line)
        if match is not None:
            stamps.append(int(match[1]))
            message = line[match.end(1) :].replace(b'\\"', b'"')  # of a capture it is a string in a string
            times += [int(number) for number in EXCHANGE_TIME.findall(message)]
    return find_units(stamps, times, FORM_UNITS[form])
