"""exp, log, sqrt and powers of our own: their error against 40 digits, their domain, one result in both modes."""

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine import maths

REPO = Path(__file__).resolve().parents[2]
COUNT = 1_500  # of each function; 200,000 gave the same bounds
SAME_COUNT = 6_000
DIGITS = 40


def samples(count: int) -> Iterator[tuple[str, float, float]]:
    """Yield (function, x, y): the whole domain, what strategies use of it, and the places where reductions change."""
    draw = np.random.default_rng(20)
    near_one = 1.0 + draw.normal(size=count) * 2.0 ** draw.integers(-50, -1, count).astype(float)
    wide = 2.0 ** draw.uniform(-1074.0, 1023.0, count)
    edges = np.array([0.0, 1e-300, 5e-324, 0.5 * math.log(2.0), math.log(2.0), 1.0, 709.0, -708.0, 1e-17, 0.1])
    for x in (*edges, *-edges[3:7], *draw.uniform(-708.0, 709.0, count), *draw.normal(size=count)):
        if -708.0 <= x <= 709.0:
            yield "exp", float(x), 0.0
    for x in (*edges[1:], *np.abs(near_one), *wide, math.sqrt(0.5), math.sqrt(2.0)):
        if x > 0.0:
            yield "log", float(x), 0.0
            yield "sqrt", float(x), 0.0
    exponents = draw.uniform(-700.0, 700.0, count)
    for x, e in zip(np.abs(near_one), exponents, strict=True):
        if x > 0.0 and x != 1.0:
            yield "power", float(x), float(e / math.log(x))
    for x, e in zip(wide, exponents, strict=True):
        yield "power", float(x), float(e / math.log(x))
    for x, y in zip(draw.uniform(0.01, 100.0, count), draw.uniform(-5.0, 5.0, count), strict=True):
        yield "power", float(x), float(y)


def computed(name: str, x: float, y: float) -> float:
    function = getattr(maths, name)
    return float(function(x, y) if name == "power" else function(x))


def exact(name: str, x: float, y: float) -> Decimal:
    number = Decimal(x)
    match name:
        case "exp":
            return number.exp()
        case "log":
            return number.ln()
        case "sqrt":
            return number.sqrt()
    return (Decimal(y) * number.ln()).exp()


def test_the_error_is_within_what_the_docstrings_say() -> None:
    worst = dict.fromkeys(("exp", "log", "sqrt", "power"), 0.0)
    with localcontext(prec=DIGITS, Emin=-9_999, Emax=9_999):
        for name, x, y in samples(COUNT):
            right, ours = exact(name, x, y), computed(name, x, y)
            ulp = Decimal(math.ulp(float(right)))
            worst[name] = max(worst[name], float(abs(Decimal(ours) - right) / ulp))
    assert worst["sqrt"] <= 0.5, worst
    assert 0.5 < worst["exp"] < 1.0 and 0.5 < worst["log"] < 1.0 and 0.5 < worst["power"] < 1.0, worst


KNOWN = [
    ("exp", 0.0, 0.0, 1.0), ("exp", -708.1, 0.0, 0.0), ("exp", -1e300, 0.0, 0.0),
    ("exp", -math.inf, 0.0, 0.0), ("log", 1.0, 0.0, 0.0), ("log", 2, 0.0, math.log(2.0)),
    ("log", 5e-324, 0.0, -744.4400719213812),
    ("sqrt", 0.0, 0.0, 0.0), ("sqrt", 9, 0.0, 3.0), ("power", 2, 10, 1024.0), ("power", 2.0, -1021.0, 2.0**-1021),
    ("power", 1.0, 1e300, 1.0), ("power", 7.5, 0, 1.0), ("power", 0.5, 5000.0, 0.0), ("power", 10.0, 300.0, 1e300),
    ("power", 9.0, 0.5, 3.0), ("power", 3.0, 5, 243.0),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "y", "result"), KNOWN)
def test_known_values(name: str, x: float, y: float, result: float) -> None:
    assert computed(name, x, y) == result


OUTSIDE = [
    ("exp", 709.1, 0.0), ("exp", math.nan, 0.0), ("exp", math.inf, 0.0), ("log", 0.0, 0.0), ("log", -1.0, 0.0),
    ("log", math.inf, 0.0), ("log", math.nan, 0.0), ("sqrt", -1e-300, 0.0), ("sqrt", math.nan, 0.0),
    ("power", 0.0, 1.0), ("power", -2.0, 2.0), ("power", 10.0, 309.0), ("power", 2.0, math.nan),
    ("power", 2.0, math.inf), ("power", 1.0, math.inf), ("power", math.inf, 1.0), ("power", 2.0, -2e300),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "y"), OUTSIDE)
def test_what_has_no_result_is_an_assertion(name: str, x: float, y: float) -> None:
    with pytest.raises(AssertionError):
        computed(name, x, y)


def bits() -> dict[str, str]:
    """Return the hash of the bits of every result by function."""
    hashers = {name: hashlib.sha256() for name in ("exp", "log", "sqrt", "power")}
    for name, x, y in samples(SAME_COUNT):
        hashers[name].update(computed(name, x, y).hex().encode())
    return {name: hasher.hexdigest() for name, hasher in hashers.items()}


def test_compiled_and_interpreted_give_the_same_bits() -> None:
    found = {}
    for disabled in ("0", "1"):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-m", "tests.engine.test_maths"], cwd=REPO, check=False, timeout=110,
            env=kept | {"NUMBA_DISABLE_JIT": disabled, "MM_KERNEL_DOORS": "1"}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found[disabled] = json.loads(done.stdout)
    assert found["0"].pop("jit") and not found["1"].pop("jit")
    assert found["0"] == found["1"]


if __name__ == "__main__":
    from mmfold.engine.jit import JIT_ENABLED

    print(json.dumps({"jit": JIT_ENABLED, **bits()}))
