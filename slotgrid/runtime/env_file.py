"""Reads the settings of a process from its environment and from the file `.env`."""

import codecs
import os
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from slotgrid.runtime.setting_aliases import NodeKind
from slotgrid.runtime.settings import NO_DEFAULTS, Settings, SettingsError
from slotgrid.runtime.unknown_settings import unknown_settings

ENV_FILE = Path(".env")


def load_settings(
    env_file: Path = ENV_FILE,
    *,
    defaults: Mapping[str, str] = NO_DEFAULTS,
    kind: NodeKind = NodeKind.WORKER,
) -> Settings:
    """Read the settings of `environment(env_file)`; `defaults` are for this kind of node.

    The `notices` also name variables that look like misspelled settings. Raises SettingsError with
    every fault at once.
    """
    in_file = written(env_file)
    environ = {**in_file, **os.environ}
    settings = Settings.from_env(environ, defaults=defaults, kind=kind)
    notices = (*settings.notices, *unknown_settings(environ, in_file))
    return replace(settings, notices=notices)


def environment(env_file: Path = ENV_FILE) -> Mapping[str, str]:
    """The variables of `env_file`, if it exists, and of the environment, which wins.

    Raises SettingsError when the file exists and cannot be read: its settings may matter.
    """
    return {**written(env_file), **os.environ}


def written(env_file: Path) -> Mapping[str, str]:
    """The variables of `env_file`; none if it does not exist. Raises SettingsError."""
    # No interpolation: a `$` in a key is a `$`.
    values = dotenv_values(stream=StringIO(_text(env_file)), interpolate=False)
    return {name: value for name, value in values.items() if value is not None}


def _text(env_file: Path) -> str:
    try:
        content = env_file.read_bytes()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(
            (
                f"{_place(env_file)} cannot be read: {error.strerror}; make it a file that this "
                "user may read, or remove it",
            )
        ) from error
    try:
        # Windows editors write a byte order mark, which would become part of the first name.
        return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            (f"{_place(env_file)}, line {line}: a byte that is not UTF-8; save the file as UTF-8",)
        ) from None  # the cause quotes the whole file, including keys


def _place(file: Path) -> str:
    """The file with its folder, so that an operator can identify the `.env` that is meant."""
    try:
        return str(file.absolute())
    except OSError:  # the working directory has been removed
        return str(file)
