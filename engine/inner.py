"""How inner kernels are compiled: as code for their callers alone; must never change what a kernel computes.

numba optimizes every function and makes machine code of it, also of one that only kernels call: its callers take its
LLVM module, optimize it anew as part of themselves, and never use that code. Here an inner kernel ends as a module.
"""

from typing import Any

from numba import _dynfunc, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder, _LowerResult
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

# numba compares types by their keys and names functions by `name`; a record's own text is for people and was spelled
# out, with all records in it, for each call of a kernel: a tenth of a cold compile.
types.Record.__repr__ = types.Type.__repr__


class InnerLibrary(JITCodeLibrary):  # type: ignore[misc]
    """The code of one inner kernel: linked into its callers, optimized there, never loaded."""

    def _optimize_final_module(self) -> None:
        """Leave that to the callers."""

    def _finalize_final_module(self) -> None:
        """End as a module."""
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


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
        name = made.fndesc.qualname
        key = _dynfunc.make_function(made.fndesc.lookup_module(), name, "", 0, made.env, (state.library,))
        state.targetctx.insert_user_function(key, made.fndesc, [state.library])
        state["cr"] = _LowerResult(made.fndesc, made.call_helper, cfunc=key, env=made.env)
        return True


class InnerCompiler(CompilerBase):  # type: ignore[misc]
    """numba's own passes, with another last one."""

    def define_pipelines(self) -> list[Any]:
        """Return the passes."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        place = next(i for i, (each, _) in enumerate(passes.passes) if each is NativeLowering)
        passes.passes[place] = (InnerLowering, "inner lowering")
        passes._finalized = False
        passes.finalize()
        return [passes]
