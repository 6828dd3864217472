"""The loaders of a worker, by the suffix of their files."""

from collections.abc import Mapping

from worker.recipes.loader import SUFFIXES, RecipeLoader
from worker.registry.loader import Loader, LoaderSettings
from worker.registry.python.function import RunPlain
from worker.registry.python.imports import SUFFIX
from worker.registry.python.loader import PythonLoader


def loaders(settings: LoaderSettings, run_plain: RunPlain) -> Mapping[str, Loader]:
    """Every loader; `run_plain` runs a plain function in a child process."""
    recipes = RecipeLoader(settings)
    return {SUFFIX: PythonLoader(settings, run_plain), **dict.fromkeys(SUFFIXES, recipes)}
