"""The kernels on disk as numba reads and writes them; must never be needed for an answer.

numba's own cache raises what goes wrong with a file, here a damaged one is compiled anew and a full disk is said.
"""

import os
import sys
from contextlib import suppress
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.runtime import rtsys

from mmfold.engine import cache
from mmfold.engine.closure import ROOT


def open_cache() -> bool:
    """Make the directory of this process's kernels and tell whether they may be kept there; say why not."""
    try:
        cache.use(cache.cache_directory(make=True))
    except cache.CacheRefused as refused:
        cache.say_not_kept(refused)
        return False
    return True


class KernelPlace:
    """Where one function is kept: numba's word for it is a locator. A touched file is as good as before."""

    def __init__(self, function: Any) -> None:
        self._py_file = function.__code__.co_filename
        self.line = function.__code__.co_firstlineno
        folder = os.path.relpath(os.path.dirname(os.path.realpath(self._py_file)), ROOT)
        self.path = str(cache.cache_directory() / folder.replace(os.sep, "."))

    def get_cache_path(self) -> str:
        """Return the directory of the function's files."""
        return self.path

    def ensure_cache_path(self) -> None:
        """Make that directory, which a process of another build may have removed meanwhile.

        Raises: OSError.
        """
        cache.cache_directory(make=True)
        with suppress(FileExistsError):
            os.mkdir(self.path)

    def get_source_stamp(self) -> str:
        """Return what the files are valid for."""
        return cache.core_digest()

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart."""
        return str(self.line)


class KernelCacheImpl(CompileResultCacheImpl):  # type: ignore[misc]
    """The names of a function's files, in the place of ours and no other."""

    def __init__(self, function: Any) -> None:
        self._lineno = function.__code__.co_firstlineno
        self._locator = KernelPlace(function)
        module = os.path.splitext(os.path.basename(function.__code__.co_filename))[0]
        self._filename_base = self.get_filename_base(f"{module}.{function.__qualname__}", sys.abiflags)


class KernelCache(FunctionCache):  # type: ignore[misc]
    """The kept overloads of one function."""

    _impl_class = KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was compiled for a signature, None when it was not, or cannot be read any more.

        numba's own first loads all that its compiler knows of types, at each start, which machine code has no use for;
        where something must be compiled the compiler loads it itself.
        """
        try:
            rtsys.initialize(target_context)
            return self._load_overload(sig, target_context)
        except Exception:  # a pickle that is torn raises anything
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled for a signature; where that fails it is said, and not tried again."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self.disable()
            cache.say_not_kept(error)
