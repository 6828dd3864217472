"""The secrets of one attempt: collected from its functions, and redacted in all that it emits."""

from collections.abc import Mapping
from contextlib import ExitStack
from types import MappingProxyType
from typing import Any

import orjson

from slotgrid.core.event_log import encode_json
from slotgrid.runtime.secrets import Redactor, SecretValues
from worker.registry.runnable import Runnable

SHORT_IN_RESULTS = 8
NONE: Mapping[str, str] = MappingProxyType({})


class AttemptSecrets:
    """The secrets of one attempt; empty until the first `keep`.

    Each function has the values of the moment at which it started: a later change is for the next
    task.
    """

    __slots__ = ("_held", "_known", "_redactor", "_scopes", "_values")

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self._scopes: ExitStack | None = None
        self._known: SecretValues | None = None
        self._values: dict[Runnable, Mapping[str, str]] = {}
        self._held = ""

    @property
    def exist(self) -> bool:
        """Whether the attempt has secrets."""
        return self._known is not None

    def keep(self, runnable: Runnable, filled: Mapping[str, Any]) -> None:
        """Redact the function's secrets and secret inputs, in the node's logs too."""
        named = self.of(runnable)
        values = [*runnable.spec.input.secrets(filled), *named.values()]
        if not values:
            return
        if self._scopes is None:
            self._scopes = ExitStack()
        known = () if self._known is None else self._known.whole
        self._known = self._scopes.enter_context(self._redactor.scope([*known, *values]))

    def of(self, runnable: Runnable) -> Mapping[str, str]:
        """The values of the secrets that the function names; a missing one is absent."""
        if not runnable.secrets.names:
            return NONE
        if runnable not in self._values:
            self._values[runnable] = runnable.secrets.now()
        return self._values[runnable]

    def forget(self) -> None:
        """Stop the redaction in the node's logs: none of the attempt's code runs any more."""
        if self._scopes is not None:
            self._scopes.close()

    def hide(self, value: Any) -> Any:
        """A JSON value without the secrets. Raises NotJson."""
        if self._known is None:
            return value
        # As plain JSON values: another object would be replaced by its redacted `str()`.
        return self._known.hide_json(orjson.loads(encode_json(value)), names=True)

    def hide_in_result(self, result: bytes) -> bytes:
        """A result, as JSON, without the secrets that functions name.

        Secret inputs stay, since the caller has sent them, and so does a short secret that is part
        of a text, since it occurs there by chance.
        """
        named = {value for values in self._values.values() for value in values.values()}
        if not named:
            return result
        known = SecretValues.of(named, short=SHORT_IN_RESULTS)
        if not known.occur_in(result):
            return result
        return encode_json(known.hide_json(orjson.loads(result), names=False))

    def hide_in_stream(self, chunk: str) -> str:
        """The next piece of a streamed text without the secrets.

        What may be the beginning of one waits for the next piece, or for `rest_of_stream`.
        """
        if self._known is None:
            return chunk
        shown, self._held = self._known.split(self._held + chunk)
        return shown

    def rest_of_stream(self) -> str:
        """What still waits for a next piece, now that there is none."""
        rest, self._held = self._held, ""
        return self.hide_text(rest)

    def hide_text(self, text: str) -> str:
        """The text without the secrets."""
        return text if self._known is None else self._known.hide_text(text)
