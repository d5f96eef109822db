"""`mm bundle` as a user calls it: what is in the file, what is never in it, and that every command reads it."""

import getpass
import json
import os
import socket
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmfold.adapters import redact
from mmfold.adapters.bundled import DEMO
from mmfold.engine.codes import EventKind
from mmfold.engine.manifest import encode_manifest
from mmfold.engine.payload import payload_rows
from mmfold.journal.log.chain import Chain
from mmfold.journal.log.writer import Writer
from mmfold.replay import excerpt
from tests.engine.rows import T0_NS, make_manifest
from tests.replay.venue.market import make_instruments, market_events, write_market
from tests.reports.parity.recorded import all_rows, record_steps

pytestmark = pytest.mark.usefixtures("same_kernels", "nothing_known")
KNOWN = ("known!Key/of the environment", "kept-in-a-file-7", "told by an orchestrator")
BARE = ("q8Rk2LmZt0VxWc5nYb", "Zk31vQmT9xLw7RbNc5Hy2PdGs8Ja4FuXe6Ko")
NEVER = (*KNOWN, *BARE, "alice", "desk7", "/srv/alice")
TEXTS = ["BUNDLE.json", "REPORT.md", "config.json", "doctor.json", "journal/000000.mmj", "journal/seal.json",
         "report.json", "versions.json"]  # fmt: skip
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "known_pattern", None)
    monkeypatch.setattr(redact, "known_texts", frozenset())


