"""The core as drivers use it: feed rows, take effects; joins the two lanes. Must never do I/O or read a clock."""

import hashlib
import json
import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from mmfold.engine.beyond import is_beyond, told_beyond
from mmfold.engine.codes import AuditKind, EventKind, PolicyTask, Reason, Stop
from mmfold.engine.commands import CancelCommand, Command, ResumeCommand, parse_command
from mmfold.engine.layout import LAYOUT_ID
from mmfold.engine.limits import CHAIN_BLOCK_EVENT_COUNT, ROW_BYTES, TS_NS_MAX
from mmfold.engine.manifest import Manifest, canonical_json
from mmfold.engine.params import ConfigPayloadError, parse_config, set_base
from mmfold.engine.payload import payload_bytes
from mmfold.engine.policy.lane import PolicyLane
from mmfold.engine.policy.note import Emit
from mmfold.engine.policy.registry import POLICIES
from mmfold.engine.policy.seam import Policy
from mmfold.engine.records import EVENT, KIND_AT, KIND_COUNT, NO_TS_NS
from mmfold.engine.rules import RULES
from mmfold.engine.state import digest_state, dump_state, load_state, make_out, make_state
from mmfold.engine.step import run, run_decide_all, run_emit

OnEffects = Callable[[np.ndarray], None]
DIGEST_BYTES = hashlib.sha256().digest_size
HEADER = struct.Struct("<QQ")
DONE = (int(Stop.END), int(Stop.DECIDED))
POLICY, TIMER = int(Stop.POLICY), int(PolicyTask.TIMER)  # plain: they are compared at each run of a policy
FEW_EFFECTS = 32  # up to here counting one by one costs less than numpy


class WitnessDiffers(Exception):
    """A witnessed effect is not the computed one.

    Attributes: witnessed and computed are EVENT rows, None where one side has no effect; seq is of the first
    difference.
    """

    def __init__(self, seq: int, witnessed: np.void | None, computed: np.void | None) -> None:
        super().__init__(f"decision differs at seq {seq}")
        self.seq = seq
        self.witnessed = witnessed
        self.computed = computed


class DigestDiffers(Exception):
    """A DIGEST witness is not the state's digest."""

    def __init__(self, seq: int, witnessed: str, computed: str) -> None:
        super().__init__(f"state digest differs at seq {seq}: witnessed {witnessed}, computed {computed}")
        self.seq = seq
        self.witnessed = witnessed
        self.computed = computed


class EffectsDigest:
    """The digest of all effects, the same for every batching and every split at chain block boundaries.

    d = sha256(d || sha256(effect rows caused in one chain block)), folded over the blocks that have effects.
    """

    def __init__(self) -> None:
        self.block_digests: list[bytes] = []
        self.value = hashlib.sha256(b"mm/effects/1").digest()
        self.hasher = hashlib.sha256()
        self.dirty = False

    def update(self, data: bytes) -> None:
        """Add the bytes of effects of the block under way."""
        if data:
            self.hasher.update(data)
            self.dirty = True

    def close_block(self) -> None:
        """End the block under way."""
        if self.dirty:
            self.block_digests.append(self.hasher.digest())
            self.value = fold_digest(self.value, self.block_digests[-1])
            self.hasher = hashlib.sha256()
            self.dirty = False

    def hexdigest(self) -> str:
        """Return the digest of all effects so far."""
        value = fold_digest(self.value, self.hasher.digest()) if self.dirty else self.value
        return value.hex()


def fold_digest(value: bytes, block_digest: bytes) -> bytes:
    """Return the effects digest after one more block."""
    return hashlib.sha256(value + block_digest).digest()


