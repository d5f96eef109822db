import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmfold.engine.codes import PAYLOAD_KINDS, EventKind, Flag, Side
from mmfold.engine.limits import PAYLOAD_BYTES_MAX
from mmfold.engine.payload import PayloadError, payload_bytes, payload_rows


@given(st.binary(max_size=300), st.sampled_from(PAYLOAD_KINDS), st.integers(0, 1 << 40))
def test_payload_survives_its_rows(payload, kind, seq):
    rows = payload_rows(kind, seq, payload)
    assert payload_bytes(rows) == payload
    assert (rows["seq"] == seq).all() and (rows["kind"] == kind).all() and (rows["side"] == Side.NONE).all()
    assert rows["flags"].tolist() == [0] * (len(rows) - 1) + [Flag.LAST]


@pytest.mark.parametrize(
    ("size", "codes"), [(0, [0]), (1, [1]), (47, [47]), (48, [48]), (49, [48, 1]), (96, [48, 48]), (97, [48, 48, 1])]
)
def test_rows_hold_48_bytes_each(size, codes):
    assert payload_rows(EventKind.MANIFEST, 0, b"x" * size)["code"].tolist() == codes


def test_layout_is_that_of_the_page():
    raw = payload_rows(EventKind.CONFIG, 7, b"ab").tobytes()
    assert raw == (7).to_bytes(8, "little") + b"ab" + bytes(46) + bytes([2, 2, 1, 0, 0, 0, 2, 0])


def spoil_padding(rows):
    rows.view(np.uint8)[-20] = 1


def spoil_flags(rows):
    rows["flags"][0] = Flag.LAST


def spoil_seq(rows):
    rows["seq"][1] += 1


def spoil_kind(rows):
    rows["kind"][:] = EventKind.TRADE


def spoil_code(rows):
    rows["code"][-1] = 200


@pytest.mark.parametrize("spoil", [spoil_padding, spoil_flags, spoil_seq, spoil_kind, spoil_code])
def test_other_rows_are_refused(spoil):
    rows = payload_rows(EventKind.CONFIG, 7, b"x" * 60).copy()
    spoil(rows)
    with pytest.raises(PayloadError):
        payload_bytes(rows)


def test_limit():
    assert payload_rows(EventKind.CONFIG, 0, bytes(PAYLOAD_BYTES_MAX)) is not None
    with pytest.raises(PayloadError, match="1,048,577 bytes"):
        payload_rows(EventKind.CONFIG, 0, bytes(PAYLOAD_BYTES_MAX + 1))
