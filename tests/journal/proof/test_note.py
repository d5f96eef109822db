"""Notes, keys and signatures: vectors of Go's sumdb/note and of C2SP, and every way in which a text is none."""

import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from mmfold.journal.proof.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint
from mmfold.journal.proof.errors import CheckFailed, ProofError
from mmfold.journal.proof.note import KeyKind, SignedNote, Vkey, parse_note, parse_vkey
from mmfold.journal.proof.signing import Signer, check_signed, is_good, make_key, parse_signer

HERE = Path("x.txt")
# Source: golang.org/x/mod/sumdb/note, its documentation and tests; example.com/foo is of C2SP signed-note.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
SIGNED = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
CHECKPOINT = Checkpoint("example.com/log", 5, bytes(range(32)))


def signer(name: str = "example.com/mm", kind: KeyKind = KeyKind.ED25519) -> Signer:
    return parse_signer(make_key(name, kind, None), None, HERE)


def signed(*signers: Signer, checkpoint: Checkpoint = CHECKPOINT) -> SignedCheckpoint:
    note = SignedNote(checkpoint.text, tuple(one.sign(checkpoint, 1_700_000_000) for one in signers))
    return parse_checkpoint(str(note).encode(), HERE)


def test_the_note_of_the_reference_is_read_and_its_signature_is_good() -> None:
    note = parse_note(SIGNED.encode(), HERE)
    assert str(note) == SIGNED
    assert is_good(parse_vkey(PETER), note.signatures[0], CHECKPOINT, note.text)
    assert not is_good(parse_vkey(PETER), note.signatures[0], CHECKPOINT, note.text.replace("answer", "answes"))


@pytest.mark.parametrize("text", [PETER, FOO])
def test_a_verifier_key_is_read_and_written_back(text: str) -> None:
    assert str(parse_vkey(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "example.com/foo", "a+b", FOO.replace("530d903a", "530d903b"), FOO.replace("530d903a", "530D903A"), FOO + "!",
     FOO[:-4], FOO.replace("foo", "bar"), "a b+530d903a+AQ==", FOO.replace("+Ae", "+Be")],
)  # fmt: skip
def test_what_is_no_verifier_key(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_vkey(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n\n—", "\n—"),
        ("— Peter", "- Peter"),
        ("PeterNeumann x08", "Peter Neumann x08"),
        ("PeterNeumann x08", "Peter+Neumann x08"),
        ("nAM=\n", "nAM="),
        ("nAM=\n", "nAN=\n"),
        ("nAM=\n", "nAM\n"),
        ("If", "\tIf"),
        ("If", "\rIf"),
        (
            "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
            "x08goA=="[:8],
        ),
    ],
)
def test_what_is_no_note(old: str, new: str) -> None:
    assert old in SIGNED
    with pytest.raises(ProofError):
        parse_note(SIGNED.replace(old, new).encode(), HERE)


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\n\n", b"a\n\n" + "— a AAAAAAA=\n".encode() * 65, b"a" * (1 << 19)])
def test_bytes_that_are_no_note(data: bytes) -> None:
    with pytest.raises(ProofError):
        parse_note(data, HERE)


@pytest.mark.parametrize(
    "text",
    ["example.com/log\n5\n", "\n5\nAAAA\n", "o\n05\n{root}\n", "o\n-1\n{root}\n", "o\n5\nAAAA\n",
     "o\n5\n{root}\nmore\n",
     "o\n99999999999999999999\n{root}\n", "o\n5 \n{root}\n"],
)  # fmt: skip
def test_what_is_no_checkpoint(text: str) -> None:
    root = CHECKPOINT.text.split("\n")[2]
    line = str(signer().sign(CHECKPOINT, 0))
    with pytest.raises(ProofError):
        parse_checkpoint(f"{text.format(root=root)}\n{line}".encode(), HERE)


def test_every_key_that_is_given_must_have_signed() -> None:
    one, other, quantum = signer(), signer(), signer("example.com/pq", KeyKind.ML_DSA_44)
    both = signed(one, quantum)
    check_signed(both, [], HERE)
    check_signed(both, [one.vkey, quantum.vkey], HERE)
    with pytest.raises(CheckFailed, match="expected a signature of"):
        check_signed(both, [one.vkey, other.vkey], HERE)
    moved = SignedCheckpoint(Checkpoint("example.com/log", 6, CHECKPOINT.root), both.note)
    with pytest.raises(CheckFailed, match="is not of this checkpoint"):
        check_signed(moved, [quantum.vkey], HERE)


def test_a_key_of_the_same_name_and_id_with_a_bad_signature_refuses_the_note() -> None:
    one = signer()
    good, bad = signed(one), signed(one, checkpoint=Checkpoint("example.com/log", 6, CHECKPOINT.root))
    note = SignedNote(good.note.text, good.note.signatures + bad.note.signatures)
    with pytest.raises(CheckFailed):
        check_signed(SignedCheckpoint(CHECKPOINT, note), [one.vkey], HERE)


def test_ml_dsa_signs_the_structure_of_the_specification() -> None:
    quantum = signer("example.com/pq", KeyKind.ML_DSA_44)
    data = quantum.sign(CHECKPOINT, 1_700_000_000).data
    name, origin = b"example.com/pq", b"example.com/log"
    message = b"subtree/v1\n\x00" + bytes([len(name)]) + name + struct.pack(">Q", 1_700_000_000)
    message += bytes([len(origin)]) + origin + struct.pack(">QQ", 0, 5) + CHECKPOINT.root
    assert data[:8] == struct.pack(">Q", 1_700_000_000) and len(data) == 8 + 2_420
    MLDSA44PublicKey.from_public_bytes(quantum.vkey.public).verify(data[8:], message)


@pytest.mark.parametrize("kind", KeyKind)
def test_a_key_is_read_with_its_passphrase_alone(kind: KeyKind) -> None:
    pem = make_key("example.com/mm", kind, b"correct horse")
    assert parse_signer(pem, b"correct horse", HERE).vkey.name == "example.com/mm"
    for passphrase, told in ((b"wrong", "the passphrase is wrong"), (None, "no passphrase")):
        with pytest.raises(ProofError, match=told) as caught:
            parse_signer(pem, passphrase, HERE)
        assert caught.value.__context__ is None and "MM_PROOF_KEY_PASSPHRASE" in caught.value.hint


def test_a_key_without_a_name_has_one_of_its_own_and_no_key_is_none() -> None:
    pem = make_key("example.com/mm", KeyKind.ED25519, None)
    bare = parse_signer(pem.partition(b"\n")[2], None, HERE).vkey
    assert bare.name.startswith("mm-") and bare.public == parse_signer(pem, None, HERE).vkey.public
    for data in (b"", b"junk", pem[:80], pem.replace(b"example.com/mm", b"a b")):
        with pytest.raises(ProofError):
            parse_signer(data, None, HERE)


def test_the_id_is_made_of_name_kind_and_key() -> None:
    keys = [Vkey(name, KeyKind.ED25519, public) for name in ("a", "b") for public in (bytes(32), bytes([1] * 32))]
    assert len({one.key_id for one in keys}) == 4
