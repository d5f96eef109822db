"""`mm journal key`, `anchor`, `prove`, `check-proof`, `verify --anchor`: to a user, an outsider, an attacker."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmfold.engine.codes import Flag
from mmfold.journal.log.writer import Writer
from mmfold.journal.proof.hashing import leaf_hash
from tests.journal.make_rows import canonical_rows, events_of, files_of, forge_journal, write_journal

VERIFY = Path(__file__).resolve().parents[3] / "docs" / "verify"
VERIFIERS = {
    "js": ["node", str(VERIFY / "verify.js")],
    "py": [sys.executable, str(VERIFY / "verify.py")],
    "go": ["go", "run", str(VERIFY / "verify.go")],
}
EVENT_COUNT = 2_100
ROWS = canonical_rows(EVENT_COUNT)
EVENTS = events_of(ROWS)
LINES_MAX = 50


@pytest.fixture
def vkey(mm, place: Path) -> str:
    """Make a key and return its public half."""
    code, out, _ = mm("key", "--out", place / "k.pem", "--name", "example.com/mm", "--json")
    assert code == 0
    return str(json.loads(out)["vkey"])


@pytest.fixture
def anchored(mm, place: Path, vkey: str) -> Path:
    """Return a directory with an anchored journal `j`, its checkpoint kept as `kept` and its key's public half."""
    assert mm("anchor", place / "j", "--key", place / "k.pem")[0] == 0
    shutil.copy(place / "j/proof/checkpoint", place / "kept")
    (place / "vkey").write_text(vkey + "\n")
    return place


def proof_of(mm, place: Path, seq: int) -> Path:
    code, out, err = mm("prove", place / "j", "--seq", seq)
    assert (code, err) == (0, "")
    (place / "p.txt").write_text(out)
    return place / "p.txt"


def test_a_key_is_private_never_replaced_and_never_shown(mm, place: Path, vkey: str) -> None:
    pem = (place / "k.pem").read_text()
    assert (place / "k.pem").stat().st_mode & 0o777 == 0o600 and vkey.startswith("example.com/mm+")
    code, _, err = mm("key", "--out", place / "k.pem", "--name", "example.com/mm")
    assert code == 1 and "exists already" in err and (place / "k.pem").read_text() == pem
    assert mm("key", "--out", place / "l.pem", "--name", "two words")[0] == 64
    secret = "".join(pem.split("KEY-----")[1].split("\n")[:-1])[20:40]
    told = mm("anchor", place / "j", "--key", place / "k.pem", "--json")
    assert told[0] == 0 and secret not in "".join(told[1:])
    assert not [name for name, data in files_of(place / "j").items() if secret.encode() in data]


def test_anchor_prove_check(mm, anchored: Path, vkey: str) -> None:
    for seq in (0, 1, 1_234, EVENT_COUNT - 1):
        path = proof_of(mm, anchored, seq)
        code, out, _ = mm("check-proof", path)
        assert code == 0 and f"event {seq:,} of 2,100" in out and "the key is the proof's own word" in out
        code, out, _ = mm("check-proof", path, "--vkey", vkey, "--json")
        document = json.loads(out)
        assert code == 0 and document["pinned"] and document["seq"] == seq and document["vkeys"] == [vkey]
        assert bytes.fromhex("".join(row["hex"] for row in document["rows"])) == EVENTS[seq].tobytes()
        assert mm("check-proof", path, "--vkey", anchored / "vkey", "--origin", document["origin"])[0] == 0
        assert "found one of" in mm("check-proof", path, "--origin", "example.com/mm/other")[2]
    assert path.stat().st_size < 2_000


def test_a_proof_of_thirty_million_events_fits_two_kilobytes() -> None:
    from mmfold.journal.proof.checkpoint import Checkpoint, SignedCheckpoint
    from mmfold.journal.proof.note import KeyKind, SignedNote
    from mmfold.journal.proof.proof_file import EventProof
    from mmfold.journal.proof.signing import make_key, parse_signer

    name = "marketmaker.example.com/mm"
    signer = parse_signer(make_key(name, KeyKind.ED25519, None), None, Path("k"))
    checkpoint = Checkpoint(f"{name}/live-2026-09-21-bybit-0a1b2c3d4e5f-00112233", 30_000_000, bytes(range(32)))
    note = SignedNote(checkpoint.text, (signer.sign(checkpoint, 0),))
    proof = EventProof(29_999_999, (bytes(32),) * 25, bytes(64), str(signer.vkey), SignedCheckpoint(checkpoint, note))
    assert len(str(proof).encode()) <= 2_000


