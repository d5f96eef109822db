"""JSON from outside is bounded in depth, whatever it is a part of, and told in a line."""

import pytest

from mmfold.engine.commands import parse_command
from mmfold.engine.json_text import JSON_DEPTH_MAX, parse_json
from mmfold.engine.manifest import Instrument, Manifest, ManifestError, parse_manifest
from mmfold.engine.params import ConfigPayloadError, parse_config

MANIFEST = Manifest(run_id="r", instruments=(Instrument(symbol="A", tick_size="1", lot_size="1"),))


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + "1" + closing * depth).encode()


def test_the_limit_is_a_limit() -> None:
    assert parse_json(nested(JSON_DEPTH_MAX)) is not None
    with pytest.raises(ValueError, match="deeper than 32"):
        parse_json(nested(JSON_DEPTH_MAX + 1))


DEEP = [nested(depth, *marks) for depth in (33, 500, 100_000) for marks in (("[", "]"), ('{"a":', "}"))]


@pytest.mark.parametrize("text", [*DEEP, b"[" * 100_000], ids=lambda text: f"{len(text)}")
def test_deep_nesting_is_told(text: bytes) -> None:
    with pytest.raises(ManifestError, match="manifest is not JSON"):
        parse_manifest(text)
    with pytest.raises(ConfigPayloadError, match="CONFIG payload is not JSON"):
        parse_config(text)
    with pytest.raises(ConfigPayloadError, match="COMMAND payload is not JSON"):
        parse_command(text, MANIFEST)


@pytest.mark.parametrize("one", ["1", '"A"', "[]", "null", '{"symbol":5,"tick_size":"1","lot_size":"1"}'])
def test_an_instrument_of_another_type_is_told(one: str) -> None:
    with pytest.raises(ManifestError, match=r"manifest|symbol 5 must be"):
        parse_manifest(f'{{"schema_version":1,"run_id":"r","instruments":[{one}]}}'.encode())
