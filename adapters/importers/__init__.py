"""Importers of recorded market data; must stay cheap to import, for the sake of `mm --help`.

A new importer is one module with a function `(request, on_progress) -> ImportResult` and one line in `IMPORTERS`.
"""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from mmfold.adapters.importers.outcome import ImportRequest, ImportResult

    ImportFiles = Callable[[ImportRequest, Callable[[int], None]], ImportResult]

IMPORTERS = {
    "binance": "mmfold.adapters.importers.run:import_binance",
    "bybit": "mmfold.adapters.importers.run:import_bybit",
    "jsonl": "mmfold.adapters.importers.jsonl:import_jsonl",
}


def load_importer(name: str) -> "ImportFiles":
    """Return the import function of one source, loading its module only now.

    Raises: KeyError for a name that is not in `IMPORTERS`.
    """
    module_name, _, function_name = IMPORTERS[name].partition(":")
    return cast("ImportFiles", getattr(importlib.import_module(module_name), function_name))
