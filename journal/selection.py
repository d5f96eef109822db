"""Which events of a journal are asked for, by kind, symbol, seq and time; must never split an event."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from mmfold.engine.manifest import Manifest

SEQ_MAX = TS_NS_MAX = 1 << 62
NO_TS_NS = -(1 << 62)  # as in engine/records.py, which --help does not load


class UnknownName(ValueError):
    """A kind or a symbol that is none; the message says which there are, `what` which it is to be."""

    def __init__(self, what: str, name: str, known: list[str]) -> None:
        super().__init__(f'{what} "{name}" is not one of {", ".join(known)}')
        self.what = what


class Selection(NamedTuple):
    """Which events to take; empty names mean all, both ends of seqs and times count."""

    kinds: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    seq_from: int = 0
    seq_until: int = SEQ_MAX
    event_count_max: int = SEQ_MAX
    ts_from_ns: int = NO_TS_NS
    ts_until_ns: int = TS_NS_MAX

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self == Selection()


class Chooser:
    """Chooses among the events of one journal, piece by piece, in their order.

    Raises: UnknownName for a kind or a symbol that does not exist.
    """

    def __init__(self, manifest: "Manifest", selection: Selection) -> None:
        import numpy as np

        from mmfold.journal.jsonl.fields import KINDS, WORDS

        known = manifest.symbol_index()
        check_known(selection.kinds, list(WORDS), "kind")
        check_known(selection.symbols, list(known), "symbol")
        self.selection = selection
        self.left = selection.event_count_max
        self.ts_ns = NO_TS_NS  # the latest receive time so far
        codes = [int(WORDS[word].kind) for word in selection.kinds] or list(KINDS)
        if selection.symbols:
            codes = [code for code in codes if KINDS[code].has_symbol]
        self.kinds = np.zeros(256, bool)
        self.kinds[codes] = True
        self.indexes = np.array([known[symbol] for symbol in selection.symbols], np.uint16)

    def is_done(self, rows: "np.ndarray") -> bool:
        """Tell whether nothing behind these rows can be chosen."""
        is_later = self.ts_ns > self.selection.ts_until_ns
        return self.left <= 0 or is_later or int(rows["seq"][-1]) >= self.selection.seq_until

    def places(self, rows: "np.ndarray") -> tuple["np.ndarray", "np.ndarray"]:
        """Return (first row, row behind the last) of each chosen event among whole events."""
        import numpy as np

        from mmfold.engine.codes import Flag

        ends = np.flatnonzero((rows["flags"] & Flag.LAST) != 0) + 1
        starts = np.concatenate((np.zeros(1, np.int64), ends[:-1]))
        seqs = rows["seq"][starts]
        keep = self.kinds[rows["kind"][starts]] & (seqs <= self.selection.seq_until)
        keep &= seqs >= self.selection.seq_from
        keep &= self._in_time(rows[["kind", "ts_receive_ns"]][starts])
        if len(self.indexes):
            keep &= np.isin(rows["instrument_index"][starts], self.indexes)
        chosen = np.flatnonzero(keep)[: self.left]
        self.left -= len(chosen)
        return starts[chosen], ends[chosen]

    def chosen(self, rows: "np.ndarray") -> "np.ndarray":
        """Return the rows of the chosen events among whole events."""
        import numpy as np

        starts, ends = self.places(rows)
        bounds = np.zeros(len(rows) + 1, np.int8)
        bounds[starts] += 1
        bounds[ends] -= 1
        found: np.ndarray = rows[np.cumsum(bounds[:-1]) > 0]
        return found

    def _in_time(self, events: "np.ndarray") -> "np.ndarray":
        """Tell which events are within the span of time; the core's clock counts, which never goes back."""
        import numpy as np

        from mmfold.engine.codes import PAYLOAD_KINDS

        ts_ns = np.where(np.isin(events["kind"], PAYLOAD_KINDS), NO_TS_NS, events["ts_receive_ns"])
        clock_ns = np.maximum.accumulate(np.concatenate(([self.ts_ns], ts_ns)))[1:]
        self.ts_ns = int(clock_ns[-1])
        return (clock_ns >= self.selection.ts_from_ns) & (clock_ns <= self.selection.ts_until_ns)


def check_known(names: tuple[str, ...], known: list[str], what: str) -> None:
    """Check that all names exist.

    Raises: UnknownName with those that do.
    """
    for name in names:
        if name not in known:
            raise UnknownName(what, name, known)