def test_the_journal_is_as_it_was_beside_its_proofs(mm, anchored: Path, made_journal: Path) -> None:
    left = {name: data for name, data in files_of(anchored / "j").items() if not name.startswith("proof/")}
    assert left == files_of(made_journal)
    for words in (("verify",), ("info",), ("cat",), ("recover",)):
        assert mm(*words, anchored / "j")[0] == 0
    assert mm("convert", anchored / "j", anchored / "copy")[0] == 0
    assert mm("convert", made_journal, anchored / "j", "--force")[0] == 0, "--force knows proof/ as a journal's own"


# Whoever attacks: each of these changes what was anchored.


def edited(rows: np.ndarray) -> np.ndarray:
    rows = rows.copy()
    rows["qty_lots"][100] += 1
    return rows


def joined(events: list[np.ndarray]) -> np.ndarray:
    events = [event.copy() for event in events]
    for seq, event in enumerate(events):
        event["seq"] = seq
    return np.concatenate(events)


ATTACKS = {
    "edit": edited(ROWS),
    "delete": joined(EVENTS[:700] + EVENTS[701:]),
    "insert": joined([*EVENTS[:700], EVENTS[650], *EVENTS[700:]]),
    "swap": joined([*EVENTS[:700], EVENTS[701], EVENTS[700], *EVENTS[702:]]),
    "truncate": np.concatenate(EVENTS[:2_000]),
}


TOUCHED = {"edit": int(ROWS["seq"][100]), "delete": 1_000, "insert": 700, "swap": 700, "truncate": 2_050}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_rewritten_chain_is_shown_by_the_anchor_alone(mm, anchored: Path, attack: str) -> None:
    keep = anchored / "j/proof"
    keep.rename(anchored / "proof")
    shutil.rmtree(anchored / "j")
    write_journal(anchored / "j", ATTACKS[attack], 50)
    (anchored / "proof").rename(keep)
    tiles = files_of(keep)
    assert mm("verify", anchored / "j")[0] == 0, "its chain and its seal were made anew"
    code, _, err = mm("verify", anchored / "j", "--anchor", anchored / "kept")
    assert code == 2 and ("was cut off" if attack in ("truncate", "delete") else "was rewritten") in err
    code, out, err = mm("verify", anchored / "j", "--anchor", anchored / "kept", "--json")
    document = json.loads(out)
    assert (code, err, document["ok"]) == (2, "", False) and "2,100 events" in document["first_bad"]["reason"]
    code, _, err = mm("anchor", anchored / "j", "--key", anchored / "k.pem")
    assert code == 2 and ("was cut off" in err or "are not those that were anchored" in err)
    assert files_of(keep) == tiles, "what shows the attack stays"
    code, _, err = mm("prove", anchored / "j", "--seq", TOUCHED[attack])
    assert code == (1 if attack == "truncate" else 2), err


@pytest.mark.parametrize("attack", ATTACKS)
def test_bytes_that_were_changed_are_shown_by_the_chain(mm, anchored: Path, attack: str) -> None:
    """Rows changed in place, with the frame's digest of before: what an attacker does who cannot hash."""
    whole = forge_journal(anchored / "one", ROWS)
    segment = whole / "000000.mmj"
    data = segment.read_bytes()
    start = len(data) - ROWS.nbytes
    changed = ATTACKS[attack].tobytes()
    segment.write_bytes(data[:start] + changed[: ROWS.nbytes].ljust(ROWS.nbytes, b"\0"))
    assert mm("verify", whole)[0] == 2
    code, _, err = mm("anchor", whole, "--key", anchored / "k.pem")
    assert (
        code == 2 and not (whole / "proof/checkpoint").exists() and f"mm journal verify {whole}" in err + "x"
    ) or code == 2


