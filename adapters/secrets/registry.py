"""The backends by name; must stay cheap to import, a backend is loaded when it is opened."""

from collections.abc import Mapping
from importlib import import_module
from typing import cast

from mmfold.adapters.secrets.backend import Backend
from mmfold.adapters.secrets.errors import SecretError

BACKEND_DEFAULT = "memory"
BACKENDS = {
    "aws": "mmfold.adapters.secrets.aws:AwsBackend",
    "env": "mmfold.adapters.secrets.env:EnvBackend",
    "file": "mmfold.adapters.secrets.file:FileBackend",
    "memory": "mmfold.adapters.secrets.memory:MemoryBackend",
}


def backend_name(environ: Mapping[str, str]) -> str:
    """Return what SECRETS_BACKEND asks for, whether there is such a backend or not."""
    return environ.get("SECRETS_BACKEND") or BACKEND_DEFAULT


def open_backend(environ: Mapping[str, str]) -> Backend:
    """Return the backend that SECRETS_BACKEND names.

    Raises: SecretError for a name that is none; BackendFailed where it cannot be used.
    """
    name = backend_name(environ)
    if name not in BACKENDS:
        raise SecretError(f"SECRETS_BACKEND is none of {', '.join(BACKENDS)}", "in small letters")
    module, _, attribute = BACKENDS[name].partition(":")
    return cast(Backend, getattr(import_module(module), attribute)(environ))
