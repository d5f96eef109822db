"""The circuit breaker: worked numbers as scenarios, any history against a naive oracle (spec/core.md 15)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmfold.engine import circuit
from mmfold.engine.codes import CircuitState, EventKind, RequestOutcome, Side
from mmfold.engine.gates import circuit as gate
from mmfold.engine.limits import NS_PER_MS, NS_PER_S, PPM
from tests.engine.rows import House, make_manifest

SPEC: dict[str, int | float] = {
    "mode": 1, "md_stale_ns": 0, "circuit_window_s": 60, "circuit_samples_min": 5, "circuit_failed_ppm": 500_000,
    "circuit_server_error_ppm": 200_000, "circuit_rate_limited_ppm": 200_000, "circuit_open_ns": 30 * NS_PER_S,
    "circuit_probes_max": 5, "circuit_probe_gap_ns": 5 * NS_PER_S,
}  # fmt: skip
FEW = {**SPEC, "circuit_samples_min": 1, "circuit_probes_max": 2}
BOOK = "book 10000x5 / 10001x5 @10 | place #1 bid 9990 x 5; place #2 ask 10011 x 5\nack #1\nack #2\n"


def of(outcome: str, count: int) -> str:
    """Results of orders that are long gone, so that nothing else happens."""
    return f"rate #9 {outcome}\n" * count


CLOSED = "circuit.state=0"
OPENED = BOOK + "rate #9 server_error | circuit closed>open\n"
HALF_OPEN = OPENED + "canceled #1 | -\n+30000 timer | circuit open>half_open; place #3 bid 9990 x 5\n"

CASES: dict[str, tuple[dict[str, int | float], str]] = {
    "four results are too few, the fifth is judged": (SPEC, of("refused", 4) + "timer | | circuit.state=0\n"
                                                      "rate #9 ok | circuit closed>open"),
    "half of the results failed": (SPEC, of("ok", 3) + of("timeout", 2) + "rate #9 timeout | circuit closed>open"),
    "less than half did": (SPEC, of("ok", 3) + of("refused", 2) + f"timer | | {CLOSED}"),
    "a fifth are server errors": (SPEC, of("ok", 4) + "rate #9 server_error | circuit closed>open"),
    "less than a fifth are": (SPEC, of("ok", 5) + of("server_error", 1) + f"timer | | {CLOSED}"),
    "a fifth are rate limits": (SPEC, of("ok", 4) + "rate #9 rate_limited | circuit closed>open"),
    "a fifth of both together are not": (SPEC, of("ok", 9) + of("rate_limited", 1) + of("server_error", 1)
                                         + f"timer | | {CLOSED}"),
    "results leave the window, a timer sees it": (
        SPEC, of("ok", 8) + "+59000 rate #9 server_error\n" + of("ok", 3) + of("refused", 1) + """
        timer | - | circuit.state=0
        +1000 timer | circuit closed>open | circuit.open_count=1
    """),
    "off": ({"mode": 1}, of("server_error", 9) + f"timer | | {CLOSED}"),
    "a refusal is a result, that of a cancel is none": (FEW, BOOK + """
        delta 10000x0 10050x5 / 10001x0 10051x5 @11<10 | cancel #1 bid reprice; cancel #2 ask reprice
        reject #1 | alert order_unknown #1; guard none>order_unknown | circuit.state=0
        reject #9 | - | circuit.state=0
        reject #9 | circuit closed>open
    """),
    "an ACK that nothing came before is a yes": (SPEC, BOOK + of("server_error", 1) + of("ok", 1)
                                                 + "rate #9 ok | circuit closed>open"),
    "open: orders rest, are cancelled, never placed or amended": (FEW, OPENED + """
        delta 10000x0 10001x5 / 10001x0 10002x5 @11<10 | cancel #1 bid reprice; cancel #2 ask reprice
        canceled #1 | - | blocked.circuit_open=1
        +29997 timer | - | circuit.state=1
        timer | circuit open>half_open; place #3 bid 9991 x 5 | blocked.circuit_open=2 circuit.probe_count=1
    """),
    "time alone opens it half, without a timer": (FEW, OPENED + """
        canceled #1 | -
        +30000 delta 10000x6 / @11<10 | circuit open>half_open; place #3 bid 9990 x 5
    """),
    "probes keep a distance, good ones close it": (FEW, HALF_OPEN + """
        canceled #2 | - | circuit.probe_count=1
        rate #3 ok | - | circuit.state=2
        +4997 timer | -
        timer | place #4 ask 10011 x 5 | circuit.probe_count=2
        rate #4 ok | circuit half_open>closed | circuit.open_count=1 circuit.transition_count=3
        timer | - | circuit.state=0
    """),
    "one bad probe of two opens it again": (FEW, HALF_OPEN + """
        rate #3 server_error | alert order_unknown #3; guard none>order_unknown; cancel #2 ask order_unknown
        canceled #3 | guard order_unknown>none
        canceled #2 | - | circuit.state=2
        +5000 timer | place #4 bid 9990 x 5
        ack #4 | circuit half_open>open | circuit.open_count=2
    """),
    "what is no probe's does not count": (FEW, HALF_OPEN + of("server_error", 5) + "timer | - | circuit.state=2"),
    "probes that nobody answers": ({**FEW, "circuit_probes_max": 1}, HALF_OPEN + """
        +29999 timer | - | circuit.state=2
        timer | circuit half_open>open
    """),
    "switched off it closes": (FEW, OPENED + """
        config circuit_window_s=0 | param circuit_window_s 60>0 config
        timer | circuit open>closed
    """),
}  # fmt: skip


@pytest.mark.parametrize(("params", "text"), CASES.values(), ids=CASES)
def test_circuit(params: dict[str, int | float], text: str) -> None:
    House(**params).play(text)


def test_it_is_the_accounts() -> None:
    house = House(make_manifest("X", "Y"), **FEW)
    house.play("rate #9 server_error | circuit closed>open; guard none>book_invalid")
    for cell in house.core.state.cells:
        ask = cell["ask"]
        for kind, passes in ((EventKind.PLACE, False), (EventKind.AMEND, False), (EventKind.CANCEL, True)):
            ask["kind"], ask["side"] = kind, Side.BID
            assert gate.passes(house.core.state.clock[0], cell, ask) == passes


class Oracle:
    """Keeps every result and looks at all of them each time."""

    def __init__(self, params: dict[str, int | float]) -> None:
        self.params, self.state = params, CircuitState.CLOSED
        self.results: list[tuple[int, RequestOutcome]] = []
        self.enter(CircuitState.CLOSED, 0)
        self.transitions = 0

    def enter(self, state: CircuitState, now_ns: int) -> None:
        self.state, self.since_ns = state, now_ns
        self.transitions = getattr(self, "transitions", 0) + 1
        self.sent_ns: list[int] = []
        self.waiting: set[int] = set()
        self.answers: list[RequestOutcome] = []
        if state == CircuitState.CLOSED:
            self.results = []

    def fails(self, outcomes: list[RequestOutcome]) -> bool:
        shares = {
            "circuit_failed_ppm": [one for one in outcomes if one != RequestOutcome.OK],
            "circuit_server_error_ppm": [one for one in outcomes if one == RequestOutcome.SERVER_ERROR],
            "circuit_rate_limited_ppm": [one for one in outcomes if one == RequestOutcome.RATE_LIMITED],
        }
        return any(len(those) * PPM >= self.params[name] * len(outcomes) for name, those in shares.items())

    def judge_window(self, now_ns: int) -> None:
        first = now_ns // NS_PER_S - self.params["circuit_window_s"]
        window = [outcome for second, outcome in self.results if second > first]
        if len(window) >= self.params["circuit_samples_min"] and self.fails(window):
            self.enter(CircuitState.OPEN, now_ns)

    def result(self, now_ns: int, order_id: int, outcome: RequestOutcome) -> None:
        self.results.append((now_ns // NS_PER_S, outcome))
        if order_id in self.waiting:
            self.waiting.remove(order_id)
            self.answers.append(outcome)
            if len(self.answers) >= self.params["circuit_probes_max"]:
                self.enter(CircuitState.OPEN if self.fails(self.answers) else CircuitState.CLOSED, now_ns)
        elif self.state == CircuitState.CLOSED:
            self.judge_window(now_ns)

    def turn(self, now_ns: int) -> None:
        open_ns = self.params["circuit_open_ns"]
        if self.state == CircuitState.CLOSED:
            self.judge_window(now_ns)
        elif self.state == CircuitState.OPEN and now_ns - self.since_ns >= open_ns:
            self.enter(CircuitState.HALF_OPEN, now_ns)
        elif len(self.sent_ns) == self.params["circuit_probes_max"] and now_ns - self.sent_ns[-1] >= open_ns:
            self.enter(CircuitState.OPEN, now_ns)

    def send(self, now_ns: int, order_id: int) -> bool:
        if self.state == CircuitState.CLOSED:
            return True
        if self.state == CircuitState.OPEN or len(self.sent_ns) == self.params["circuit_probes_max"]:
            return False
        if self.sent_ns and now_ns - self.sent_ns[-1] < self.params["circuit_probe_gap_ns"]:
            return False
        self.sent_ns.append(now_ns)
        self.waiting.add(order_id)
        return True


STEPS = st.tuples(
    st.sampled_from([1, 40, 400, 1_000, 2_500]),  # ms later
    st.one_of(st.sampled_from(["turn", "send"]), st.sampled_from(list(RequestOutcome))),
    st.integers(0, 3),  # whose result: of the last orders sent
)
SMALL = {
    **SPEC, "circuit_window_s": 4, "circuit_samples_min": 3, "circuit_open_ns": 3 * NS_PER_S, "circuit_probes_max": 2,
    "circuit_probe_gap_ns": NS_PER_S,
}  # fmt: skip
HOUSE = House()


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=60), st.sampled_from([SMALL, {**SMALL, "circuit_failed_ppm": 1_000_000}]))
def test_any_history_is_as_the_oracle_has_it(steps: list[Any], params: dict[str, int | float]) -> None:
    state, out = House(**params).core.state, HOUSE.core.out[0]
    clock, cell, oracle = state.clock[0], state.cells[0], Oracle(params)
    clock["ts_now_ns"] = 1_700_000_000 * NS_PER_S
    sent: list[int] = []
    for after_ms, what, whose in steps:
        out["effect_count"] = 0
        clock["ts_now_ns"] += after_ms * NS_PER_MS
        now_ns = int(clock["ts_now_ns"])
        if what == "turn":
            circuit.turn_circuit(clock, cell, out)
            oracle.turn(now_ns)
        elif what == "send":
            cell["ask"]["kind"] = EventKind.PLACE
            passes = bool(gate.passes(clock, cell, cell["ask"]))
            sent.append(len(sent))
            if passes:
                circuit.reserve_probe(clock, cell, sent[-1])
            assert passes == oracle.send(now_ns, sent[-1])
        else:
            order_id = sent[-1 - whose] if whose < len(sent) else 999
            circuit.apply_result(clock, cell, out, order_id, int(what))
            oracle.result(now_ns, order_id, what)
        kept = clock["circuit"]
        assert (kept["state"], kept["transition_count"]) == (oracle.state, oracle.transitions)
        assert (kept["probe_count"], kept["probe_counts"][0]) == (len(oracle.sent_ns), len(oracle.answers))
