"""Every hook that a feature has is called, every record and metric has its place; a feature decides nothing."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from mmfold.engine.features import registry, seam
from mmfold.engine.features.records import FEATURE_SET
from mmfold.engine.features.registry import FEATURES
from mmfold.engine.state import make_state
from tests.engine.rows import make_manifest

FOLDER = Path(registry.__file__).parent
REPO = FOLDER.parents[1]
CALLS = re.findall(r"^    (\w+)\.(\w+)\(", inspect.getsource(registry), re.MULTILINE)


def hooks_of(name: str) -> set[str]:
    """Return the hooks that a feature's file defines."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} & set(seam.HOOKS)


def test_every_feature_has_a_record_of_its_name_and_a_file():
    assert tuple(feature.name for feature in FEATURES) == FEATURE_SET.names
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "records", "registry", "seam"}
    assert files == {feature.name for feature in FEATURES}


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
def test_every_hook_of_a_feature_is_called_once(feature):
    called = [hook for name, hook in CALLS if name == feature.name]
    assert sorted(called) == sorted(hooks_of(feature.name)) != []


def test_hooks_are_called_in_the_order_of_the_features():
    order = [feature.name for feature in FEATURES]
    for hook in seam.HOOKS:
        called = [name for name, which in CALLS if which == hook]
        assert called == sorted(called, key=order.index)


def test_a_record_starts_as_zeros():
    state = make_state(make_manifest())
    assert not state.features.view("u1").any()


def test_the_docs_list_every_metric_of_the_features():
    text = (REPO / "docs" / "operations.md").read_text(encoding="utf-8")
    text = text.split("## Metrics of the features", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    metrics = [metric for feature in FEATURES for metric in feature.metrics]
    labels = [(*metric.labels, *(["symbol"] if metric.by_symbol else [])) for metric in metrics]
    assert rows == [[m.name, ", ".join(names), m.help] for m, names in zip(metrics, labels, strict=True)]
