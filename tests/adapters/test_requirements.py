"""Whose a missing module is: an extra's, the core's, or nobody's, which is a fault of ours."""

import re
from importlib import metadata
from pathlib import Path

import pytest

from mmfold.adapters import requirements
from mmfold.adapters.requirements import missing_requirement, missing_text, read_requirements

REPO = Path(__file__).resolve().parents[2]

MISSING = [
    # the module that was not found, what of ours brings it, of which extra
    ("aiohttp", "aiohttp", "live"),
    ("ccxt.pro", "ccxt", "live"),
    ("yarl", "aiohttp", "live"),  # brought by aiohttp
    ("websockets.sync", "websockets", "live"),
    ("boto3", "boto3", "aws"),
    ("botocore.config", "boto3", "aws"),
    ("numpy", "numpy", None),
    ("yaml", "pyyaml", None),
    ("prometheus_client", "prometheus-client", None),
    ("PIL", "matplotlib", None),
    ("dateutil.parser", "matplotlib", None),  # brought by boto3 too: the core comes first
    ("markdown_it", "rich", None),
]
OURS = ["mmfold.engine.nothing", "hypothesis", "moto", "pandas", "engine", "", None]


@pytest.mark.parametrize(("module", "name", "extra"), MISSING)
def test_a_package_is_traced_to_what_brings_it(module: str, name: str, extra: str | None) -> None:
    error = ModuleNotFoundError(f"No module named {module!r}", name=module)
    found = missing_requirement(error)
    assert found is not None and (found.name, found.extra) == (name, extra)
    expected = f"pip install 'mmfold[{extra}]'" if extra else "pip install mmfold"
    text = missing_text(error)
    assert text.startswith(f"{module.partition('.')[0]} is not installed, ") and text.endswith(f": {expected}")


@pytest.mark.parametrize("module", OURS)
def test_a_module_that_nothing_brings_is_a_fault_of_ours(module: str | None) -> None:
    error = ModuleNotFoundError("no module", name=module)
    assert missing_requirement(error) is None and missing_text(error) == ""


def test_the_requirements_are_the_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {(one.name, one.pinned, one.extra) for one in read_requirements()}
    lines = metadata.requires("mmfold") or []
    assert len(found) == len([line for line in lines if "dev" not in line]) >= 17

    def absent(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(requirements.metadata, "requires", absent)
    assert missing_requirement(ModuleNotFoundError("aiohttp", name="aiohttp")) is None


# No text sends a person to a package that somebody else may own

INSTALL = re.compile(r"pip install ((?:-[-\w]+ )*)['\"]?([\w./*-]+)")


def test_texts_tell_to_install_ours_and_pinned_packages_only() -> None:
    pinned = {re.split(r"[\[=]", line)[0] for line in metadata.requires("mmfold") or []}
    texts = [path for top in REPO.iterdir() if top.name[0] != "." for path in (top, *top.rglob("*"))]
    texts = [
        path for path in texts if path.suffix in (".py", ".md", ".yaml", ".j2", ".toml") or path.name == "Makefile"
    ]
    told = {(path.name, match[2]) for path in texts for match in INSTALL.finditer(path.read_text(encoding="utf-8"))}
    assert len(told) > 3
    assert not {one for one in told if one[1] not in pinned | {"mmfold"} and "/" not in one[1]}
