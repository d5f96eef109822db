"""The scan: what is a finding, what an allowlist does to one, and that a finding never shows what it found."""

from pathlib import Path

import pytest

from mmfold.adapters.redact import remember
from mmfold.adapters.secrets import scan
from mmfold.adapters.secrets.errors import SecretError
from mmfold.adapters.secrets.scan import Finding, files_of, parse_allowlist, scan_file

pytestmark = pytest.mark.usefixtures("guards")

# In two parts, so that this file holds none of them.
RANDOM = "q7Zx9KnW2vL" + "e4Tb8Rm1Yc"
TABLE = [
    # text, the rules that find something
    ("-----BEGIN RSA PRIVATE " + "KEY-----\nMII", ["private_key"]),
    ("-----BEGIN PRIVATE " + "KEY-----\nMII", ["private_key"]),
    ("-----BEGIN CERTIFICATE-----\nMII", []),
    ("id AKIA" + "IOSFODNN7EXAMPLE", ["aws_access_key"]),
    ("aws_secret_access_key = wJalrXUt" + "nFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ["assigned"]),
    ("ghp_" + "a1B2" * 9, ["token"]),
    ("x = eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz", ["jwt"]),
    (f'"api_key": "{RANDOM}"', ["assigned"]),
    (f"MM_BYBIT_API_SECRET={RANDOM}", ["assigned"]),
    (f"apiSecret: '{RANDOM}'", ["assigned"]),
    (f"postgres://mm:{RANDOM}@db/mm", ["login"]),
    ("postgres://mm:password@db/mm", []),
    ("api_key = os.environ['API_KEY_OF_THE_VENUE']", []),
    ("api_secret: ${BYBIT_API_SECRET_2024}", []),
    ("token = read_token_from_somewhere(argument)", []),
    ("password: correct-horse-battery-staple", []),
    ("api_key: XXXXXXXXXXXXXXXXXXXXXXXX1a", []),
    (f"some==1.0 --hash=sha256:{'9f3c' * 16}", []),
    ("secret_env=dev api_key_file=/run/secrets/mm_bybit_api_key", []),
]


def scan_text(tmp_path: Path, data: bytes, allowlist: str = "") -> list[Finding]:
    (tmp_path / "f").write_bytes(data)
    return list(scan_file(tmp_path / "f", parse_allowlist(allowlist, "list")))


@pytest.mark.parametrize(("text", "rules"), TABLE)
def test_what_is_a_finding(tmp_path: Path, text: str, rules: list[str]) -> None:
    found = scan_text(tmp_path, f"first\n\n{text}\nlast".encode())
    assert [one.rule for one in found] == rules
    assert all(one.line == 3 and text not in repr(one) and RANDOM[:4] not in repr(one) for one in found)


def test_a_known_value_is_found_in_binary_data(tmp_path: Path) -> None:
    remember("plain known value")
    data = b"\x00\xff\n" * 100 + b"plain known value\x00"
    assert [(one.rule, one.line) for one in scan_text(tmp_path, data)] == [("known_value", 101)]


@pytest.mark.parametrize("shift", range(-24, 4))
def test_what_stands_across_two_chunks_is_found_once(tmp_path: Path, monkeypatch, shift: int) -> None:
    monkeypatch.setattr(scan, "CHUNK_BYTES", 256)
    monkeypatch.setattr(scan, "OVERLAP_BYTES", 64)
    line = b"id AKIA" + b"IOSFODNN7EXAMPLE\n"
    data = b"x\n" * ((256 + shift) // 2) + line + b"y\n" * 300 + line
    assert [one.line for one in scan_text(tmp_path, data)] == [(256 + shift) // 2 + 1, (256 + shift) // 2 + 302]


@pytest.mark.parametrize("shift", range(-60, 70, 3))
def test_a_fingerprint_does_not_depend_on_where_the_value_stands(tmp_path: Path, monkeypatch, shift: int) -> None:
    data = f"api_key={RANDOM}\n".encode()
    [alone] = scan_text(tmp_path, data)
    monkeypatch.setattr(scan, "CHUNK_BYTES", 256)
    monkeypatch.setattr(scan, "OVERLAP_BYTES", 64)
    assert [one.fingerprint for one in scan_text(tmp_path, b"x" * (255 + shift) + b"\n" + data)] == [alone.fingerprint]


def test_an_allowlist_covers_one_value_in_some_files(tmp_path: Path) -> None:
    data = f"api_key={RANDOM}".encode()
    [found] = scan_text(tmp_path, data)
    assert not found.is_allowed
    for line, covers in (
        (f"*/f {found.fingerprint} # a fixture", True),
        (f"# more\n\n{found.path} {found.fingerprint}  # a fixture", True),
        (f"*/g {found.fingerprint} # a fixture", False),
        ("*/f 0123456789ab # a fixture", False),
    ):
        assert [one.is_allowed for one in scan_text(tmp_path, data, line)] == [covers]


@pytest.mark.parametrize("line", ["*/f", "*/f 0123456789ab", "* * # all", "*/f 0123456789ab #", "*/f 0123 # short"])
def test_an_allowlist_says_which_value_and_why(line: str) -> None:
    with pytest.raises(SecretError, match="list line 2"):
        parse_allowlist(f"# head\n{line}", "list")


def test_every_file_is_looked_at_but_for_caches_and_links(tmp_path: Path) -> None:
    for name in ("b/z", "b/a", ".hidden", ".git/x", "__pycache__/x"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "link").symlink_to(tmp_path / "b" / "a")
    assert [one.relative_to(tmp_path).as_posix() for one in files_of([tmp_path])] == [".hidden", "b/a", "b/z"]
    with pytest.raises(FileNotFoundError):
        list(files_of([tmp_path / "absent"]))


def test_this_project_holds_no_credential() -> None:
    repo = Path(__file__).resolve().parents[3]
    ours = ("engine", "config", "journal", "replay", "reports", "adapters", "docs", "fixtures", "tests", "README.md")
    assert [one for path in files_of(repo / name for name in ours) for one in scan_file(path, ())] == []
