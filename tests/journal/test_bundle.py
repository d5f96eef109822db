"""A bundle as it is packed, and as a stranger may have packed it: the same bytes twice, nothing taken but ours."""

import stat
import struct
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from mmfold.journal import bundle
from mmfold.journal.bundle import EPOCH, JOURNAL_PREFIX, check_end, unpacked_bytes, unpacked_journal, write_bundle
from mmfold.journal.errors import Corrupt, JournalError, NotAJournal
from mmfold.journal.formats import Events, Form, verify_form
from mmfold.journal.log.reader import Journal
from tests.journal.make_rows import canonical_rows, write_journal

Members = dict[str, bytes | Path]


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Members:
    """Return the members of a whole bundle, the journal in three segments."""
    place = write_journal(tmp_path_factory.mktemp("packed") / "j", canonical_rows(2100), 50, segment_bytes_max=120_000)
    files = [file for file in sorted(place.iterdir()) if file.suffix == ".mmj" or file.name == "seal.json"]
    assert len(files) > 2
    return {"BUNDLE.json": b"{}\n", **{f"{JOURNAL_PREFIX}{file.name}": file for file in files}}


@pytest.fixture
def packed(members: Members, tmp_path: Path) -> Path:
    """Return a bundle."""
    with (tmp_path / "b.zip").open("wb") as file:
        write_bundle(file, members)
    return tmp_path / "b.zip"


def content(source: bytes | Path) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def test_a_bundle_is_one_more_form_of_a_journal(packed: Path, members: Members) -> None:
    segment = members["journal/000000.mmj"]
    assert isinstance(segment, Path)
    journal, source = Journal(segment.parent), Events(packed)
    rows = np.concatenate(list(journal.verified_chunks()))
    assert source.form is Form.BUNDLE and source.manifest == journal.manifest()
    assert np.array_equal(np.concatenate(list(source.chunks())), rows)
    assert source.sealed and source.head == journal.head.hex() and source.counts.rows == len(rows)
    seq = int(rows[-1]["seq"]) // 2
    assert np.array_equal(np.concatenate(list(source.chunks(seq_from=seq))), rows[rows["seq"] >= seq])
    found = verify_form(packed, expect_head=source.head)
    assert found.ok and found.events == 2100
    assert unpacked_bytes(packed) == sum(len(content(members[name])) for name in members if "/" in name)


def test_the_same_members_give_the_same_bytes(members: Members) -> None:
    first, second = BytesIO(), BytesIO()
    write_bundle(first, members)
    write_bundle(second, dict(reversed(members.items())))
    assert first.getvalue() == second.getvalue()
    with zipfile.ZipFile(first) as archive:
        infos = archive.infolist()
    assert [info.filename for info in infos] == sorted(members)
    assert {info.date_time for info in infos} == {EPOCH}
    assert {info.external_attr >> 16 for info in infos} == {stat.S_IFREG | 0o644}


def test_it_is_unpacked_once_and_where_nobody_else_reads(packed: Path) -> None:
    place = unpacked_journal(packed)
    assert unpacked_journal(packed) == place and stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {file.name for file in place.iterdir()} >= {"000000.mmj", "seal.json"}


