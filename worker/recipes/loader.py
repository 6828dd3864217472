"""Loads a YAML file: a recipe, or a flow, which is the balancer's."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import ClassVar

from slotgrid.core.schema import Schema
from slotgrid.core.spec import FunctionSpec
from slotgrid.function_files.faults import FileFault
from slotgrid.function_files.names import function_name
from slotgrid.function_files.snapshot import Snapshot
from slotgrid.steps.checking import check
from slotgrid.steps.faults import TemplateFault, in_words
from slotgrid.steps.model import StepsFile
from slotgrid.steps.reading import StepsFault, read_steps
from slotgrid.steps.templates import Template, compile_template
from worker.actions.catalog import actions
from worker.actions.errors import ActionFailed
from worker.actions.function_files import FunctionFiles
from worker.recipes.function import RecipeFunction, browser_options
from worker.recipes.other_words import OTHER_WORDS
from worker.registry.definitions import FileContents
from worker.registry.loader import LoaderSettings, ReadFile

SUFFIXES = (".yaml", ".yml")
MODES = ("sync", "stream", "webhook", "async")


class ActionCatalog:
    """The actions, as the check of a file asks for them."""

    def names(self) -> Sequence[str]:
        """The names of all actions."""
        return list(actions())

    def schema(self, name: str) -> Schema | None:
        """The schema of an action's parameters; None for an unknown action."""
        found = actions().get(name)
        return None if found is None else found.input


@dataclass(frozen=True)
class RecipeLoader:
    """Loads recipes. Fulfils `worker.registry.loader.Loader`."""

    settings: LoaderSettings
    bytes_at_once: ClassVar[int] = 256 * 1024
    """A thread costs half as much as it takes to read a usual recipe."""

    def references(self, path: PurePosixPath, data: bytes) -> Iterable[PurePosixPath]:
        """None: the files that a recipe names are read when its steps run."""
        return ()

    def reader(self, snapshot: Snapshot) -> ReadFile:
        """Prepare to read recipes of a snapshot."""
        return partial(self._read, snapshot)

    def _read(self, snapshot: Snapshot, path: PurePosixPath) -> FileContents:
        source = snapshot.sources[path]
        if source.data is None:
            raise FileFault(source.fault)
        try:
            recipe = read_steps(source.data)
        except StepsFault as cause:
            raise FileFault(in_words(cause.faults)) from cause
        function = None
        if recipe.kind == "recipe":
            if faults := check(recipe, ActionCatalog(), OTHER_WORDS):
                raise FileFault(in_words(faults))
            function = self._function(snapshot, path, recipe)
        return FileContents(
            path=str(path),
            revision=snapshot.revision(path),
            function=function,
            tags=(),
            services=(),
            is_elsewhere=recipe.kind == "flow",
        )

    def _function(
        self, snapshot: Snapshot, path: PurePosixPath, recipe: StepsFile
    ) -> RecipeFunction:
        settings = self.settings
        pool = recipe.pool or "default"
        try:
            isolation = settings.isolation(pool, recipe.isolation)
        except FileFault as fault:
            named = "/isolation" if recipe.isolation is not None else "/pool"
            raise FileFault(f"line {recipe.document.line(named)}: {fault}") from fault
        return RecipeFunction(
            spec=FunctionSpec(
                name=function_name(path),
                description=recipe.description,
                kind="recipe",
                group=settings.group,
                contract=settings.contract,
                revision=snapshot.revision(path),
                input=recipe.input,
                output=recipe.output,
                modes=recipe.modes or MODES,
                timeout_s=recipe.timeout_s or settings.default_timeout_s,
                pool=pool,
                isolation=isolation,
                stated_isolation=recipe.isolation,
                retries=recipe.retries,
            ),
            secrets=settings.values_of(recipe.secrets),
            path=path,
            recipe=recipe,
            browser=_browser(recipe),
            files=FunctionFiles(snapshot.folder, path.parent),
            actions=actions(),
        )


def _browser(recipe: StepsFile) -> Template:
    """The template of the `browser` block. Raises FileFault."""
    try:
        template = compile_template(recipe.browser)
        if template.is_constant:
            browser_options(template.value)
    except (TemplateFault, ActionFailed) as cause:
        raise FileFault(f"line {recipe.document.line('/browser')}: {cause}") from cause
    return template
