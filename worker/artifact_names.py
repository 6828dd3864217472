"""The names under which an attempt saves its files: safe, without secrets, and unique if wanted."""

from itertools import count

from slotgrid.records.file_names import file_name, numbered, plain_name
from slotgrid.runtime.secrets import HIDDEN
from worker.attempt_secrets import AttemptSecrets


class ArtifactNames:
    """The names of one attempt's files. `plain`: only names that `file_names.plain_name` makes."""

    def __init__(self, secrets: AttemptSecrets, *, plain: bool) -> None:
        self._secrets = secrets
        self._plain = plain
        self._taken: set[str] = set()

    def take(self, given: str, *, replace: bool) -> str:
        """The name for a file called `given`; it counts as taken from now on.

        Unless `replace`, a number makes it differ from the taken names, also where case makes no
        difference. Files of earlier attempts are replaced.
        """
        # The second time, as a secret may appear only when the name has its final characters.
        shown = self._without_secrets(file_name(self._without_secrets(given)))
        name = wanted = self._final(shown)
        for number in count(1):
            if replace or name.casefold() not in self._taken:
                break
            name = self._final(numbered(wanted, number))
        self._taken.add(name.casefold())
        return name

    def _without_secrets(self, name: str) -> str:
        # A file name may not contain the brackets of HIDDEN.
        return self._secrets.hide_text(name).replace(HIDDEN, "redacted")

    def _final(self, name: str) -> str:
        return plain_name(file_name(name)) if self._plain else file_name(name)
