"""Filling in the fields of one form in turn, and checking them before it is sent."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from playwright.async_api import Error, Page

from slotgrid.function import InputRefused
from worker.pages.errors import ElementMissing
from worker.pages.field_values import check, put
from worker.pages.form_controls import ask
from worker.pages.form_fields import (
    FIELD_S,
    POLL_S,
    Field,
    FieldAmbiguous,
    FormFields,
    is_passing,
)
from worker.pages.form_values import FieldValue, ValueRefused, text_of

HIDDEN = "[redacted]"


class FilledForm:
    """The fields of a form, by the names that the input gives them.

    `changed` has the texts of fields that the page formatted: they hold all that they were given,
    and more. No value of the fields named in `secrets` is shown anywhere.
    """

    def __init__(
        self, page: Page, values: Mapping[str, FieldValue], secrets: Mapping[str, str]
    ) -> None:
        self._page = page
        self.changed: dict[str, str] = {}
        self._values: dict[str, FieldValue] = {**values, **secrets}
        self._secrets = secrets
        self._finder = FormFields(page, list(self._values))
        self._fields: dict[str, Field] = {}
        self._lost: set[str] = set()

    @property
    def fields(self) -> list[Field]:
        """The fields that were filled, in order; last one that is in a form, if any is."""
        return sorted(self._fields.values(), key=lambda field: field.form >= 0)

    async def texts(self) -> list[str]:
        """What the fields hold, and what they were given: a page may send either."""
        values = self._values.values()
        given = [
            text_of(value)
            for value in values
            if isinstance(value, str | int | float) and not isinstance(value, bool)
        ]
        held = [
            str(await ask(field.element, "heldBy"))
            for field in self.fields
            if field.kind not in {"file", "checkbox", "radio"}
        ]
        return list({*given, *held})

    async def fill(self) -> None:
        """Fill in each field; one may appear, or get its choices, only when another is filled.

        Raises ElementMissing or ElementUnusable, and InputRefused for a value that the field does
        not take or a name that may mean several fields; all name the field.
        """
        for name in self._values:
            await self._each(name, put)
        # A field's change ends with its focus, and may change others, or enable the button.
        with suppress(Error):
            await self._fields[name].element.evaluate("field => field.blur?.()")

    async def check(self, *, one_form: bool) -> None:
        """Compare all fields with what they were given: scripts may change one because of another.

        Raises as `fill` does, and InputRefused for fields of several forms if `one_form` is asked.
        """
        for name in self._values:
            try:
                await self._each(name, check)
            except InputRefused as cause:
                if (twin := await self._twin(name)) is None:
                    raise
                message = f"{name!r} and {twin!r} are the same field: give it once"
                raise InputRefused(cause.field, message) from cause
        homes = {field.home: field for field in self.fields if field.form >= 0}
        if one_form and len(homes) > 1:
            places = "; ".join(f"{field.name!r} in {field.form_tag}" for field in homes.values())
            raise InputRefused(
                "fields",
                f"the fields are of {len(homes)} forms ({places}), and only one can be sent: "
                "give the fields of one form, or name in `button` what sends them",
            )

    def is_secret(self, names: list[str]) -> bool:
        """Whether a field that may be called by any of `names` is a secret one."""
        return any(name in self._secrets for name in names)

    async def _each(self, name: str, deed: Callable[..., Awaitable[str | None]]) -> None:
        """Do `deed` with the field, again if the page replaces the field meanwhile."""
        clock = asyncio.get_running_loop().time
        end = clock() + FIELD_S
        while True:
            try:
                await self._once(name, deed)
            except Error as error:
                self._lost.add(name)
                self._fields.pop(name, None)
                if not is_passing(error) or clock() >= end:
                    raise
            else:
                return
            await asyncio.sleep(POLL_S)

    async def _once(self, name: str, deed: Callable[..., Awaitable[str | None]]) -> None:
        secret = name in self._secrets
        try:
            field = self._fields.get(name)
            if field is None or not await ask(field.element, "isConnected"):
                field = self._fields[name] = await self._find(name)
            held = await deed(field, self._values[name], secret=secret)
        except (FieldAmbiguous, ValueRefused) as cause:
            where = "secret_fields" if secret else "fields"
            pointer = name.replace("~", "~0").replace("/", "~1")
            raise InputRefused(f"{where}/{pointer}", str(cause)) from cause
        if held is None:
            self.changed.pop(name, None)
        else:
            self.changed[name] = HIDDEN if secret else held

    async def _twin(self, name: str) -> str | None:
        """Another name of the input that means the same field."""
        mine = self._fields[name]
        for other, field in self._fields.items():
            if other != name and field.frame is mine.frame:
                is_same = "(one, other) => one === other"
                if await mine.element.evaluate(is_same, field.element):
                    return other
        return None

    async def _find(self, name: str) -> Field:
        try:
            return await self._finder.find(name)
        except ElementMissing as cause:
            if name not in self._fields and name not in self._lost:
                raise
            raise ElementMissing(
                f"field {name!r} was filled in, and is no longer there: that changed the page, "
                f"which is now {self._page.url}"
            ) from cause
