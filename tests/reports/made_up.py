"""Three small reports as somebody else would add them, one of each feed."""

from pathlib import Path

from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import canonical_json
from mmfold.journal.files.outputs import write_file
from mmfold.reports.artifact import write_artifact
from mmfold.reports.seam import Feed, Report


class PlaceCount:
    """Counts the orders while they are decided."""

    def __init__(self, path, _):
        self.path, self.count = path, 0

    def write(self, effect_rows):
        self.count += int((effect_rows["kind"] == EventKind.PLACE).sum())

    def __enter__(self):
        return self

    def __exit__(self, kind, *error):
        if kind is None:
            write_file(self.path, b"%d\n" % self.count)


def write_positions(result, directory: Path) -> Path:
    write_artifact(directory / "positions.json", canonical_json(result.state.positions["position_lots"].tolist()))
    write_artifact(directory / "positions.txt", b"%d samples\n" % len(result.samples))
    return directory / "positions.txt"


def write_fills(directory: Path, sheets, notes) -> Path:
    counts = {name: len(sheet.fill_notes) for name, sheet in sheets.items()}
    write_artifact(directory / "fills.json", canonical_json([counts, sorted(notes)]))
    return directory / "fills.json"


MADE_UP = (
    Report(name="places", help="Count.", feed=Feed.EFFECTS, make="tests.reports.made_up:PlaceCount"),
    Report(
        name="positions",
        help="Positions.",
        feed=Feed.RESULT,
        make="tests.reports.made_up:write_positions",
        files=("positions.json", "positions.txt"),
        sampled=True,
    ),
    Report(
        name="fills",
        help="Fills.",
        feed=Feed.SHEETS,
        make="tests.reports.made_up:write_fills",
        files=("fills.json",),
    ),
)
