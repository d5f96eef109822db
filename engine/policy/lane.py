"""The policy lane: what runs when a TIMER finds a policy due, and on CONFIG and COMMAND; must never touch an order.

It keeps each policy's settings and memory, its schedule and what stands of it, and says what changed as effects.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mmfold.engine.codes import AdjustOp, AlertCode, AuditKind, EventKind, Reason
from mmfold.engine.commands import FreezeCommand, PinCommand, PolicyCommand, UnpinCommand
from mmfold.engine.limits import AUTHOR_SHIFT, NS_PER_S, POLICY_ROOM, TS_NS_MAX
from mmfold.engine.manifest import Manifest, canonical_json
from mmfold.engine.params import FLOAT_PARAMS, Change, ConfigPayloadError, audit_scale, param_name
from mmfold.engine.policy.codec import decode, encode
from mmfold.engine.policy.layers import (
    OPERATOR,
    Folded,
    Standing,
    audit_aux,
    put_standing,
    refold,
    standing_of,
)
from mmfold.engine.policy.note import Emit, note_text, put_parts
from mmfold.engine.policy.registry import POLICIES
from mmfold.engine.policy.schedule import Schedules
from mmfold.engine.policy.seam import Adjust, Alert, Answer, Freeze, Note, Policy, Unfreeze, View
from mmfold.engine.schema import PARAM_BY_NAME
from mmfold.engine.state import State

OPERATOR_FREEZE = 1 << OPERATOR  # of the bits of QUOTER.frozen, one an owner


class Member(NamedTuple):
    """A policy with its settings, None before a CONFIG named it, and its memory."""

    policy: Policy
    settings: Any
    memory: Any

    @property
    def is_active(self) -> bool:
        """Whether it runs."""
        return self.settings is not None and bool(self.settings.enabled)


class PolicyBroken(AssertionError):
    """A policy raised, or answered what cannot be: our bug, not the journal's."""


