"""A made-up market of many symbols: those that the emulator knows, under other names, slow enough for one core."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import numpy as np

from mmfold.adapters.emulator.market.source import MarketSource
from mmfold.adapters.emulator.market.synthetic import SHAPES, Walk, synthetic_manifest, walked
from mmfold.engine.limits import NS_PER_MS


def many_source(count: int, step_ms: int, seed: int = 7) -> MarketSource:
    """Return a market of some symbols, each with a step in so many ms."""
    base = synthetic_manifest(seed, [])
    names = {f"{one.symbol[:3]}{number:02}USDT": one for number in range(count) for one in base.instruments}
    picked = sorted(names)[:count]
    instruments = tuple(replace(names[symbol], symbol=symbol) for symbol in picked)
    manifest = replace(base, instruments=instruments)

    def events() -> Iterator[tuple[int, np.ndarray]]:
        walks = [
            Walk(seed, index, SHAPES[names[one.symbol].symbol], Decimal(one.tick_size))
            for index, one in enumerate(instruments)
        ]
        return walked(walks, step_ms * NS_PER_MS)

    return MarketSource(manifest, f"{count} symbols", events)
