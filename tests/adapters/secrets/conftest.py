"""Every backend, empty and ready, under one name: the suite of the port runs over all of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mmfold.adapters.secrets.backend import Backend
from mmfold.adapters.secrets.registry import open_backend

AWS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture
def aws_account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand an empty account where boto3 looks for one."""
    from moto import mock_aws

    for name, value in AWS.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield


@pytest.fixture(params=["memory", "json", "yaml", "aws"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """Return a backend that can be written."""
    if request.param == "aws":
        request.getfixturevalue("aws_account")
    name = "file" if request.param in ("json", "yaml") else request.param
    return open_backend({"SECRETS_BACKEND": name, "SECRETS_FILE": str(tmp_path / f"s.{request.param}")})