@pytest.fixture
def mm(call: Call) -> Call:
    """Return a function that runs `mm ...` and returns exit code, stdout and stderr."""
    return call


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a configuration file with keys pasted into it, on a machine that keeps some of them."""
    monkeypatch.setattr(getpass, "getuser", lambda: "alice")
    monkeypatch.setattr(socket, "gethostname", lambda: "desk7.example.net")
    kept = tmp_path / "secrets.json"
    kept.write_text(json.dumps({"mm-bot/prod/bybit/api_secret": KNOWN[1]}))
    kept.chmod(0o600)
    monkeypatch.setenv("SECRETS_FILE", str(kept))
    monkeypatch.setenv("BYBIT_API_KEY", KNOWN[0])
    (tmp_path / "mounted").write_text(KNOWN[2])
    monkeypatch.setenv("MM_BYBIT_API_SECRET_FILE", str(tmp_path / "mounted"))
    config = tmp_path / "mm.yaml"
    config.write_text(
        f"# alice on desk7: {KNOWN[0]}, {json.dumps(KNOWN[1])}, {KNOWN[2]}\n"
        f"# {BARE[0]} and api_secret: {BARE[1]}, journal in /srv/alice/mm or '/srv/alice/my dir'\n"
        f"# known%21Key/of%20the%20environment\n"
        "strategy:\n  min_spread_bps: 3  # of alice\n"
    )
    return config


def members_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def everything(path: Path) -> Iterator[bytes]:
    """Yield every byte of a bundle as it is sent, then unpacked, then the texts of its journal joined."""
    yield path.read_bytes()
    yield from members_of(path).values()
    for _, _, payload in excerpt.payloads(path):
        yield payload


def test_what_is_in_it(mm: Call, tmp_path: Path) -> None:
    out = tmp_path / "b.zip"
    code, told, err = mm("bundle", "demo", "--out", out, "--json")
    found = json.loads(told)
    assert code == 0 and not err and found["members"] == TEXTS[1:]
    members = members_of(out)
    assert sorted(members) == TEXTS
    index = json.loads(members["BUNDLE.json"])
    assert index["kind"] == "whole" and index["head"] == index["parent_head"] == found["head"]
    assert (index["events"], index["rows"]) == (index["parent_events"], index["parent_rows"])
    assert index["replay"] == {"error": None, "ok": True} and index["notes"] == []
    report = json.loads(members["report.json"])
    assert report["digests"]["head"] == found["head"] and "run" not in report
    assert "****" not in json.dumps(report) and b"****" not in members["REPORT.md"]
    versions = json.loads(members["versions.json"])
    assert versions["packages"]["numpy"] == np.__version__ and len(versions["build"]) == 16
    assert {check["name"] for check in json.loads(members["doctor.json"])["checks"]} >= {"env", "config", "journal"}
    assert json.loads(members["config.json"])["params"]["BTCUSDT"]["enabled"] == 1


def test_every_reader_takes_it_for_the_journal(mm: Call, tmp_path: Path) -> None:
    out = tmp_path / "b.zip"
    journal = record_steps(tmp_path / "j", "book, ack, fill 9990x2, book, gap, book")
    assert mm("bundle", journal, "--out", out)[0] == 0
    commands = [
        ("replay", "PATH", "--json"), ("replay", "--events", "PATH", "--json"), ("at", "--events", "PATH", "--json"),
        ("why", "--events", "PATH", 5, "--json"), ("diff", "PATH", journal, "--json"),
        ("diff", "PATH", "--set", "strategy.min_spread_bps=22", "--json"), ("journal", "cat", "PATH"),
        ("config", "show", "--events", "PATH", "--json"),
    ]  # fmt: skip
    for words in commands:
        a, b = (mm(*(place if word == "PATH" else word for word in words)) for place in (out, journal))
        assert a[0] == b[0] and not a[2] and not b[2], (words, a, b)
        if words[:2] == ("journal", "cat"):
            assert a[1] == b[1]
            continue
        first, second = json.loads(a[1]), json.loads(b[1])
        for found in (first, second):
            found.pop("run", None)
        assert first == second, words
    head = json.loads(mm("replay", out, "--json")[1])["head"]
    code, told, _ = mm("journal", "verify", out, "--head", head)
    assert code == 0 and "sealed" in told and str(out) in told
    info = json.loads(mm("journal", "info", out, "--json")[1])
    assert (info["form"], info["head"], info["sealed"]) == ("bundle", head, True)
    assert info["rows"] == len(all_rows(journal)) and info["bytes"] == out.stat().st_size
    code, _, err = mm("minimize", out, "--fails-if", "fills > 0", "--out", tmp_path / "min")
    assert code == 0, err
    assert mm("replay", tmp_path / "min")[0] == 0
    assert mm("journal", "convert", out, tmp_path / "back")[0] == 0
    assert np.array_equal(all_rows(tmp_path / "back"), all_rows(journal))


@pytest.mark.parametrize("key", [KNOWN[0], *BARE])
def test_a_key_as_a_setting_is_not_told_by_the_doctor(
    mm: Call, tmp_path: Path, planted: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    out = tmp_path / "b.zip"
    planted.write_text(f"strategy:\n  min_spread_bps: '{key}'\n  '{key}': 1\n'{key}': 1\n")
    monkeypatch.setenv("EXCHANGE_ENV", key)
    code, told, err = mm("bundle", "demo", "--config", planted, "--out", out, "--json")
    assert code == 0, err
    checks = {check["name"]: check for check in json.loads(members_of(out)["doctor.json"])["checks"]}
    assert checks["config"]["status"] == "fail" and checks["env"]["status"] == "warn"
    for data in (told.encode(), err.encode(), *everything(out)):
        assert key.encode() not in data


def test_no_planted_key_gets_in(mm: Call, tmp_path: Path, planted: Path) -> None:
    out = tmp_path / "b.zip"
    code, told, err = mm("bundle", "demo", "--config", planted, "--out", out, "--json")
    assert code == 0, err
    for data in (told.encode(), *everything(out)):
        assert not [word for word in NEVER if word.encode() in data and str(out).encode() not in data]
    text = members_of(out)["config.yaml"].decode()
    assert "  min_spread_bps: 3  # of <user>" in text and text.count("\n") == planted.read_text().count("\n")


@pytest.mark.parametrize("key", [*KNOWN, *BARE, f"token={BARE[1]}", "AKIA" + "IOSFODNN7EXAMPLE"])
@pytest.mark.parametrize("where", ["run id", "extra", "CONFIG", "COMMAND", "last COMMAND"])
def test_a_key_in_the_rows_refuses_the_bundle(mm: Call, tmp_path: Path, planted: Path, where: str, key: str) -> None:
    from dataclasses import replace

    manifest = make_manifest("X", "Y")
    if where == "run id":
        manifest = replace(manifest, run_id=f"desk {key}")
    elif where == "extra":
        manifest = replace(manifest, extra={"fails_if": f"'{key}'"})
    config = {"params": {}, "policies": {"x": {"why": key if where == "CONFIG" else "-"}}}
    texts = {1: (EventKind.CONFIG, config), 2: (EventKind.COMMAND, {"policy": "x"})}
    if where.endswith("COMMAND"):
        texts[3 if where.startswith("last") else 2] = (EventKind.COMMAND, {"policy": "x", "reason": [key]})
    with Writer(tmp_path / "j") as writer:
        writer.append(payload_rows(EventKind.MANIFEST, 0, encode_manifest(manifest)))
        for seq, (kind, document) in sorted(texts.items()):
            writer.append(payload_rows(kind, seq, json.dumps(document).encode()))
        writer.commit()
    out = tmp_path / "b.zip"
    code, told, err = mm("bundle", tmp_path / "j", "--out", out)
    seq = {"run id": 0, "extra": 0, "CONFIG": 1, "COMMAND": 2, "last COMMAND": 3}[where]
    assert (
        code == 1 and not told and f" seq {seq}: the " in err and "holds a key" in err and "nothing was written" in err
    )
    assert not any(word in err for word in (*KNOWN, *BARE)) and "rows of a journal are never changed" in err
    assert not out.exists() and sorted(path.name for path in tmp_path.iterdir()) == [
        "j", "mm.yaml", "mounted", "secrets.json",
    ]  # fmt: skip


def test_what_passes_the_scrubber_is_found_at_the_end(
    mm: Call, tmp_path: Path, planted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmfold.adapters.bundle.scrub import Scrubber

    monkeypatch.setattr(Scrubber, "text", lambda self, text: text)
    code, _, err = mm("bundle", "demo", "--config", planted, "--out", tmp_path / "b.zip")
    assert code == 1 and "config.yaml would hold a key (known_value)" in err and not (tmp_path / "b.zip").exists()


def test_the_same_journal_gives_the_same_bytes(mm: Call, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        assert mm("bundle", "demo", "--out", tmp_path / name)[0] == 0
    first, second = members_of(tmp_path / "a.zip"), members_of(tmp_path / "b.zip")
    varying = {name for name in first if first[name] != second[name]}
    assert varying <= {"doctor.json", "BUNDLE.json"}, "free room on the disk, and its hash"


def test_up_to_an_event_with_what_it_decided(mm: Call, tmp_path: Path) -> None:
    journal = record_steps(tmp_path / "j", "book, ack, fill 9990x2, book, gap, book")
    rows = all_rows(journal)
    for seq in range(int(rows[-1]["seq"]) + 1):
        out = tmp_path / f"{seq}.zip"
        code, told, _ = mm("bundle", journal, "--until", seq, "--out", out, "--json")
        found = json.loads(told)
        assert code == 0 and found["replay"]["ok"], (seq, found)
        taken = rows[rows["seq"] <= found["seq_last"]]
        assert found["seq_last"] >= seq and found["rows"] == len(taken) and found["parent_rows"] == len(rows)
        chain = Chain()
        chain.update(taken)
        assert found["head"] == chain.head.hex(), "a prefix of the parent's own chain"
        following = rows[rows["seq"] > found["seq_last"]]
        assert not len(following) or following[0]["kind"] < EventKind.PLACE, "no decision is left behind"
    code, told, _ = mm("bundle", journal, "--until", "2023-11-14T22:13:21Z", "--out", tmp_path / "t.zip", "--json")
    assert code == 0 and json.loads(told)["kind"] == "until"


def test_a_span_of_a_market_and_of_a_session(mm: Call, tmp_path: Path) -> None:
    market = write_market(tmp_path / "m", market_events(5, 300), make_instruments(1))
    ends = ("--from", T0_NS + 500_000_000, "--until", T0_NS + 2_000_000_000)
    code, told, _ = mm("bundle", market, *ends, "--out", tmp_path / "m.zip", "--json")
    found = json.loads(told)
    head = json.loads(mm("journal", "verify", market, "--json")[1])["head"]
    assert code == 0 and found["kind"] == "slice" and found["parent_head"] == head and found["seq_first"] > 0
    assert mm("replay", tmp_path / "m.zip")[0] == 0
    code, _, err = mm("bundle", "demo", "--from", 100, "--out", tmp_path / "s.zip")
    assert code == 1 and "a session's own" in err and "leave --from out" in err and "--market-only" in err
    code, told, err = mm("bundle", "demo", "--from", 100, "--market-only", "--out", tmp_path / "s.zip", "--json")
    assert code == 0 and json.loads(told)["kind"] == "market"
    assert [note for note in json.loads(told)["notes"] if "own orders" in note]
    code, _, err = mm("bundle", market, "--from", 10**12, "--out", tmp_path / "n.zip")
    assert code == 1 and "holds no event of the span" in err


def test_of_a_long_journal_the_end_is_taken_and_said(mm: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    market = write_market(tmp_path / "m", market_events(5, 300), make_instruments(1))
    row_count = len(all_rows(market))
    monkeypatch.setattr(excerpt, "WHOLE_ROW_COUNT_MAX", row_count)
    assert json.loads(mm("bundle", market, "--out", tmp_path / "w.zip", "--json")[1])["kind"] == "whole"
    monkeypatch.setattr(excerpt, "WHOLE_ROW_COUNT_MAX", row_count - 1)
    code, told, err = mm("bundle", market, "--out", tmp_path / "e.zip")
    assert code == 0 and f"the journal has {row_count:,} rows" in err and "journal   slice: seq" in told
    monkeypatch.setattr(excerpt, "WHOLE_ROW_COUNT_MAX", 9_000)
    code, told, err = mm("bundle", "demo", "--out", tmp_path / "d.zip")
    assert code == 0 and "own orders, fills and positions are left out" in err and "journal   market: seq" in told
    monkeypatch.setattr(excerpt, "ROW_COUNT_MAX", 500)
    code, _, err = mm("bundle", "demo", "--until", 2000, "--out", tmp_path / "l.zip")
    assert code == 1 and "at most 500 rows" in err and not (tmp_path / "l.zip").exists()


def test_a_journal_that_fails_is_packed_with_how(mm: Call, tmp_path: Path) -> None:
    rows = all_rows(record_steps(tmp_path / "j", "book, ack, fill 9990x2, book"))
    rows["price_ticks"][rows["kind"] == EventKind.PLACE] -= 1
    with Writer(tmp_path / "edited") as writer:
        writer.append(rows)
        writer.commit()
    out = tmp_path / "b.zip"
    code, told, _ = mm("bundle", tmp_path / "edited", "--out", out)
    assert code == 0 and "replay    ends with WitnessDiffers" in told
    members = members_of(out)
    assert "report.json" not in members and not json.loads(members["BUNDLE.json"])["replay"]["ok"]
    assert mm("replay", out)[0] == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("demo", "--out", "b.tar"), 64, "does not end in .zip"),
        (("demo", "--out", "there.zip"), 1, "exists already"),
        (("demo", "--out", "none/b.zip"), 1, "make it first"),
        (("none", "--out", "b.zip"), 1, "none"),
        (("demo", "--until", "soon"), 64, "neither a seq nor a time"),
        (("demo", "--config", "none.yaml"), 64, "none.yaml"),
        ((), 64, "PATH"),
    ],
)
def test_what_cannot_be_done_is_said(
    mm: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.zip").write_bytes(b"mine")
    ended, told, err = mm("bundle", *words)
    assert ended == code and said in err and not told
    assert os.listdir(tmp_path) == ["there.zip"] and (tmp_path / "there.zip").read_bytes() == b"mine"


def test_a_cut_journal_is_refused_with_what_to_do(mm: Call, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(DEMO, tmp_path / "j")
    (tmp_path / "j" / "seal.json").unlink()
    segment = tmp_path / "j" / "000000.mmj"
    segment.write_bytes(segment.read_bytes()[:-100])
    code, _, err = mm("bundle", tmp_path / "j", "--out", tmp_path / "b.zip")
    assert code == 1 and "mm journal recover" in err and not (tmp_path / "b.zip").exists()
