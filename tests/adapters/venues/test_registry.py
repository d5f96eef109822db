"""Venues by name: cheap to list, loaded when asked for, all others through ccxt; the docs say what each can do."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from mmfold.adapters.live.venue.endpoints import BadEndpoint, Endpoints, find_endpoints
from mmfold.adapters.venues import registry
from mmfold.adapters.venues.ccxt.venue import CAPABILITIES as THROUGH_CCXT
from mmfold.adapters.venues.port import Capabilities, Hosts, book_depth_of
from mmfold.adapters.venues.registry import VENUES, client_name, client_venue, native_venue, order_venues, takes_orders
from tests.adapters.live.made_up import MadeUpVenue
from tests.adapters.venues.conformance.cases import CASES, RECORDINGS
from tests.adapters.venues.conformance.test_conformance import missing

REPO = Path(__file__).resolve().parents[3]
PAGE = (REPO / "docs" / "venues.md").read_text(encoding="utf-8")


def table(title: str) -> list[list[str]]:
    lines = [line for line in PAGE.split(f"## {title}\n", 1)[1].split("\n## ")[0].splitlines() if line[:1] == "|"]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def test_the_registry_is_cheap_to_import() -> None:
    code = "import sys, mmfold.adapters.venues.registry; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPO).stdout
    heavy = {
        "numpy",
        "numba",
        "orjson",
        "aiohttp",
        "ccxt",
        "mmfold.adapters.venues.bybit",
        "mmfold.adapters.venues.ccxt",
    }
    assert "mmfold.adapters.venues.registry" in loaded.split() and not heavy & set(loaded.split())


@pytest.mark.parametrize("name", VENUES)
def test_a_venue_is_what_its_line_says(name: str) -> None:
    venue = native_venue(name)
    can = venue.capabilities
    assert venue.name == name and venue is native_venue(name) and client_name(name) is None
    assert can.book_start in ("stream", "rest") and can.contracts and can.batch_order_count_max >= 1
    assert ("testnet" in venue.hosts) == can.testnet and "live" in venue.hosts
    for hosts in venue.hosts.values():
        assert hosts.rest.startswith("https://") and hosts.sockets.startswith("wss://")
    assert takes_orders(name) == can.order_entry == (name in order_venues())
    if can.order_entry:
        assert can.requests_per_s > 0 and can.queries_per_s > 0 and can.order_id_length_max > 0
    hosts = venue.hosts["live"]
    for mode in ("paper", "shadow", "live"):
        assert find_endpoints(name, mode, None) == Endpoints(hosts.rest, hosts.sockets)


@pytest.mark.parametrize(("name", "in_ccxt"), [("okx", "okx"), ("ccxt:bybit", "bybit"), ("ccxt:okx", "okx")])
def test_any_other_name_is_one_of_ccxt(name: str, in_ccxt: str) -> None:
    venue = client_venue(name)
    assert (client_name(name), venue.name, venue.capabilities) == (in_ccxt, in_ccxt, THROUGH_CCXT)
    assert not takes_orders(name) and find_endpoints(name, "paper", None) == Endpoints(f"ccxt:{in_ccxt}", "")


def test_a_venue_without_a_testnet_has_no_address_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.VENUES, "madeup", "tests.adapters.live.made_up:MadeUpVenue")
    with pytest.raises(BadEndpoint, match="madeup has no testnet"):
        find_endpoints("madeup", "testnet", None)
    assert MadeUpVenue.hosts["live"] == Hosts("https://madeup.invalid", "wss://madeup.invalid")


@pytest.mark.parametrize(
    ("depths", "taken"),
    [((1, 50, 200), 50), ((1, 20), 20), ((0,), 0), ((5, 10, 0), 0), ((200, 1000), 200), ((50,), 50)],
)
def test_the_least_depth_that_suffices(depths: tuple[int, ...], taken: int) -> None:
    can = Capabilities(contracts=("linear",), book_start="stream", book_depths=depths, testnet=False, order_entry=False)
    assert book_depth_of(can) == taken


def test_the_docs_say_what_each_venue_can_do() -> None:
    head, _, *rows = table("What each can do")
    assert head == ["capability", *VENUES, "through ccxt"]
    told = [native_venue(name).capabilities for name in VENUES] + [THROUGH_CCXT]
    assert rows == [[one.name, *(in_words(getattr(can, one.name)) for can in told)] for one in fields(Capabilities)]


def test_the_docs_list_every_case() -> None:
    _, _, *rows = table("The cases that it has to pass")
    cases = [[str(case.number), case.name, ", ".join(case.needs)] for case in CASES]
    cases += [[str(number), name, ""] for number, name in RECORDINGS.items()]
    assert rows == sorted(cases, key=lambda row: int(row[0]))


def test_a_market_alone_is_spared_what_needs_orders() -> None:
    spared = {case.number for case in CASES if missing(case, MadeUpVenue.capabilities)}
    assert spared == {case.number for case in CASES if case.needs} and spared