class PolicyLane:
    """The policies of one core. `state` is given with every call: a checkpoint replaces it."""

    def __init__(self, manifest: Manifest, policies: Iterable[Policy] = POLICIES) -> None:
        self.manifest = manifest
        self.index = manifest.symbol_index()
        self.members = {policy.name: Member(policy, None, policy.memory()) for policy in policies}
        self.active: dict[int, str] = {}  # names by id, of those that run
        # What stands of each policy by instrument_index; of one that is not here the state's records are looked up.
        self.stands: dict[str, dict[int, list[Standing]]] = {}
        self.seen: tuple[Schedules, View] | None = None  # of the last state: both look into it
        ids = [member.policy.id for member in self.members.values()]
        assert len(set(ids)) == len(ids) and all(0 < one < POLICY_ROOM for one in ids)

    def look(self, state: State) -> tuple[Schedules, View]:
        """Return the schedules of a state and what policies see of it."""
        if self.seen is None or self.seen[0].state is not state:
            self.seen = Schedules(state), View(state, self.manifest)
        return self.seen

    def take_over(self, members: dict[str, Member]) -> None:
        """Go on with other members."""
        self.members = members
        self.active = {member.policy.id: name for name, member in members.items() if member.is_active}

    def configured(self, documents: Mapping[str, Any], interval_ns: int | None) -> dict[str, Member]:
        """Return the members with new settings, {policy: {setting: value}}; `interval_ns` is of an older journal's
        CONFIG, for policies that it gives none.

        Raises: ConfigPayloadError.
        """
        members = dict(self.members)
        for name, values in documents.items():
            if name not in members:
                raise ConfigPayloadError(f"unknown policy {name!r}")
            policy, settings, memory = members[name]
            known = {} if settings is None else encode(settings)
            if interval_ns is not None:
                known["interval_s"] = interval_ns / NS_PER_S
            try:
                settings = decode(policy.settings, {**known, **values}, name)
            except ValueError as error:
                raise ConfigPayloadError(str(error)) from error
            if not 1 <= settings.interval_s * NS_PER_S < TS_NS_MAX:
                raise ConfigPayloadError(f"{name}.interval_s: {settings.interval_s!r} is out of range")
            members[name] = Member(policy, settings, memory if settings.enabled else policy.memory())
        return members

    def configure(self, state: State, members: dict[str, Member]) -> None:
        """Take over new settings and schedules."""
        self.take_over(members)
        schedules, _ = self.look(state)
        for member in members.values():
            interval_ns = round(member.settings.interval_s * NS_PER_S) if member.is_active else None
            schedules.set(member.policy.id, interval_ns)
        state.clock["policy_active"] = int(bool(self.active))
        schedules.set_first_due(self.active)

    def follow_base(self, state: State, emit: Emit | None) -> None:
        """Fold everything anew after a CONFIG, and say what changed; `emit` is None before the first event."""
        for name in self.members:
            with Blamed(name, state):
                self.stand(state, name)
        for index in range(len(self.manifest.instruments)):
            with Blamed(", ".join(self.members), state):
                changes = refold(state, index)
            for change, folded in changes:
                tell(change, folded, OPERATOR, Reason.CONFIG, emit)

    def run_due(self, state: State, emit: Emit) -> bool:
        """Run every policy that is due or woken, in the order of the registry; tells whether anything changed."""
        (schedules, view), changed = self.look(state), False
        for policy_id, name in self.active.items():
            if schedules.is_due(policy_id):
                schedules.begin(policy_id)
                changed |= self.run(state, name, lambda m: m.policy.decide(m.settings, m.memory, view), emit)
        schedules.set_first_due(self.active)
        return changed

    def run(self, state: State, name: str, ask: Callable[[Member], tuple[Any, list[Answer]]], emit: Emit) -> bool:
        """Ask one policy something, keep its memory and carry out what it answers; tells whether anything changed."""
        member = self.members[name]
        with Blamed(name, state):
            memory, answers = ask(member)
            self.members = {**self.members, name: Member(member.policy, member.settings, memory)}
            changed = self.refold_policy(state, name, emit)
            assert sum(isinstance(answer, Note) for answer in answers) <= 1, "more than one note in a run"
            for answer in answers:
                changed |= self.carry_out(state, member.policy, answer, emit)
        return changed

    def refold_policy(self, state: State, name: str, emit: Emit) -> bool:
        """Put down what stands of a policy now and fold what that touches; tells whether a PARAM changed."""
        author, changed = self.members[name].policy.id, False
        for index, reasons in self.stand(state, name).items():
            for change, folded in refold(state, index, reasons):
                tell(change, folded, author, reasons[param_name(change.param_id)], emit)
                changed = True
        return changed

    def stand(self, state: State, name: str) -> dict[int, dict[str, Reason]]:
        """Replace a policy's standing adjustments; returns the PARAMS of each instrument that this touches, and the
        policy's last word on why.
        """
        member = self.members[name]
        policy = member.policy
        asked: dict[int, list[Standing]] = {}
        if member.is_active:
            for one in policy.adjust(member.settings, member.memory, self.look(state)[1]):
                asked.setdefault(self.index[one.symbol], []).append(to_standing(policy, one))
        if asked == self.stands.get(name):
            return {}
        had = np.flatnonzero((state.adjusts["author"] == policy.id).any(axis=1)).tolist()
        touched: dict[int, dict[str, Reason]] = {}
        for index in sorted({*asked, *had}):
            standing = standing_of(state, index)
            before = [one for one in standing if one.author == policy.id]
            after = asked.get(index, [])
            if before != after:
                rest = [one for one in standing if one.author != policy.id]
                put_standing(state, index, sorted([*rest, *after], key=self.place))
                touched[index] = {one.param: one.reason for one in (*before, *after)}
        self.stands[name] = asked
        return touched

    def place(self, one: Standing) -> int:
        """Return an adjustment's place in the fold: policies as registered, the operator's pins last."""
        authors = [member.policy.id for member in self.members.values()]
        return len(authors) if one.author == OPERATOR else authors.index(one.author)

    def carry_out(self, state: State, policy: Policy, answer: Answer, emit: Emit) -> bool:
        """Carry out what a policy answered beside its adjustments; tells whether quoting may change."""
        if isinstance(answer, Freeze | Unfreeze):
            return self.freeze(state, answer.symbol, 1 << policy.id, isinstance(answer, Freeze), answer.reason, emit)
        if isinstance(answer, Alert):
            effect = emit(self.index[answer.symbol], EventKind.ALERT, AlertCode.POLICY)
            assert 0 <= answer.detail < 1 << AUTHOR_SHIFT
            effect["aux"] = policy.id << AUTHOR_SHIFT | answer.detail
            return False
        if isinstance(answer, Note):
            put_parts(note_text(answer.topic, answer.document), policy.id, emit)
            return False
        self.look(state)[0].wake(policy.id, answer.kind, answer.count)
        return False

    def freeze(self, state: State, symbol: str, owner: int, is_frozen: bool, reason: Reason, emit: Emit) -> bool:
        """Set or lift an owner's freeze of a symbol, the operator's word every owner's; tells whether it was news."""
        quoter = state.quoters[self.index[symbol]]
        before = int(quoter["frozen"])
        if is_frozen:
            quoter["frozen"] = before | owner
        else:
            quoter["frozen"] = 0 if owner == OPERATOR_FREEZE else before & ~owner
        if quoter["frozen"] == before and owner != OPERATOR_FREEZE:
            return False  # it says so at each run; an operator's word is always told
        effect = emit(self.index[symbol], EventKind.AUDIT, AuditKind.GUARD)
        effect["price_ticks"], effect["qty_lots"] = before, quoter["frozen"]
        effect["aux"] = audit_aux(owner.bit_length() - 1, reason)
        return True

    def run_command(
        self, state: State, command: FreezeCommand | PinCommand | UnpinCommand | PolicyCommand, emit: Emit
    ) -> None:
        """Carry out what an operator asks: a freeze, a pin, or something of a policy.

        Raises: ConfigPayloadError.
        """
        if isinstance(command, FreezeCommand):
            for symbol in command.symbols:
                self.freeze(state, symbol, OPERATOR_FREEZE, command.frozen, Reason.COMMAND, emit)
        elif isinstance(command, PolicyCommand):
            self.check_command(state, command)
            view = self.look(state)[1]
            ask, document = self.members[command.policy].policy.command, command.document
            assert ask is not None
            self.run(state, command.policy, lambda m: ask(m.settings, m.memory, document, view), emit)
        elif isinstance(command, PinCommand):
            self.pin(state, command.symbol, command.values, list(command.values), emit)
        else:
            self.pin(state, command.symbol, {}, command.names, emit)

    def check_command(self, state: State, command: PolicyCommand) -> None:
        """Check that a policy takes a command, without carrying it out.

        Raises: ConfigPayloadError.
        """
        member = self.members.get(command.policy)
        if member is None or member.policy.command is None or member.settings is None:
            raise ConfigPayloadError(f"policy {command.policy!r} takes no commands")
        try:
            member.policy.command(member.settings, member.memory, command.document, self.look(state)[1])
        except ValueError as error:
            raise ConfigPayloadError(f"{command.policy}: {error}") from error

    def pin(self, state: State, symbol: str, values: Mapping[str, int | float], names: list[str], emit: Emit) -> None:
        """Release some pins of an instrument and set those that have a value."""
        index = self.index[symbol]
        rest = [one for one in standing_of(state, index) if one.author != OPERATOR or one.param not in names]
        pins = [
            Standing(
                OPERATOR, name, AdjustOp.PIN, float(values[name]) if name in FLOAT_PARAMS else values[name],
                Reason.COMMAND,
            )
            for name in sorted(values)
        ]  # fmt: skip
        put_standing(state, index, [*rest, *pins])
        for change, folded in refold(state, index, names):
            tell(change, folded, OPERATOR, Reason.COMMAND, emit)

    def json(self) -> bytes:
        """Return the canonical JSON of every policy, which enters the state digest."""
        return canonical_json(
            {
                name: {"memory": encode(member.memory), "settings": encode(member.settings)}
                for name, member in self.members.items()
            }
        )

    def restore(self, document: dict[str, Any]) -> None:
        """Go on with the members of a checkpoint's JSON.

        Raises: ValueError, KeyError.
        """
        self.stands.clear()  # another state comes with them
        members = {}
        for name, member in self.members.items():
            policy, plain = member.policy, document[name]
            settings = None if plain["settings"] is None else decode(policy.settings, plain["settings"], name)
            members[name] = Member(policy, settings, decode(policy.memory, plain["memory"], name))
        self.take_over(members)