def test_the_anchor_holds_in_every_form_and_for_a_journal_that_grew(mm, anchored: Path, vkey: str) -> None:
    assert mm("convert", anchored / "j", anchored / "j.jsonl")[0] == 0
    assert mm("convert", anchored / "j", anchored / "j.parquet")[0] == 0
    for path in ("j", "j.jsonl", "j.parquet"):
        code, out, _ = mm("verify", anchored / path, "--anchor", anchored / "kept", "--vkey", vkey)
        assert code == 0 and "the first 2,100 events are those of example.com/mm/test-" in out, path
        assert "signature was not checked" not in out
        assert "signature was not checked" in mm("verify", anchored / path, "--anchor", anchored / "kept")[1]
    document = json.loads(mm("verify", anchored / "j", "--anchor", anchored / "kept", "--json")[1])
    assert document["anchor"] == {"events": 2_100, "origin": document["anchor"]["origin"]}
    grown(anchored / "j", 1_000)
    assert mm("verify", anchored / "j", "--anchor", anchored / "kept")[0] == 0
    (anchored / "p.txt").write_text(mm("prove", anchored / "j", "--seq", 7)[1])
    assert mm("verify", anchored / "j", "--anchor", anchored / "p.txt")[0] == 0, "a proof ends with a checkpoint"


def grown(directory: Path, count: int) -> None:
    """Append events as a next session does."""
    with Writer(directory) as writer:
        for event in canonical_grown(count):
            writer.append(event)
        writer.commit()


def canonical_grown(count: int) -> list[np.ndarray]:
    return events_of(canonical_rows(EVENT_COUNT + count))[EVENT_COUNT:]


def test_a_journal_that_grew_is_anchored_on_and_the_growth_is_proven(mm, anchored: Path, vkey: str) -> None:
    before = files_of(anchored / "j/proof")
    grown(anchored / "j", 1_000)
    assert mm("prove", anchored / "j", "--seq", 2_500)[0] == 1, "it is not anchored yet"
    document = json.loads(mm("anchor", anchored / "j", "--key", anchored / "k.pem", "--json")[1])
    assert document["events"] == 3_100 and document["events_before"] == 2_100
    assert 0 < document["tiles_written"] < 3_100 // 256 + 4, "full tiles of before are left"
    after = files_of(anchored / "j/proof")
    assert not [name for name in before if name.count("/") == 2 and ".p" not in name and before[name] != after[name]]
    code, out, _ = mm("prove", anchored / "j", "--old", anchored / "kept")
    (anchored / "g.txt").write_text(out)
    assert code == 0 and out.startswith("old 2100\n")
    assert mm("check-proof", anchored / "g.txt", "--old", anchored / "kept", "--vkey", vkey)[0] == 0
    code, out, _ = mm("check-proof", anchored / "g.txt", "--old", anchored / "kept")
    assert code == 0 and "continues that of 2,100" in out and "no signature was checked" in out
    assert mm("check-proof", anchored / "g.txt")[0] == 1, "it is about an old checkpoint"
    newest = anchored / "j/proof/checkpoint"
    assert mm("check-proof", anchored / "g.txt", "--old", newest)[0] == 2, "it is about another one"
    (anchored / "g.txt").write_text((anchored / "g.txt").read_text().replace("old 2100", "old 2099"))
    assert mm("check-proof", anchored / "g.txt", "--old", anchored / "kept")[0] == 2


def test_a_journal_under_its_writer_is_anchored_as_far_as_it_is_committed(mm, anchored: Path) -> None:
    with Writer(anchored / "j") as writer:
        for event in canonical_grown(10):
            writer.append(event)
        writer.commit()
        document = json.loads(mm("anchor", anchored / "j", "--key", anchored / "k.pem", "--json")[1])
        assert document["events"] == 2_110
        assert mm("anchor", anchored / "j", "--key", anchored / "k.pem")[0] == 0
        assert mm("prove", anchored / "j", "--seq", 2_105)[0] == 0


def test_follow_says_each_anchoring_and_ends_with_the_seal(mm, anchored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "nice", lambda by: by)  # of the test's own process
    grown(anchored / "j", 300)
    words = ("anchor", anchored / "j", "--key", anchored / "k.pem", "--follow")
    code, out, _ = mm(*words, "--json")
    assert code == 0 and [json.loads(line)["events"] for line in out.splitlines()] == [2_400]
    assert mm(*words, "--every", "0.5")[0] == 64
    changed = bytearray((anchored / "j/000000.mmj").read_bytes())
    changed[-1] ^= 1
    (anchored / "j/000000.mmj").write_bytes(changed)
    assert mm(*words)[0] == 2


