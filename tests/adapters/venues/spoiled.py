"""Frames that went wrong on their way, for the law that any bytes give rows or are refused."""

import orjson
from hypothesis import strategies as st

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 64), 1 << 64) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoiled_frames(draw: st.DrawFn, good_frames: list[bytes]) -> bytes:
    """A good frame with one value replaced, or some bytes cut, repeated or changed."""
    good = draw(st.sampled_from(good_frames))
    if draw(st.booleans()):
        start, end = sorted((draw(st.integers(0, len(good))), draw(st.integers(0, len(good)))))
        return good[:start] + draw(st.binary(max_size=4)) + good[end:]
    message = orjson.loads(good)
    node, key = message, None
    while isinstance(node, dict | list) and node and (key is None or draw(st.booleans())):
        parent = node
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        node = parent[key]
    parent[key] = draw(JSON)
    try:
        return orjson.dumps(message)
    except TypeError:  # an integer beyond 64 bits
        return good
