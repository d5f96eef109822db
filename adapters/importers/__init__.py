"""Importers of recorded market data; must stay cheap to import, for the sake of `mm --help`.

A venue's captures are read by `import_captures`, told by one line in the venues' registry, tables by `import_tables`,
told by a name in `TABLES`. Any other importer is one module with a function `(request, on_progress) -> ImportResult`
and one line in `IMPORTERS`.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, cast

from mmfold.adapters.venues.registry import CAPTURES, load

if TYPE_CHECKING:
    from mmfold.adapters.importers.outcome import ImportRequest, ImportResult

    ImportFiles = Callable[[ImportRequest, Callable[[int], None]], ImportResult]

TABLES = ("table", "tardis", "vision")
IMPORTERS = {
    **dict.fromkeys(CAPTURES, "mmfold.adapters.importers.run:import_captures"),
    **dict.fromkeys(TABLES, "mmfold.adapters.importers.tabular.run:import_tables"),
    "jsonl": "mmfold.adapters.importers.jsonl:import_jsonl",
}


def load_importer(name: str) -> "ImportFiles":
    """Return the import function of one source, loading its module only now.

    Raises: KeyError for a name that is not in `IMPORTERS`.
    """
    function = load(IMPORTERS[name])
    if name in CAPTURES:
        function = partial(function, captures=load(CAPTURES[name]))
    elif name in TABLES:
        function = partial(function, source=name)
    return cast("ImportFiles", function)
