"""When a venue counts as gone: each connection once, once when it is back; a table over a clock of the test's."""

import pytest

from mmfold.adapters.alerts.kinds import Happening
from mmfold.adapters.live.operator.alerting import VenueWatch
from mmfold.adapters.venues.connection import StreamStatus

DOWN, BACK = Happening.VENUE_DOWN, Happening.VENUE_BACK

# looks: s, which connections are up of a(public) and b(private) | what is told in all, with a limit of 15 s
TABLE = [
    ("0 ab, 100 ab", []),
    ("0 b, 14 b, 14.9 ab, 15 ab, 60 ab", []),
    ("0 b, 15 b, 16 b, 99 b", [(DOWN, "public for 15 s")]),
    ("0 b, 15 b, 20 ab, 21 ab", [(DOWN, "public for 15 s"), (BACK, "public")]),
    ("0 b, 10 ab, 11 b, 20 b, 25 b, 26 b", [(DOWN, "public for 15 s")]),
    ("0 b, 15 b, 20 ab, 21 b, 36 b", [(DOWN, "public for 15 s"), (BACK, "public"), (DOWN, "public for 15 s")]),
    ("0 -, 17 -", [(DOWN, "public for 17 s"), (DOWN, "private for 17 s")]),
]


@pytest.mark.parametrize(("looks", "told"), TABLE)
def test_the_watch(looks: str, told: list[tuple[Happening, str]]) -> None:
    watch, found = VenueWatch(15.0), []
    for look in looks.split(", "):
        second, up = look.split()
        streams = [StreamStatus("public", up="a" in up), StreamStatus("private", up="b" in up)]
        found += watch.changes(streams, float(second))
    assert found == told
