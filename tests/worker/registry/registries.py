"""Makes registries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from worker.loaders_by_suffix import loaders
from worker.plain.child_processes import PlainProcesses
from worker.registry.loader import Loader, LoaderSettings
from worker.registry.registry import Registry
from worker.secrets.declared_secrets import DeclaredSecrets

SETTINGS = LoaderSettings(
    group="default",
    contract=1,
    default_timeout_s=30.0,
    pools={"default": "context"},
    secrets=DeclaredSecrets({"API_KEY": "sesame"}),
)


def registry_of(
    folder: Path,
    settings: LoaderSettings = SETTINGS,
    *,
    plain: PlainProcesses | None = None,
    more: Mapping[str, Loader] | None = None,
    **timeouts: Any,
) -> Registry:
    """A registry on the folder, not yet loaded; `more` are further loaders, by suffix."""
    plain = plain or PlainProcesses(limit=1)
    return Registry(folder, {**loaders(settings, plain.run), **(more or {})}, **timeouts)
