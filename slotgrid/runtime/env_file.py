"""Where a process takes its settings from: its environment, and the file `.env` beside it."""

import os
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values

from slotgrid.runtime.settings import NO_DEFAULTS, Settings


def load_settings(
    env_file: Path = Path(".env"), *, defaults: Mapping[str, str] = NO_DEFAULTS
) -> Settings:
    """Read the settings of `environment(env_file)`; `defaults` are those of this kind of node.

    Raises SettingsError with every fault at once.
    """
    return Settings.from_env(environment(env_file), defaults=defaults)


def environment(env_file: Path = Path(".env")) -> Mapping[str, str]:
    """What stands in `env_file`, if it is there, and in the environment, which wins."""
    # No interpolation: a `$` in a key is a `$`.
    from_file = dotenv_values(env_file, interpolate=False)
    written = {name: value for name, value in from_file.items() if value is not None}
    return {**written, **os.environ}
