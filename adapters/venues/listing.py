"""A manifest's instruments as the parsers' symbol table; must never list what the manifest does not."""

from mmfold.adapters.importers.table import Listing, SymbolTable
from mmfold.engine.manifest import Manifest


def list_manifest(manifest: Manifest, venue: str = "bybit") -> SymbolTable:
    """Return the table of a manifest: its indices are the manifest's, any other symbol is passed over."""
    symbols = frozenset(instrument.symbol for instrument in manifest.instruments)
    table = SymbolTable(venue=venue, wanted=symbols)
    for index, instrument in enumerate(manifest.instruments):
        assert table.list_instrument(instrument).index == index
    return table


def category_of(listing: Listing) -> str:
    """Return the venue's `category` of an instrument: linear, inverse or spot, our word for its contract."""
    return listing.instrument.contract
