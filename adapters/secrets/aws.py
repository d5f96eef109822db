"""Backend `aws`: AWS Secrets Manager; must never be imported before it is asked for, boto3 takes half a second.

One secret per key, named as the key's path, its value the plain SecretString. Credentials are boto3's own affair: a
role, a profile, its variables.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from mmfold.adapters.secrets.backend import Listed, Stored
from mmfold.adapters.secrets.environment import PREFIX, SecretKey, parse_path
from mmfold.adapters.secrets.errors import BackendFailed, SecretNotFound
from mmfold.adapters.secrets.value import Secret

REGION_DEFAULT = "us-east-1"
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 10
TRY_COUNT = 3
NOT_FOUND = "ResourceNotFoundException"
HINT_BY_CODE = {
    "AccessDeniedException": f"allow secretsmanager Get, Put, Create and List on {PREFIX}/*",
    "InvalidRequestException": "is the secret marked for deletion? restore it, or wait until it is gone",
    "UnrecognizedClientException": "check the credentials of AWS (aws sts get-caller-identity)",
    "ExpiredTokenException": "log in to AWS again",
}


class AwsBackend:
    """Secrets of one account and region."""

    name = "aws"

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Make a client, without a request.

        Raises: BackendFailed where the region is none.
        """
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            connect_timeout=CONNECT_TIMEOUT_S,
            read_timeout=READ_TIMEOUT_S,
            retries={"total_max_attempts": TRY_COUNT, "mode": "standard"},
        )
        region = environ.get("AWS_REGION") or REGION_DEFAULT
        try:
            self.client: Any = boto3.client("secretsmanager", region_name=region, config=config)
        except (BotoCoreError, ValueError):
            raise BackendFailed(
                "AWS Secrets Manager: this region or profile cannot be used", "check AWS_REGION"
            ) from None

    def check(self) -> None:
        """Ask for one name."""
        with told():
            self.client.list_secrets(MaxResults=1)

    def fetch(self, key: SecretKey) -> Stored:
        """Return the current version of one secret."""
        with told(key):
            answer = self.client.get_secret_value(SecretId=key.path)
        text = answer.get("SecretString")
        if text is None:
            raise BackendFailed(f"{key.path} is binary", "keep it as a text (SecretString)")
        return Stored(key, Secret(text), in_utc(answer.get("CreatedDate")))  # of the version, not of the secret

    def write(self, key: SecretKey, value: Secret, now: datetime) -> None:
        """Make a new version current, of a new secret if need be; AWS keeps the version before as AWSPREVIOUS."""
        try:
            with told(key):
                self.client.put_secret_value(SecretId=key.path, SecretString=value.reveal())
        except SecretNotFound:
            with told(key):
                self.client.create_secret(Name=key.path, SecretString=value.reveal())

    def names(self, secret_env: str) -> Iterable[Listed]:
        """Return the names of one environment."""
        found = []
        filters = [{"Key": "name", "Values": [f"{PREFIX}/{secret_env}/"]}]
        with told():
            for page in self.client.get_paginator("list_secrets").paginate(Filters=filters):
                for one in page["SecretList"]:
                    key = parse_path(one["Name"])
                    if key is not None and key.secret_env == secret_env:
                        found.append(Listed(key, in_utc(one.get("LastChangedDate") or one.get("CreatedDate"))))
        return found


@contextmanager
def told(key: SecretKey | None = None) -> Iterator[None]:
    """Turn what boto3 raises into our errors: its code, never its text, which may repeat what we sent.

    Raises: SecretNotFound, BackendFailed.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    place = key.path if key is not None else "AWS Secrets Manager"
    code = ""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
    except BotoCoreError as error:
        code = type(error).__name__
    if code == NOT_FOUND and key is not None:
        raise SecretNotFound(f"{place} is not in AWS Secrets Manager", f"mm secrets save {key.exchange} {key.field}")
    if code:
        raise BackendFailed(
            f"{place}: AWS says {code}", HINT_BY_CODE.get(code, "check network, region and credentials")
        )


def in_utc(given: datetime | None) -> datetime | None:
    """Return a time as UTC."""
    return None if given is None else given.astimezone(UTC)
