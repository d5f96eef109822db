"""The journal that fails, read and verified once: its inputs and what it was configured with.

Effects and digests are no part of a candidate, which computes its own. A journal without decisions gets the CONFIG
that a replay would give it as its second event, so that what is written later stands for itself.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmfold.config.load import load_config
from mmfold.config.models import Config
from mmfold.config.params import config_document
from mmfold.engine.codes import EventKind
from mmfold.engine.core import config_payload, merge_config
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.limits import ORDER_ID_SEQ_SHIFT
from mmfold.engine.manifest import PARENT_ROWS, Manifest, canonical_json, encode_manifest
from mmfold.engine.params import parse_config
from mmfold.engine.payload import payload_bytes, payload_rows
from mmfold.engine.views import is_effect
from mmfold.journal.formats import Events
from mmfold.replay.minimize.candidate import Candidate, from_events, from_rows
from mmfold.replay.minimize.orders import move_orders
from mmfold.replay.patch import patch_of
from mmfold.replay.strategy.file import check_configured, check_recorded


@dataclass(frozen=True)
class Recording:
    """A journal as minimizing needs it."""

    path: Path
    manifest: Manifest  # as it is of the inputs below: witnessed, of this build
    head: str
    parent: Manifest
    inputs: Candidate
    events: int  # of the journal, effects included
    sealed: bool
    is_overlaid: bool  # with another configuration


def read_recording(
    path: Path,
    config: Config | None = None,
    *,
    is_patch: bool = True,
    base: tuple[str, ...] = (),
    fails_if: str = "",
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Recording:
    """Read a whole journal, verified, and lay a configuration over its own.

    Raises: JournalError, JsonlError, ManifestError, ConfigError, StrategyMissing.
    """
    source = Events(path)
    parent = source.manifest
    check_recorded(parent)
    parts, seen = [], 0
    for rows in source.chunks():
        parts.append(rows[~is_effect(rows["kind"])])
        seen += len(rows)
        on_rows(seen)
    inputs = from_rows(np.concatenate(parts))
    document = config_document(config or load_config(None), parent)
    check_configured(document)
    if not parent.witnessed:
        inputs = with_config(inputs, document)
    elif config is not None:
        inputs = overlaid(inputs, patch_of(config, parent, base) if is_patch else document)
    manifest = smaller_manifest(parent, source.head, fails_if, document if config is not None else {})
    inputs = with_manifest(inputs, manifest)
    return Recording(
        path=path, manifest=manifest, head=source.head, parent=parent, inputs=inputs,
        events=source.counts.events, sealed=source.sealed, is_overlaid=config is not None,
    )  # fmt: skip


def smaller_manifest(parent: Manifest, head: str, fails_if: str, override: dict[str, Any]) -> Manifest:
    """Return the manifest of the journal to be written, which names its parent."""
    extra = {key: text for key, text in parent.extra.items() if key != PARENT_ROWS}
    depends = {"config": override, "fails_if": fails_if, "parent_head": head}
    return parent.renewed(
        run_id=f"minimize-{hashlib.sha256(canonical_json(depends)).hexdigest()[:12]}",
        parent_run=parent.run_id,
        source="minimize",
        witnessed=True,
        layout=LAYOUT_ID,
        extra={**extra, "fails_if": one_line(fails_if), "parent_head": head},
    )


def one_line(text: str) -> str:
    """Return a text as a manifest may hold it."""
    return "".join(one if one.isprintable() else " " for one in text)


def with_manifest(inputs: Candidate, manifest: Manifest) -> Candidate:
    """Return the inputs behind another manifest."""
    rest = inputs.rows[inputs.bounds[1] :]
    return from_rows(np.concatenate((payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)), rest)))


def with_config(inputs: Candidate, document: dict[str, Any]) -> Candidate:
    """Return the inputs with a CONFIG behind the manifest; what follows is one event later, orders too."""
    rest = inputs.rows[inputs.bounds[1] :].copy()
    rest["seq"] += 1
    move_orders(rest, lambda order_id: order_id + (1 << ORDER_ID_SEQ_SHIFT))
    config = payload_rows(EventKind.CONFIG, 1, config_payload(document))
    return from_rows(np.concatenate((inputs.event(0), config, rest)))


def overlaid(inputs: Candidate, override: dict[str, Any]) -> Candidate:
    """Return the inputs with every CONFIG as a replay with --set or --config would fold it."""
    events = inputs.events()
    for index in np.flatnonzero(inputs.first["kind"] == EventKind.CONFIG).tolist():
        merged = merge_config(parse_config(payload_bytes(events[index])), override)
        events[index] = payload_rows(EventKind.CONFIG, int(events[index]["seq"][0]), config_payload(merged))
    return from_events(events)
