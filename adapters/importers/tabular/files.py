"""Which files some names and patterns mean; must stay cheap to import."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from mmfold.adapters.importers.outcome import ImportFailedError


def found_files(paths: Sequence[Path]) -> tuple[Path, ...]:
    """Return the files that some names and patterns mean.

    Raises: ImportFailedError for a pattern without one, and for a file that is given twice.
    """
    found: list[Path] = []
    for path in paths:
        matches = [path] if path.exists() or not glob.has_magic(str(path)) else sorted(map(Path, glob.glob(str(path))))
        if not matches:
            raise ImportFailedError(f"{path}: no such file", "check the pattern")
        found += matches
    places = [os.path.realpath(path) for path in found]
    for path, place in zip(found, places, strict=True):
        if places.count(place) > 1:
            raise ImportFailedError(f"{path}: given twice", "name each file once; nothing was written")
    return tuple(found)
