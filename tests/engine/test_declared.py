"""What a strategy file declares, as a manifest says it: words there and back, refused words, the state they start."""

import numpy as np
import pytest

from mmfold.engine.core import Core
from mmfold.engine.declared import memory_of, memory_places, memory_word, params_of, params_word
from mmfold.engine.limits import ADJUST_COUNT_MAX
from mmfold.engine.manifest import Instrument, Manifest, ManifestError, encode_manifest, parse_manifest
from mmfold.engine.params import param_name
from mmfold.engine.schema import PARAM_BY_NAME, PARAM_FIELDS
from mmfold.engine.state import dump_state, load_state, make_state

MEMORY = {
    "a": 1.5,
    "n": -3,
    "tiny": 1.2345678901234567e-05,
    "z": -0.0,
    "most": (1 << 62) - 1,
    "b": 0.00012345678901234567,
}
INSTRUMENTS = tuple(Instrument(symbol=one, tick_size="1", lot_size="1") for one in ("A", "B"))


def manifest_of(**extra: str) -> Manifest:
    return Manifest(run_id="r", instruments=INSTRUMENTS, extra=extra)


def test_words_are_read_as_they_were_written() -> None:
    manifest = manifest_of(strategy_params=params_word(dict.fromkeys("kg", 1.0)), strategy_memory=memory_word(MEMORY))
    again = parse_manifest(encode_manifest(manifest))
    assert params_of(again.extra) == ("k", "g")
    assert repr(memory_of(again.extra)) == repr(MEMORY)


@pytest.mark.parametrize(
    "extra",
    [
        {"strategy_params": ""},
        {"strategy_params": "a,a"},
        {"strategy_params": "a b"},
        {"strategy_params": ",".join(f"p{index}" for index in range(17))},
        {"strategy_params": "x" * 33},
        {"strategy_memory": ""},
        {"strategy_memory": "a"},
        {"strategy_memory": "a=nan"},
        {"strategy_memory": "a=inf"},
        {"strategy_memory": "a=1e999"},
        {"strategy_memory": "a=9223372036854775807"},
        {"strategy_memory": "a=1,a=2"},
        {"strategy_memory": "a=1_000"},
        {"strategy_memory": ",".join(f"p{index}=0.0" for index in range(17))},
    ],
    ids=str,
)
def test_words_that_no_file_declares_are_refused(extra: dict[str, str]) -> None:
    with pytest.raises(ManifestError, match=r"manifest: extra\."):
        manifest_of(**extra)


def test_the_state_starts_with_the_memory() -> None:
    state = make_state(manifest_of(strategy_memory=memory_word(MEMORY)))
    places = memory_places(MEMORY)
    assert places["a"] == ("real", 0) and places["n"] == ("whole", 0) and places["tiny"] == ("real", 1)
    for field in ("memory", "memory_before"):
        for name, (kind, index) in places.items():
            assert (state.cells[field][kind][:, index] == MEMORY[name]).all()
        assert not state.cells[field]["real"][:, 4:].any() and not state.cells[field]["whole"][:, 2:].any()
    plain = make_state(manifest_of())
    assert not plain.cells["memory"]["real"].any() and not plain.cells["memory"]["whole"].any()
    assert dump_state(load_state(manifest_of(), dump_state(state))) == dump_state(state)
    core = Core(manifest_of(strategy_memory=memory_word(MEMORY)))
    assert np.array_equal(core.state.cells, state.cells)


def test_audits_name_a_parameter_as_its_file_does() -> None:
    words = {"strategy_params": "gamma,k"}
    ids = [PARAM_BY_NAME[name].id for name in ("user_01", "user_02", "mode")]
    assert [param_name(one, words) for one in ids] == ["user.k", "user_02", "mode"]
    assert param_name(ids[0]) == "user_01"


def test_a_pin_of_each_parameter_has_room() -> None:
    assert len(PARAM_FIELDS) + 16 <= ADJUST_COUNT_MAX
