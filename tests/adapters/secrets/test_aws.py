"""What is particular to AWS Secrets Manager: timeouts, tries, and errors that do not repeat what was sent."""

import sys
from datetime import UTC, datetime

import pytest

from mmfold.adapters.cli.errors import is_user_error, message_of
from mmfold.adapters.secrets.aws import AwsBackend
from mmfold.adapters.secrets.environment import SecretKey
from mmfold.adapters.secrets.errors import BackendFailed, SecretNotFound
from mmfold.adapters.secrets.value import Secret

pytestmark = pytest.mark.usefixtures("guards", "aws_account")

KEY = SecretKey("dev", "bybit", "api_key")
NOW = datetime.now(UTC)


def test_timeouts_and_tries_are_those_of_the_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.awsrequest import AWSResponse

    backend = AwsBackend({})
    config = backend.client.meta.config
    assert (config.connect_timeout, config.read_timeout) == (5, 10)
    sent = []

    class Body:
        def stream(self, *ignored: object) -> list[bytes]:
            return [b"{}"]

        read = stream

    def answer(request: object, **ignored: object) -> AWSResponse:
        sent.append(request)
        return AWSResponse("https://localhost", 500, {}, Body())

    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    backend.client.meta.events.register_first("before-send.secretsmanager", answer)
    with pytest.raises(BackendFailed, match="AWS says 500"):
        backend.fetch(KEY)
    assert len(sent) == 3


def test_rotation_keeps_the_version_before_and_dates_the_new_one() -> None:
    backend = AwsBackend({"AWS_REGION": "eu-west-1"})
    assert backend.client.meta.region_name == "eu-west-1"
    backend.write(KEY, Secret("first value"), NOW)
    backend.write(KEY, Secret("second value"), NOW)
    before = backend.client.get_secret_value(SecretId=KEY.path, VersionStage="AWSPREVIOUS")
    assert before["SecretString"] == "first value"
    assert backend.fetch(KEY).value.reveal() == "second value"


def test_a_list_of_many_pages_is_whole() -> None:
    backend = AwsBackend({})
    for number in range(60):
        backend.client.create_secret(Name=f"mm-bot/dev/x{number}/api_key", SecretString="value")
    backend.client.create_secret(Name="mm-bot/dev/other", SecretString="value")
    assert len(list(backend.names("dev"))) == 60


def test_what_aws_says_is_told_by_its_code_alone() -> None:
    from botocore.exceptions import ClientError, EndpointConnectionError

    backend = AwsBackend({})

    def fail(error: Exception):
        def call(**ignored: object) -> None:
            raise error

        return call

    backend.client.get_secret_value = fail(
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "canary"}}, "x")
    )
    with pytest.raises(BackendFailed) as caught:
        backend.fetch(KEY)
    assert "AccessDeniedException" in str(caught.value) and "canary" not in str(caught.value)
    backend.client.get_secret_value = fail(EndpointConnectionError(endpoint_url="https://canary"))
    with pytest.raises(BackendFailed, match="AWS says EndpointConnectionError"):
        backend.fetch(KEY)


def test_a_binary_or_deleted_secret_and_a_missing_one() -> None:
    backend = AwsBackend({})
    with pytest.raises(SecretNotFound):
        backend.fetch(KEY)
    backend.client.create_secret(Name=KEY.path, SecretBinary=b"x")
    with pytest.raises(BackendFailed, match="binary"):
        backend.fetch(KEY)
    backend.client.delete_secret(SecretId=KEY.path)
    with pytest.raises(BackendFailed) as caught:
        backend.fetch(KEY)
    assert "deletion" in caught.value.hint


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        AwsBackend({})
    assert is_user_error(caught.value) and "pip install 'mmfold[aws]'" in message_of(caught.value)
