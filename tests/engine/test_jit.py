"""What the compile decorators promise of every kernel."""

import numpy as np
import pytest

from mmfold.engine.jit import JIT_ENABLED, entry, kernel

pytestmark = pytest.mark.skipif(not JIT_ENABLED, reason="about compiled kernels: NUMBA_DISABLE_JIT is set")


def sum_of_made(count):
    made = np.zeros(count)
    return made.sum()


@pytest.mark.parametrize("decorate", [kernel, entry])
def test_a_kernel_that_makes_an_array_does_not_compile(decorate):
    from numba.core.errors import TypingError

    made = decorate(sum_of_made)

    @entry
    def call(count):
        return made(count)

    with pytest.raises(TypingError):
        call(3)


def test_a_choice_of_another_command_makes_no_function_of_a_kernel(monkeypatch):
    from numba import config

    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    config.reload_config()  # as every compile does
    made = kernel(sum_of_made)
    monkeypatch.undo()
    config.reload_config()
    assert made is not sum_of_made and made.py_func is sum_of_made
