"""The values that the templates of a recipe read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Scope:
    """What templates see at one place of a recipe.

    `values` has input, secrets, task, vars and steps; in a loop also item and index. The outputs
    of the steps within a round of a loop are seen in that round only.
    """

    values: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        *,
        given: Mapping[str, Any],
        secrets: Mapping[str, str | None],
        task: Mapping[str, Any],
    ) -> Self:
        """The scope of a recipe's first step."""
        return cls({"input": given, "secrets": secrets, "task": task, "vars": {}, "steps": {}})

    @property
    def variables(self) -> dict[str, Any]:
        """The variables, which `set` changes; one mapping for the whole recipe."""
        variables: dict[str, Any] = self.values["vars"]
        return variables

    def note(self, name: str, *, status: str, output: Any = None, error: str | None = None) -> None:
        """Let later steps see how a step ended."""
        self.values["steps"][name] = {"status": status, "output": output, "error": error}

    def round(self, item: Any, index: int) -> "Scope":
        """The scope of one round of a loop."""
        return Scope(
            {**self.values, "steps": dict(self.values["steps"]), "item": item, "index": index}
        )
