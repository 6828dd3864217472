"""Who acts on a node, and what they may do."""

from dataclasses import dataclass, field
from enum import StrEnum


class Scope(StrEnum):
    """What a key may do. `operate` includes seeing everyone's tasks."""

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
        """Whether the owner's tasks are the principal's own, or everyone's are."""
        return owner == self.name or Scope.OPERATE in self.scopes

    @property
    def only_owner(self) -> str | None:
        """The only owner whose tasks the principal may see; None means every owner."""
        return None if Scope.OPERATE in self.scopes else self.name