def repack(path: Path, change: Callable[[zipfile.ZipInfo, bytes], list[tuple[zipfile.ZipInfo, bytes]]]) -> None:
    """Write a bundle again, each member as `change` has it."""
    with zipfile.ZipFile(path) as archive:
        found = [(info, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in found:
            for one, text in change(info, data):
                archive.writestr(one, text)


def named(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.external_attr = mode << 16
    return info


def beside(name: str, data: bytes = b"x", mode: int = stat.S_IFREG | 0o644) -> Callable[[Path], None]:
    """Return what puts one more member behind the index."""

    def change(info: zipfile.ZipInfo, old: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
        return [(info, old), (named(name, mode), data)] if info.filename == "BUNDLE.json" else [(info, old)]

    return lambda path: repack(path, change)


def with_zero(path: Path) -> None:
    """Put in a member whose name ends early for whoever reads it as C does."""
    beside("journal/000009.mmj_.txt")(path)
    path.write_bytes(path.read_bytes().replace(b"000009.mmj_", b"000009.mmj\0"))


def without(name: str) -> Callable[[Path], None]:
    return lambda path: repack(path, lambda info, data: [] if info.filename == name else [(info, data)])


def packed_by(method: int) -> Callable[[Path], None]:
    def change(info: zipfile.ZipInfo, data: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
        info.compress_type = method
        return [(info, data)]

    return lambda path: repack(path, change)


def edited(at: int, fmt: str, value: int) -> Callable[[Path], None]:
    """Return what overwrites a number of the record at the end."""

    def edit(path: Path) -> None:
        data = bytearray(path.read_bytes())
        struct.pack_into(fmt, data, len(data) - 22 + at, value)
        path.write_bytes(data)

    return edit


def in_directory(at: int, fmt: str, value: int) -> Callable[[Path], None]:
    """Return what overwrites a number of the directory's entry of the first segment."""

    def edit(path: Path) -> None:
        data = bytearray(path.read_bytes())
        entry = data.rindex(b"PK\x01\x02", 0, data.rindex(b"journal/000000.mmj"))
        struct.pack_into(fmt, data, entry + at, value)
        path.write_bytes(data)

    return edit


HOSTILE = [
    ("another name", beside("notes.txt"), "holds 'notes.txt', which no bundle does"),
    ("a place above", beside("../000000.mmj"), "holds '../000000.mmj'"),
    ("a place from the root", beside("/etc/x.mmj"), "which no bundle does"),
    ("a place below", beside("journal/x/000009.mmj"), "which no bundle does"),
    ("a checkpoint", beside("journal/checkpoints/1.mmc"), "which no bundle does"),
    ("a directory", beside("journal/"), "which no bundle does"),
    ("a backslash", beside("journal\\000009.mmj"), "which no bundle does"),
    ("a name with a zero", with_zero, "which no bundle does"),
    ("other digits", beside("journal/\u0661\u0661\u0661\u0661\u0661\u0661.mmj"), "which no bundle does"),
    ("a link", beside("journal/000009.mmj", b"/etc/passwd", stat.S_IFLNK | 0o777), "000009.mmj is no plain file"),
    ("a pipe", beside("REPORT.md", mode=stat.S_IFIFO | 0o644), "REPORT.md is no plain file"),
    ("lzma", packed_by(zipfile.ZIP_LZMA), "packed in another way"),
    ("encrypted", in_directory(8, "<H", 1), "is encrypted"),
    ("a newer zip", in_directory(6, "<H", 99), "cannot be read"),
    ("too long", in_directory(24, "<L", 0x7FFFFFFF), "its journal has"),
    ("longer than it says", in_directory(24, "<L", 64), "cannot be unpacked"),
    ("another sum", in_directory(16, "<L", 1), "cannot be unpacked"),
    ("no index", without("BUNDLE.json"), "has no BUNDLE.json"),
    ("no seal", without("journal/seal.json"), "has no journal/seal.json"),
    ("no start", without("journal/000000.mmj"), "has no journal/000000.mmj"),
    ("a comment", edited(20, "<H", 1), "with a comment"),
    ("a part of several", edited(4, "<H", 1), "in parts"),
    ("too many", edited(10, "<H", 60_000), "in parts"),
    ("a directory elsewhere", edited(16, "<L", 7), "other bytes"),
    ("a large directory", edited(12, "<L", 1 << 30), "members, at most"),
    ("not a zip", lambda path: path.write_bytes(b"PK\x03\x04" + b"x" * 100), "the end of a zip file"),
    ("nothing", lambda path: path.write_bytes(b""), "the end of a zip file"),
    ("cut", lambda path: path.write_bytes(path.read_bytes()[:-30]), "the end of a zip file"),
    ("bytes behind", lambda path: path.write_bytes(path.read_bytes() + b"x"), "the end of a zip file"),
    ("bytes before", lambda path: path.write_bytes(b"x" * 9 + path.read_bytes()), "other bytes in front"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "said"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_what_a_stranger_packed_is_refused_whole(packed: Path, change: Callable[[Path], None], said: str) -> None:
    before = set(bundle.unpacked_places.values())
    change(packed)
    with pytest.raises(NotAJournal, match="expected a bundle") as caught:
        Events(packed)
    assert said in str(caught.value) and caught.value.hint and set(bundle.unpacked_places.values()) == before


def test_a_member_told_twice_is_refused(packed: Path) -> None:
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(named("journal/000000.mmj"), b"x")
    with pytest.raises(NotAJournal, match=r"holds journal/000000\.mmj twice"):
        Events(packed)


def test_an_end_of_zip64_is_refused(packed: Path) -> None:
    data = packed.read_bytes()
    forged = data[:-42] + b"PK\x06\x07" + data[-38:]
    with pytest.raises(NotAJournal, match="zip64"):
        check_end(packed, BytesIO(forged))


def test_many_members_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for index in range(bundle.MEMBER_COUNT_MAX + 1):
            archive.writestr(named(f"journal/{index:06}.mmj"), b"")
    with pytest.raises(NotAJournal, match="at most 256"):
        Events(tmp_path / "many.zip")


def test_a_changed_journal_names_the_bundle(packed: Path) -> None:
    def change(info: zipfile.ZipInfo, data: bytes) -> list[tuple[zipfile.ZipInfo, bytes]]:
        if info.filename == "journal/000000.mmj":
            data = data[:-40] + b"\xff" + data[-39:]
        return [(info, data)]

    repack(packed, change)
    with pytest.raises(Corrupt) as caught:
        for _ in Events(packed).chunks():
            pass
    assert caught.value.path == packed and not verify_form(packed).ok


def test_a_missing_segment_is_found(packed: Path) -> None:
    without("journal/000001.mmj")(packed)
    with pytest.raises(Corrupt, match=r"expected segment 000001\.mmj") as caught:
        Events(packed)
    assert caught.value.path == packed


def test_every_edit_of_a_byte_is_refused_or_unpacks_the_same(packed: Path, tmp_path: Path) -> None:
    data = packed.read_bytes()
    random = np.random.default_rng(7)
    for at in random.integers(0, len(data), 200).tolist():
        path = tmp_path / f"edited-{at}.zip"
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :])
        try:
            for _ in Events(path).chunks():
                pass
        except JournalError as error:
            assert error.path == path
        path.unlink()