def test_tiles_that_were_changed_prove_nothing_and_are_made_anew(mm, anchored: Path) -> None:
    tile = anchored / "j/proof/tile/0/004"
    good = tile.read_bytes()
    for data in (bytes(len(good)), good[:32], b""):
        tile.write_bytes(data)
        code, _, err = mm("prove", anchored / "j", "--seq", 1_100)
        assert code in (1, 2) and "Traceback" not in err
        assert mm("anchor", anchored / "j", "--key", anchored / "k.pem")[0] == 0
        assert tile.read_bytes() == good and mm("prove", anchored / "j", "--seq", 1_100)[0] == 0


def test_keys_that_are_not_the_signers(mm, anchored: Path, vkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, options in (("l.pem", ()), ("pq.pem", ("--ml-dsa",))):
        assert mm("key", "--out", anchored / name, "--name", "example.com/mm", *options)[0] == 0
    code, _, err = mm("anchor", anchored / "j", "--key", anchored / "l.pem")
    assert code == 2 and "expected a signature of example.com/mm" in err and "move proof/ elsewhere" in err
    code, _, err = mm("anchor", anchored / "j", "--key", anchored / "pq.pem")
    assert code == 1 and "--cosign" in err
    assert mm("anchor", anchored / "j", "--key", anchored / "k.pem", "--cosign", anchored / "l.pem")[0] == 1
    assert mm("anchor", anchored / "j", "--key", anchored / "k.pem", "--origin", "example.com/other")[0] == 1
    os.chmod(anchored / "l.pem", 0o644)
    assert "others may use it" in mm("anchor", anchored / "j", "--key", anchored / "l.pem")[2]
    assert mm("anchor", anchored / "j", "--key", anchored / "kept")[0] == 1
    monkeypatch.setenv("MM_PROOF_KEY_PASSPHRASE", "correct horse battery")
    other = json.loads(mm("key", "--out", anchored / "m.pem", "--name", "example.com/mm", "--json")[1])
    assert other["encrypted"] and "ENCRYPTED" in (anchored / "m.pem").read_text()
    path = proof_of(mm, anchored, 1_234)
    code, _, err = mm("check-proof", path, "--vkey", other["vkey"])
    assert code == 2 and "expected a signature of" in err
    assert mm("check-proof", path, "--vkey", "no key")[0] == 64
    code, _, err = mm("verify", anchored / "j", "--anchor", anchored / "kept", "--vkey", other["vkey"])
    assert code == 2 and "expected a signature of" in err


def test_a_cosignature_of_ml_dsa_is_added_and_checked(mm, anchored: Path, vkey: str) -> None:
    words = ("key", "--out", anchored / "pq.pem", "--name", "example.com/pq", "--ml-dsa", "--json")
    quantum = json.loads(mm(*words)[1])["vkey"]
    plain = proof_of(mm, anchored, 9).stat().st_size
    assert mm("anchor", anchored / "j", "--key", anchored / "k.pem", "--cosign", anchored / "pq.pem")[0] == 0
    path = proof_of(mm, anchored, 9)
    assert plain + 3_200 < path.stat().st_size < plain + 3_300
    assert mm("check-proof", path, "--vkey", vkey, "--vkey", quantum)[0] == 0
    path.write_text(path.read_text().replace("— example.com/pq ioAAA", "— example.com/pq ioAAB"))
    assert mm("anchor", anchored / "j", "--key", anchored / "k.pem")[0] == 0
    assert "example.com/pq" in (anchored / "j/proof/checkpoint").read_text(), "a line of another stays"


def test_what_is_not_there_and_what_is_wrong_usage(mm, anchored: Path, tmp_path: Path) -> None:
    code, out, err = mm("prove", anchored / "j", "--seq", 9_999)
    assert (code, out) == (1, "") and "the last is 2,099" in err
    assert mm("prove", anchored / "j")[0] == mm("prove", anchored / "j", "--seq", -1)[0] == 64
    assert mm("verify", anchored / "j", "--vkey", (anchored / "vkey").read_text())[0] == 64
    assert mm("anchor", "demo", "--key", anchored / "k.pem")[0] == 64
    assert "never changed" in mm("anchor", "demo", "--key", anchored / "k.pem")[2]
    assert "found no proof/checkpoint" in mm("prove", "demo", "--seq", 1)[2]
    assert mm("anchor", anchored / "none", "--key", anchored / "k.pem")[0] == 1
    assert mm("anchor", anchored / "j/000000.mmj", "--key", anchored / "k.pem")[0] == 1
    assert mm("check-proof", anchored / "none")[0] == mm("check-proof", anchored)[0] == 1
    assert mm("verify", anchored / "j", "--anchor", anchored / "vkey")[0] == 1


def test_a_torn_journal_is_not_anchored(mm, anchored: Path) -> None:
    (anchored / "j/seal.json").unlink()
    last = sorted((anchored / "j").glob("*.mmj"))[-1]
    last.write_bytes(last.read_bytes()[:-10])
    code, _, err = mm("anchor", anchored / "j", "--key", anchored / "k.pem")
    assert code == 2 and "mm journal recover" in err


def spoiled(text: str) -> dict[str, str]:
    """Return proofs that must not hold, each changed at one place."""
    lines = text.split("\n")
    place = lines.index("index 1234")
    swapped = [*lines[: place + 1], lines[place + 2], lines[place + 1], *lines[place + 3 :]]
    size = next(number for number, line in enumerate(lines) if line == "2100")
    return {
        "index": text.replace("index 1234", "index 1235"),
        "beyond": text.replace("index 1234", "index 2100"),
        "padded": text.replace("index 1234", "index 01234"),
        "path": "\n".join(swapped),
        "short": "\n".join([*lines[: place + 1], *lines[place + 2 :]]),
        "long": "\n".join([*lines[: place + 1], lines[place + 1], *lines[place + 1 :]]),
        "size": "\n".join([*lines[:size], "2101", *lines[size + 1 :]]),
        "root": "\n".join([*lines[: size + 1], lines[place + 1], *lines[size + 2 :]]),
        "origin": text.replace("\nexample.com/mm/", "\nexample.com/nn/"),
        "version": text.replace("tlog-proof@v1", "tlog-proof@v2"),
        "no signature": text[: text.index("— ")],
        "no extra": "\n".join([lines[0], *lines[2:]]),
        "extra": text.replace("extra ", "extra A", 1),
        "empty": "",
    }


@pytest.mark.parametrize("tool", VERIFIERS)
def test_fifty_lines_of_another_hand_agree(mm, anchored: Path, vkey: str, tool: str) -> None:
    command = VERIFIERS[tool]
    script = VERIFY / f"verify.{tool}"
    assert len(script.read_text().splitlines()) <= LINES_MAX
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed here: {script.name} was not run")
    other = json.loads(mm("key", "--out", anchored / "o.pem", "--name", "example.com/mm", "--json")[1])["vkey"]

    def told(text: str, *words: str) -> tuple[int, str]:
        (anchored / "x.txt").write_text(text)
        done = subprocess.run([*command, str(anchored / "x.txt"), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0 or "not ok" in done.stderr
        return done.returncode, done.stdout

    text = proof_of(mm, anchored, 1_234).read_text()
    code, out = told(text, vkey)
    assert code == 0 and EVENTS[1_234].tobytes().hex() in out and "event 1234 of 2100" in out and "note" not in out
    code, out = told(text)
    assert code == 0 and "the key is the proof's own word" in out
    assert told(text, other)[0] and told(text, "no key")[0]
    assert told(proof_of(mm, anchored, 0).read_text(), vkey)[0] == 0
    for name, wrong in spoiled(text).items():
        assert told(wrong, vkey)[0], name
        (anchored / "w.txt").write_text(wrong)
        assert mm("check-proof", anchored / "w.txt", "--vkey", vkey)[0] in (1, 2), name


def test_a_leaf_is_what_the_docs_say(anchored: Path) -> None:
    first = (anchored / "j/proof/tile/0/000").read_bytes()
    assert [first[n : n + 32] for n in range(0, len(first), 32)] == [leaf_hash(one.tobytes()) for one in EVENTS[:256]]
    assert all(one["flags"][-1] & Flag.LAST for one in EVENTS[:256])
