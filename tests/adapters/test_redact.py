"""The redactor as a table: what goes, what stays; and its laws: idempotent, JSON stays JSON, no text is too much."""

import base64
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.adapters.redact import Audience, redact, redact_fields, redact_known, remember

pytestmark = pytest.mark.usefixtures("guards")

UUID = "3f2c9a10-77aa-4b1c-9d00-a1b2c3d4e5f6"
HEX64 = "9f3c" + "a1" * 30
AWS_ID = "AKIA" + "IOSFODNN7EXAMPLE"
FORTY = "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY"
PEM = "-----BEGIN RSA PRIVATE " + "KEY-----"

TABLE = [
    # text, as an operator may read it
    ("api_key=abc", "api_key=****"),
    ("BYBIT_API_SECRET=zz", "BYBIT_API_SECRET=****"),
    ("STORAGE_POSTGRES_READER_PASSWORD=zz x", "STORAGE_POSTGRES_READER_PASSWORD=**** x"),
    ("ADMIN_TOKEN_PRIMARY: zz", "ADMIN_TOKEN_PRIMARY: ****"),
    ("a/long/path/of/bybit/api_secret: zz", "a/long/path/of/bybit/api_secret: ****"),
    ("X-BAPI-API-KEY: foo\nX-BAPI-SIGN: 00ff", "X-BAPI-API-KEY: ****\nX-BAPI-SIGN: ****"),
    ("https://h/v5?api_key=A&sign=B&x=1", "https://h/v5?api_key=****&sign=****&x=1"),
    ("Authorization: Bearer abc.def", "Authorization: ****"),
    ("sent Bearer abc.def1234", "sent ****"),
    ("Cookie: a=b; c=d\nnext", "Cookie: ****\nnext"),
    ("Authorization: Digest user=x, response=y\nnext", "Authorization: ****\nnext"),
    ("[(b'X-BAPI-API-KEY', b'abc'), ('x', 'y')]", "[****, ('x', 'y')]"),
    ('{"a":"token","b":1}', None),
    ("password = 'a b c' next", "password = '****' next"),
    ("password=ab,cd(e next", "password=**** next"),
    ("secret='two\nlines' next", "secret='****' next"),
    ("{'secret': b'abc', 'x': 1}", "{'secret': b'****', 'x': 1}"),
    ('{"apiKey":"x","apiSecret":"y\\"z","n":1}', '{"apiKey":"****","apiSecret":"****","n":1}'),
    ('{"SecretString": "a\\\\", "b": 1}', '{"SecretString": "****", "b": 1}'),
    ('{"token":123,"secret":null,"x":1}', '{"token":"****","secret":null,"x":1}'),
    ('sent {\\"api_key\\":\\"abc\\",\\"b\\":1}', 'sent {\\"api_key\\":\\"****\\",\\"b\\":1}'),
    (r'"{\"a\":\"{\\\"api_key\\\":\\\"abc\\\"}\"}"', r'"{\"a\":\"{\\\"api_key\\\":\\\"****\\\"}\"}"'),
    (f"{PEM}\nabc\n-----END RSA PRIVATE KEY----- tail", "**** tail"),
    (f"{PEM}\nabc, cut off", "****"),
    (f"id {AWS_ID} and {FORTY}.", "id **** and ****."),
    (f"run {HEX64}", "run ****"),
    ("42772157315101978216", "****"),
    ("postgres://user:pw@host/db", "postgres://****@host/db"),
    ("mail a.b+c@mm.example.com now", "mail **** now"),
    ("from 8.8.8.8:443 and 2001:4860:4860::8888", "from ****:443 and ****"),
    (f"id {UUID}", "id ****"),
    # what stays
    ("design=3 signal=0.5 signals=2 tokens=5 secret_env=dev key=strategy.skew_coeff", None),
    ("MM_BYBIT_API_KEY_FILE=/run/secrets/mm_bybit_api_key", None),
    ("127.0.0.1:8899 10.1.2.3 ::1 12:30:45 version 0.1.0", None),
    (f"order_id={UUID} orderLinkId: {UUID}", None),
    (f"head {HEX64} config_hash={HEX64[:12]}", None),
    ("2024-08-08T23:54:17.221Z 20240808T235417Z 1723161257221000000 61,740.50", None),
    ("adapters/cli/journal_command.py out/b/000000.mmj /v5/order/create-batch", None),
    ("test_failures_are_told_in_words SimulatedVenueReconciliation", None),
    ("BTC-27DEC24-60000-C/ETHUSDT", None),
    ("basic config ok; bearer of news", None),
    ("", None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), TABLE)