class Core:
    """One state with its policies, fed with rows; an `override` document is laid over every CONFIG of the journal.

    `on_effects` gets every effect row once, in order, after it was compared with its witness if there is one; the rows
    are its own and cannot be changed.
    """

    def __init__(
        self,
        manifest: Manifest,
        on_effects: OnEffects | None = None,
        *,
        override: dict[str, Any] | None = None,
        policies: Iterable[Policy] = POLICIES,
    ) -> None:
        self.manifest = manifest
        self.state = make_state(manifest)
        self.state.clock["row_count"] -= manifest.rows_added()
        self.lane = PolicyLane(manifest, policies)
        # A journal of other rules is not expected to hold what this build decides: replay/comparing.py lists that.
        self.compares = manifest.witnessed and manifest.rules == RULES
        self.out = make_out(self.compares)
        # Views of single fields: one event's call reads and sets them at a third of the cost of a record's fields.
        self.row_index, self.effect_count = self.out["row_index"], self.out["effect_count"]
        self.witness_index, self.effects = self.out["witness_index"], self.out["effects"][0]
        self.witnessed, self.stop_on_effects = self.out["witnessed"], self.out["stop_on_effects"]
        self.event_row_index, self.policy_task = self.out["event_row_index"], self.out["policy_task"]
        self.effects_digest = EffectsDigest()
        self.on_effects = on_effects
        self.override = override
        self.document: dict[str, Any] = {}  # the configuration in force
        self.effect_kind_counts = [0] * KIND_COUNT
        self.witnessed_count = 0
        self.digest_count = 0  # DIGEST witnesses of this layout
        self.digests_of_layouts: dict[str, int] = {}  # and of others, which nothing here can be compared with

    def configure(self, document: dict[str, Any]) -> None:
        """Set PARAMS and policies before the first event; a journal's own CONFIG events come later and change them."""
        self.apply_config(document)

    def apply_config(self, document: dict[str, Any], emit: Emit | None = None) -> None:
        """Apply a CONFIG document, all or nothing; what changes is told through `emit`.

        Raises: ConfigPayloadError.
        """
        interval_ns = document.get("policy_interval_ns")  # in older journals: of every policy
        if interval_ns is not None and (type(interval_ns) is not int or not 0 < interval_ns < TS_NS_MAX):
            raise ConfigPayloadError(f"policy_interval_ns: {interval_ns!r} is not a positive integer")
        members = self.lane.configured(document.get("policies", {}), interval_ns)
        set_base(self.state, self.manifest, document.get("params", {}))
        # Must succeed from here.
        self.document = merge_config(self.document, document)
        self.lane.configure(self.state, members)
        self.lane.follow_base(self.state, emit)

    def advance(self, rows: np.ndarray, start: int) -> int:
        """Fold events from row `start` on until one has decided something; returns the row after it.

        For drivers that make witnesses: they drain, journal the effects and number the next events behind them.
        """
        self.witnessed[0] = 0
        self.stop_on_effects[0] = 1
        self.feed(rows, start)
        return self.row_index.item(0)

    def feed(self, rows: np.ndarray, start: int = 0) -> None:
        """Fold a batch of whole events.

        Raises: WitnessDiffers, DigestDiffers, ConfigPayloadError, BeyondLimits; AssertionError for a broken invariant,
        with the seq.
        """
        self.row_index[0] = start
        if rows.flags.writeable:  # one kind of array, so that the kernels are compiled once
            rows = rows.view()
            rows.flags.writeable = False
        while True:
            try:
                stop = run(self.state.clock, self.state.cells, rows, self.out)
            except AssertionError as error:
                row = rows[int(self.out[0]["event_row_index"])]
                seq = row["seq"]
                if is_beyond(error):
                    raise told_beyond(int(seq), self.manifest.instruments[int(row["instrument_index"])]) from error
                raise AssertionError(f"invariant broken at seq {seq}: {error or 'an assertion of the core'}") from error
            if stop in DONE:
                return
            if stop == POLICY:
                self.run_policy_lane(self.event_of(rows))
                if self.stop_on_effects.item(0):
                    return
            elif stop == Stop.WITNESS_DIFFERS:
                self.raise_witness_differs(rows)
            elif stop == Stop.DIGEST:
                self.check_digest(self.event_of(rows))
            elif stop == Stop.BLOCK:
                self.drain()
                self.effects_digest.close_block()
            else:
                assert stop == Stop.EFFECTS_FULL
                self.drain()

    @property
    def is_awaiting(self) -> bool:
        """Whether decisions wait for their witnesses, which stand in rows that were not fed yet."""
        return self.compares and self.witness_index.item(0) < self.effect_count.item(0)

    def drain(self) -> None:
        """Hand the effects decided so far to the driver and empty the buffer."""
        count = self.effect_count.item(0)
        if count:
            data = self.effects[:count].tobytes()
            self.effects_digest.update(data)
            if count <= FEW_EFFECTS:
                for kind in data[KIND_AT::ROW_BYTES]:
                    self.effect_kind_counts[kind] += 1
            else:
                for kind, many in enumerate(np.bincount(np.frombuffer(data, EVENT)["kind"]).tolist()):
                    self.effect_kind_counts[kind] += many
            if self.on_effects is not None:
                self.on_effects(np.frombuffer(data, EVENT))
            self.witnessed_count += self.witness_index.item(0)
            self.effect_count[0] = 0
            self.witness_index[0] = 0

    def finish(self) -> int:
        """Drain at the end of the journal; returns how many last effects had no witness (a crash before they were
        written).
        """
        unwitnessed = int(self.out[0]["effect_count"] - self.out[0]["witness_index"])
        self.drain()
        return unwitnessed if self.compares else 0

    def run_policy_lane(self, rows: np.ndarray) -> None:
        """Run what the fast lane cannot: configuration, commands and due policies; then decide with the new PARAMS."""
        task = self.policy_task.item(0)
        if task == TIMER:
            changed = self.lane.run_due(self.state, self.emit)
        else:
            self.run_control(PolicyTask(task), payload_bytes(rows))
            changed = True
        if changed:
            self.state.quoters["requote_forced"] = 1
        run_decide_all(self.state.clock, self.state.cells, self.out)

    def run_control(self, task: PolicyTask, payload: bytes) -> None:
        """Carry out a CONFIG or a COMMAND event."""
        if task == PolicyTask.CONFIG:
            self.apply_config(merge_config(parse_config(payload), self.override or {}), self.emit)
        else:
            assert task == PolicyTask.COMMAND
            self.run_command(parse_command(payload, self.manifest))

    def event_of(self, rows: np.ndarray) -> np.ndarray:
        """Return the rows of the event that the fast lane stopped at."""
        return rows[self.event_row_index.item(0) : self.row_index.item(0)]

    def run_command(self, command: Command) -> None:
        """Carry out a COMMAND: what the policy lane takes, or the cancel of an order that rests at the venue and that
        the core does not hold.
        """
        if isinstance(command, ResumeCommand):
            self.state.clock["day_stopped"] = 0
            self.state.clock["day_end_ns"] = NO_TS_NS  # the next event begins the day anew (engine/day.py)
            return
        if not isinstance(command, CancelCommand):
            self.lane.run_command(self.state, command, self.emit)
            return
        index = self.manifest.symbol_index()[command.symbol]
        effect = self.emit(index, EventKind.AUDIT, AuditKind.ORDER)
        effect["kind"] = EventKind.CANCEL
        effect["order_id"] = command.order_id
        effect["code"] = Reason.COMMAND
        counter = self.state.counters[index]
        counter["audit_count"] -= 1  # the row was made as an audit
        counter["cancelled_count"] += 1

    def emit(self, instrument_index: int, kind: EventKind, code: int, count: int = 1) -> np.ndarray:
        """Append AUDIT, ALERT or NOTE rows from the policy lane and return them, to be filled in."""
        cells, first = self.state.cells[instrument_index : instrument_index + 1], self.effect_count.item(0)
        for place in range(count):
            run_emit(self.state.clock, cells, self.out, int(kind), int(code) + place)
        effects: np.ndarray = self.effects[first : first + count]
        return effects

    def check_digest(self, rows: np.ndarray) -> None:
        """Compare a DIGEST witness with the state; one of another layout is counted, not compared.

        Raises: DigestDiffers.
        """
        payload = payload_bytes(rows)
        witnessed, layout = payload[:DIGEST_BYTES].hex(), payload[DIGEST_BYTES:].hex()
        if layout != LAYOUT_ID:
            self.digests_of_layouts[layout] = self.digests_of_layouts.get(layout, 0) + 1
            return
        computed = self.state_digest()
        if self.out[0]["witnessed"] and witnessed != computed:
            raise DigestDiffers(int(rows[0]["seq"]), witnessed, computed)
        self.digest_count += 1

    def digest_payload(self) -> bytes:
        """Return the payload of a DIGEST event: the state's digest and the layout that it is of."""
        return bytes.fromhex(self.state_digest() + LAYOUT_ID)

    def raise_witness_differs(self, rows: np.ndarray) -> None:
        """Name the first difference between a witnessed and a computed effect."""
        place = self.out[0]
        row = rows[int(place["row_index"])]
        is_effect = EventKind.PLACE <= row["kind"] < EventKind.FRAME
        computed = None
        if place["witness_index"] < place["effect_count"]:
            computed = place["effects"][int(place["witness_index"])].copy()
        raise WitnessDiffers(int(row["seq"]), row.copy() if is_effect else None, computed)

    def state_digest(self) -> str:
        """Return the digest of the whole state, policies included."""
        return digest_state(self.state, self.lane.json()).hex()

    def dump(self) -> bytes:
        """Return a checkpoint: the state's bytes and the policies' canonical JSON; effects must be drained."""
        assert self.out[0]["effect_count"] == 0
        policies = self.lane.json()
        counts = np.array(self.effect_kind_counts, "<i8").tobytes()
        state = dump_state(self.state)
        return HEADER.pack(len(state), len(policies)) + state + policies + counts

    def load(self, data: bytes) -> None:
        """Take over a checkpoint of the same build and manifest.

        Raises: ValueError.
        """
        state_size, policies_size = HEADER.unpack_from(data)
        state_end = HEADER.size + state_size
        policies_end = state_end + policies_size
        self.state = load_state(self.manifest, data[HEADER.size : state_end])
        self.lane.restore(json.loads(data[state_end:policies_end]))
        self.effect_kind_counts = np.frombuffer(data[policies_end:], "<i8").tolist()
        self.out[0]["block"] = int(self.state.clock[0]["seq_last"] + 1) // CHAIN_BLOCK_EVENT_COUNT
        assert self.lane.json() == data[state_end:policies_end]


def merge_config(document: dict[str, Any], override: dict[str, Any]) -> dict[str, Any]:
    """Return a CONFIG document with another one laid over it, key by key."""
    merged = dict(document)
    for key, value in override.items():
        below = merged.get(key)
        merged[key] = merge_config(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def config_payload(document: dict[str, Any]) -> bytes:
    """Return the payload of a CONFIG event."""
    return canonical_json(document)
