"""The manifest's bytes: a default is left out where older journals do not have the key, what cannot be is refused."""

import json
from dataclasses import replace

import pytest

from mmfold.engine.manifest import Manifest, ManifestError, encode_manifest, parse_manifest
from tests.engine.rows import make_manifest


def with_depth(depth: object) -> bytes:
    """Return a manifest's bytes with a book_depth as somebody else may have written it."""
    document = json.loads(encode_manifest(make_manifest()))
    document["instruments"][0]["book_depth"] = depth
    return json.dumps(document).encode()


def test_a_book_without_a_bound_is_not_told() -> None:
    assert b"book_depth" not in encode_manifest(make_manifest())
    assert parse_manifest(encode_manifest(make_manifest())).instruments[0].book_depth == 0


@pytest.mark.parametrize("depth", [1, 50, 1_000_000])
def test_a_depth_comes_back(depth: int) -> None:
    manifest: Manifest = make_manifest(book_depth=depth)
    assert parse_manifest(encode_manifest(manifest)) == manifest
    assert encode_manifest(manifest) != encode_manifest(make_manifest())
    bare = replace(manifest, instruments=(replace(manifest.instruments[0], book_depth=0),))
    assert encode_manifest(bare) == encode_manifest(make_manifest())


@pytest.mark.parametrize("depth", [-1, 1_000_001, 50.0, "50", True, None, [50]], ids=str)
def test_a_depth_that_is_none_is_refused(depth: object) -> None:
    with pytest.raises(ManifestError, match=r"X: book_depth .* is not 0 to 1,000,000"):
        parse_manifest(with_depth(depth))
