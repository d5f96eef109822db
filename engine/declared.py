"""What a user's strategy file declares, as a manifest's `extra` says it: the names of its PARAMS, its MEMORY.

A state is made from a manifest alone, so what the memory starts with stands there; what the PARAMS start with comes
with a CONFIG event. Must never take a name that is more than a word: it is shown to people.
"""

import re
from collections.abc import Mapping

from mmfold.engine.limits import USER_MEMORY_COUNT
from mmfold.engine.schema import USER_PARAM_COUNT, USER_PARAMS

PARAMS_WORD, MEMORY_WORD = "strategy_params", "strategy_memory"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
NAME_TEXT = "a letter, then letters, digits and _, at most 32"
NUMBER = re.compile(r"(-?[0-9]{1,19})|-?[0-9]{1,17}(?:\.[0-9]{1,21})?(?:e[-+]?[0-9]{1,3})?")
USER_REAL_MAX = 1e15  # of a PARAM and of a real number of the memory as the file has it
USER_WHOLE_MAX = 1 << 62
Number = int | float


class DeclaredError(ValueError):
    """Words of a manifest that no strategy file declares."""


def params_word(names: Mapping[str, Number]) -> str:
    """Return what a manifest says of a file's PARAMS: their names, in the order of the file."""
    return ",".join(names)


def memory_word(memory: Mapping[str, Number]) -> str:
    """Return what a manifest says of a file's MEMORY."""
    return ",".join(f"{name}={value!r}" for name, value in memory.items())


def params_of(extra: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of the PARAMS that a manifest's strategy file declares.

    Raises: DeclaredError.
    """
    names = tuple(extra[PARAMS_WORD].split(",")) if PARAMS_WORD in extra else ()
    if not all(NAME.fullmatch(name) for name in names) or len(set(names)) < len(names) or len(names) > USER_PARAM_COUNT:
        raise DeclaredError(f"{PARAMS_WORD} is not a list of at most {USER_PARAM_COUNT} names")
    return names


def memory_of(extra: Mapping[str, str]) -> dict[str, Number]:
    """Return the MEMORY that a manifest's strategy file declares, whole numbers as int, real ones as float.

    Raises: DeclaredError.
    """
    memory: dict[str, Number] = {}
    for part in extra[MEMORY_WORD].split(",") if MEMORY_WORD in extra else ():
        name, _, text = part.partition("=")
        number = NUMBER.fullmatch(text)
        if not NAME.fullmatch(name) or name in memory or number is None:
            raise DeclaredError(f"{MEMORY_WORD} is not a list of name=number")
        memory[name] = int(text) if number[1] else float(text)
    check_memory(memory)
    return memory


def check_memory(memory: Mapping[str, Number]) -> None:
    """Check that a memory has room in the state.

    Raises: DeclaredError.
    """
    for kind, count in (("real", real_count(memory)), ("whole", len(memory) - real_count(memory))):
        if count > USER_MEMORY_COUNT:
            raise DeclaredError(f"{count} {kind} numbers, at most {USER_MEMORY_COUNT}")
    for name, value in memory.items():
        most = USER_REAL_MAX if isinstance(value, float) else USER_WHOLE_MAX
        if not -most < value < most:
            raise DeclaredError(f"{name}: {value!r} is out of range")


def real_count(memory: Mapping[str, Number]) -> int:
    """Return how many numbers of a memory are real."""
    return sum(isinstance(value, float) for value in memory.values())


def memory_places(memory: Mapping[str, Number]) -> dict[str, tuple[str, int]]:
    """Return {name: (field of MEMORY, index in it)}."""
    places, counts = {}, {"real": 0, "whole": 0}
    for name, value in memory.items():
        kind = "real" if isinstance(value, float) else "whole"
        places[name] = (kind, counts[kind])
        counts[kind] += 1
    return places


def user_key(param: str, names: tuple[str, ...]) -> str | None:
    """Return the key of the configuration that a PARAM of a strategy file comes from, None of one of the core's."""
    if param not in USER_PARAMS:
        return None
    slot = USER_PARAMS.index(param)
    return f"user.{names[slot]}" if slot < len(names) else f"user.{slot:02d}"


def params_in_words(extra: Mapping[str, str]) -> dict[str, str]:
    """Return {PARAM: user.name} of a manifest's strategy file."""
    return {param: f"user.{name}" for param, name in zip(USER_PARAMS, params_of(extra), strict=False)}
