"""How kernels are compiled: inner ones as code for their callers alone; must never change what a kernel computes.

numba optimizes every function and makes machine code of it, also of one that only kernels call: its callers take its
LLVM module, optimize it anew as part of themselves, and never use that code. Here an inner kernel ends as a module,
and an entry links each of them once. `undisturbed` keeps away what only costs time while an entry is compiled.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from numba import _dynfunc, types
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
from numba.core.compiler_machinery import register_pass
from numba.core.targetconfig import TargetConfig
from numba.core.typed_passes import InlineOverloads, NativeLowering, NopythonRewrites
from numba.core.untyped_passes import InlineClosureLikes, InlineInlinables, WithLifting

# numba compares types by their keys and names functions by `name`; a record's own text is for people and was spelled
# out, with all records in it, for each call of a kernel: a tenth of a cold compile.
types.Record.__repr__ = types.Type.__repr__

# Each look into numba's tables of overloads compares flags, all 25 of them by name; mostly the same few are set.
every_flag_equal: Callable[[Any, object], bool] = TargetConfig.__eq__


def are_flags_equal(flags: Any, other: object) -> bool:
    """Compare two sets of flags, first by what is set."""
    if isinstance(other, TargetConfig) and flags._values == other._values and type(flags) is type(other):
        return True
    return every_flag_equal(flags, other)


TargetConfig.__eq__ = are_flags_equal
TargetConfig.__hash__ = lambda flags: len(flags.options)  # numba's hashes all names, which are the same for all flags

# What no kernel has: `with`, closures, functions marked for inlining, arithmetic on whole arrays. Where one had it, its
# compile would fail.
NEEDLESS = (WithLifting, InlineClosureLikes, InlineInlinables, InlineOverloads, NopythonRewrites)


def passes_of(state: Any, last: Any) -> list[Any]:
    """Return numba's own passes but the needless, with another last one."""
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    passes.passes = [
        (last if each is NativeLowering else each, why) for each, why in passes.passes if each not in NEEDLESS
    ]
    passes._finalized = False
    passes.finalize()
    return [passes]


class InnerLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The code of one inner kernel: linked into an entry, optimized there, never loaded."""

    def finalize(self) -> None:
        """End as a module of the kernel alone: what it calls is linked where it is."""
        self._finalize_dynamic_globals()
        self._finalized = True

    def linked(self) -> list[JITCodeLibrary]:
        """Return this library and all that its code needs."""
        return list(dict.fromkeys([self, *self._linking_libraries]))


@register_pass(mutates_CFG=True, analysis_only=False)
class InnerLowering(NativeLowering):  # type: ignore[misc]
    """Lowers a kernel and offers its module to its callers, under a function that nobody can call."""

    _name = "inner_lowering"

    def run_pass(self, state: Any) -> bool:
        """Lower one kernel."""
        state.library = InnerLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        made = state["cr"]
        state.library.finalize()
        name = made.fndesc.qualname
        key = _dynfunc.make_function(made.fndesc.lookup_module(), name, "", 0, made.env, (state.library,))
        state.targetctx.insert_user_function(key, made.fndesc, state.library.linked())
        state["cr"] = _LowerResult(made.fndesc, made.call_helper, cfunc=key, env=made.env)
        return True


class InnerCompiler(CompilerBase):  # type: ignore[misc]
    """Compiles an inner kernel."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes."""
        return passes_of(self.state, InnerLowering)


class EntryCompiler(CompilerBase):  # type: ignore[misc]
    """Compiles an entry and all kernels below it, undisturbed."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes."""
        return passes_of(self.state, NativeLowering)

    def compile_extra(self, func: Any) -> Any:
        """Compile one entry."""
        with undisturbed():
            return super().compile_extra(func)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let neither Python's collector run nor numba's timers, of which each kernel that waits for another has two.

    The compiler's lock is held, so no other thread compiles meanwhile.
    """
    collects, install_timer = gc.isenabled(), event.install_timer
    gc.disable()
    event.install_timer = no_timer
    try:
        yield
    finally:
        event.install_timer = install_timer
        if collects:
            gc.enable()


def no_timer(kind: str, callback: Any) -> AbstractContextManager[None]:
    """Stand for one of numba's timers, whose figures nobody reads."""
    return nullcontext()