def test_what_goes_and_what_stays(text: str, told: str | None) -> None:
    assert redact(text) == (text if told is None else told)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("text", ["plain text", "k\"v'\\x", "two\nlines of a key", "ünï-code/+&", "trailing = "])
def test_a_known_value_goes_in_every_form(text: str) -> None:
    from urllib.parse import quote

    remember(text)
    for form in (text, repr(text)[1:-1], json.dumps(text)[1:-1], quote(text), quote(text, safe="")):
        assert redact_known(f"({form})") == "(****)"


def test_of_two_known_values_the_longer_goes_first_and_short_ones_are_left_to_their_names() -> None:
    for value in ("abcdef", "abcdefgh", "BTC"):
        remember(value)
    assert redact("abcdefgh abcdef BTC secret=BTC") == "**** **** BTC secret=****"


@given(st.binary(min_size=24, max_size=64))
def test_random_bytes_go_in_hex_and_base64(data: bytes) -> None:
    data = random.Random(data).randbytes(len(data))
    for text in (data.hex(), base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()):
        assert text.rstrip("=") not in redact(f"value {text} end")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["api_key", "x"]), inner, max_size=2),
    max_leaves=5,
)


@given(JSON)
def test_fields_are_json_and_sensitive_names_hold_nothing(value: object) -> None:
    told = redact_fields({"top": value, "api_secret": value})
    json.dumps(told)
    assert value is None or isinstance(value, bool) or told["api_secret"] == "****"


NUMBERS = st.integers(-(1 << 62), 1 << 62)  # as ours are: a longer run of digits may be a secret, and goes


NUMBERS = st.integers(-(1 << 62), 1 << 62)  # as ours are: a longer run of digits may be a secret, and goes


@given(st.dictionaries(st.sampled_from(["api_key", "x", "sign", "order_id"]), st.text() | NUMBERS | st.none()))
def test_a_line_of_json_stays_json(document: dict) -> None:
    for audience in Audience:
        told = json.loads(redact(json.dumps(document), audience))
        assert told.keys() == document.keys()


def test_fields_say_what_they_are() -> None:
    fields = {"order_id": UUID, "head": HEX64, "note": HEX64, "orderLinkId": 77, "api_key": {"a": 1}, "big": 1 << 63}
    kept = {"order_id": UUID, "head": HEX64, "note": "****", "orderLinkId": 77, "api_key": "****", "big": str(1 << 63)}
    assert redact_fields(fields) == kept
    assert redact_fields(fields, Audience.OUTSIDER) == kept | {"order_id": "****", "orderLinkId": "****"}


def test_order_ids_go_for_outsiders() -> None:
    text = f'order_id=123 {{"orderId": "{UUID}","order_id":77,"x":1}}'
    assert redact(text, Audience.OUTSIDER) == 'order_id=**** {"orderId": "****","order_id":"****","x":1}'


def test_an_object_that_cannot_say_what_it_is_and_a_deep_one_do_no_harm() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    deep: list = []
    deep.append(deep)
    assert redact_fields({"x": Broken()}) == {"x": "<Broken>"}
    assert "****" in str(redact_fields(deep))


HOSTILE = [
    "a.",
    "a@",
    "1.",
    "a:",
    "://a:",
    " ",
    "-----BEGIN A-----",
    "secret=",
    'secret="',
    "sign '\\",
    "bearer ",
    "\\",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_text_ends(piece: str) -> None:
    redact(piece * (200_000 // len(piece)))  # what is not linear does not end before the timeout
