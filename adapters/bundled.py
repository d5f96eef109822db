"""What is installed beside the code: the pages of the documentation and a demo journal; must never be written to.

A checkout and an installed wheel have the same layout (docs/adr/0009), so one path serves both.
"""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FIRST_PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md")
DEMO = ROOT / "fixtures" / "demo.mmj"
WORD = "demo"


def journal_named(name: str | os.PathLike[str]) -> Path:
    """Return the path of a journal; `demo` is the bundled one where nothing of that name exists."""
    return DEMO if name == WORD and not os.path.lexists(WORD) else Path(name)
