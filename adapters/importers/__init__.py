"""Importers of recorded market data; must stay cheap to import, for the sake of `mm --help`.

A venue's captures are read by `import_captures`, told by one line in the venues' registry. Any other importer is one
module with a function `(request, on_progress) -> ImportResult` and one line in `IMPORTERS`.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from mmfold.adapters.venues.registry import CAPTURES, load

if TYPE_CHECKING:
    from mmfold.adapters.importers.outcome import ImportRequest, ImportResult

    ImportFiles = Callable[[ImportRequest, Callable[[int], None]], ImportResult]

IMPORTERS = {
    **dict.fromkeys(CAPTURES, "mmfold.adapters.importers.run:import_captures"),
    "jsonl": "mmfold.adapters.importers.jsonl:import_jsonl",
}


def load_importer(name: str) -> "ImportFiles":
    """Return the import function of one source, loading its module only now.

    Raises: KeyError for a name that is not in `IMPORTERS`.
    """
    function = load(IMPORTERS[name])
    return cast("ImportFiles", partial(function, captures=load(CAPTURES[name])) if name in CAPTURES else function)
