"""What the guards of a process change, put back after each test that asks for it."""

import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from mmfold.adapters import redact


@pytest.fixture
def guards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Start without known values, log handlers and hooks of another test, and leave none."""
    monkeypatch.setattr(redact, "known_pattern", None)
    monkeypatch.setattr(redact, "known_texts", frozenset())
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
