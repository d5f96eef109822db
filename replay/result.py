"""What a replay hands to its readers: counts, digests, the final state, a thinned history; must never be changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mmfold.engine.manifest import Manifest
from mmfold.engine.records import I8, record
from mmfold.engine.state import State
from mmfold.replay.comparison import RulesComparison

SAMPLE = record(
    56,
    [
        ("ts_ns", I8),
        ("instrument_index", I8),
        ("mid_half_ticks", I8),  # best bid + best ask, NO_PRICE_TICKS when there is no mid
        ("quote_bid_ticks", I8),  # own best quote, NO_PRICE_TICKS when none rests
        ("quote_ask_ticks", I8),
        ("position_lots", I8),
        ("pnl_micros", I8),  # net: realised + unrealised - fees - funding
    ],
)


@dataclass(frozen=True)
class ReplayResult:
    """One finished replay.

    Shape: `samples` are SAMPLE rows in time order, some 1,000 to 2,000 per instrument; `fill_rows` the FILL events.
    """

    manifest: Manifest
    state: State
    events: int
    rows: int
    head: str
    sealed: bool
    state_digest: str
    effects_digest: str
    effect_counts: dict[str, int]  # place, amend, cancel, audit, alert; note where there are any, of each its parts
    fills: int
    witnessed_count: int | None  # that are identical; None: the journal has no witnesses
    samples: np.ndarray
    fill_rows: np.ndarray
    params: dict[str, Any] = field(default_factory=dict)
    policies: Mapping[str, Any] = field(default_factory=dict)  # of Member; an import would key kernels by the policies
    digest_count: int = 0  # DIGEST witnesses of this layout, compared where the rules are the same
    digests_of_layouts: dict[str, int] = field(default_factory=dict)  # others, not compared
    comparison: RulesComparison | None = None  # of a journal of other rules
    source: str = ""
    seconds: float = 0.0
