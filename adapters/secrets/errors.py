"""The errors of secrets; must never hold a value, nor the text of a document that holds one.

SecretError            anything else that stops the work: a bad value, a bad name, a setting
  SecretNotFound       the backend is fine, it has no such key
  BackendFailed        the backend cannot be reached, refuses us or is not installed
  NotWritable          the backend is kept by somebody else: it can only be read
  UnsafeFile           others may read or write the file, so what is in it is no secret
"""


class SecretError(Exception):
    """A fault around a secret, in one line, and what to do next."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SecretNotFound(SecretError):
    """The backend has no such key."""


class BackendFailed(SecretError):
    """The backend cannot be used now."""


class NotWritable(SecretError):
    """The backend can only be read."""


class UnsafeFile(SecretError):
    """Others may read or write the file."""
