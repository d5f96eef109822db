"""What is installed beside the code: the pages of the documentation and a demo journal; must never be written to.

A checkout and an installed wheel have the same layout (docs/adr/0009), so one path serves both.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
FIRST_PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md")
DEMO = ROOT / "fixtures" / "demo.mmj"