def to_standing(policy: Policy, one: Adjust) -> Standing:
    """Return a policy's adjustment as it stands."""
    assert one.param in PARAM_BY_NAME and one.op not in (AdjustOp.NONE, AdjustOp.PIN)
    is_float = one.param in FLOAT_PARAMS and one.op != AdjustOp.SCALE_PPM
    assert is_float or isinstance(one.value, int)
    return Standing(policy.id, one.param, one.op, float(one.value) if is_float else one.value, one.reason)


def tell(change: Change, folded: Folded, author: int, reason: Reason, emit: Emit | None) -> None:
    """Append the AUDIT row of a PARAM that changed: order_id = its id (engine/schema.py), floats x 1e9. Its author is
    who had the last word on the value, else who asked.
    """
    if emit is None:
        return
    effect, scale = emit(change.instrument_index, EventKind.AUDIT, AuditKind.PARAM), audit_scale(change.param_id)
    effect["order_id"] = change.param_id
    effect["price_ticks"] = round(change.before * scale)
    effect["qty_lots"] = round(change.after * scale)
    last_word = (folded.author, folded.reason) if folded.reason != Reason.NONE else (author, reason)
    effect["aux"] = audit_aux(*last_word)


class Blamed:
    """Makes whatever goes wrong in a policy, or by what it says, an error that names it and the event."""

    def __init__(self, name: str, state: State) -> None:
        self.name, self.state = name, state

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Name who failed.

        Raises: PolicyBroken.
        """
        if isinstance(error, Exception):
            seq = int(self.state.clock[0]["seq_last"])
            raise PolicyBroken(f"policy {self.name} failed at seq {seq}: {type(error).__name__}: {error}") from error
