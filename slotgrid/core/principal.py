"""Principals: the names behind keys, and the scopes that limit their actions."""

from dataclasses import dataclass, field
from enum import StrEnum


class Scope(StrEnum):
    """What a key may do. `operate` includes access to every owner's tasks."""

    PUBLIC = "public"
    READ = "read"
    SUBMIT = "submit"
    OPERATE = "operate"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The name behind a key, and its scopes."""

    name: str
    scopes: frozenset[Scope] = field(default_factory=frozenset)

    def may(self, scope: Scope) -> bool:
        """Whether the principal has the scope."""
        return scope in self.scopes or scope is Scope.PUBLIC

    def may_see(self, owner: str) -> bool:
        """Whether the principal may see the owner's tasks: its own, or all with `operate`."""
        return owner == self.name or Scope.OPERATE in self.scopes

    @property
    def only_owner(self) -> str | None:
        """The only owner whose tasks the principal may see; None means every owner."""
        return None if Scope.OPERATE in self.scopes else self.name
