"""Giving a field its value as its kind wants it, and checking that it still holds it."""

from playwright.async_api import FilePayload

from worker.pages.field_choices import choose, tick, unchosen
from worker.pages.field_texts import difference, put_text
from worker.pages.form_fields import Field
from worker.pages.form_values import FieldValue, Upload, ValueRefused, text_of
from worker.pages.obstacles import until_usable


async def put(field: Field, value: FieldValue, *, secret: bool = False) -> str | None:
    """Give a field its value. Returns what it holds if the page formatted that, else None.

    Raises ValueRefused when the field does not take the value as given, ElementUnusable when it
    takes none. No message shows a value that is `secret`.
    """
    name, files = field.name, _files(value)
    if field.kind == "file":
        if not files or len(files) != len(_list(value)):
            raise ValueRefused(f"field {name!r} takes a file: {{filename, content}}")
        await _upload(field, files)
        return None
    if files:
        raise ValueRefused(f"field {name!r} ({field.tag}) takes no file")
    if field.kind == "select" and isinstance(value, bool):
        raise ValueRefused(f"field {name!r} takes one of its choices, or a list of them")
    if _is_ticked(field) or field.kind == "select":
        await _choose(field, value, secret=secret)
        return None
    if isinstance(value, bool | list | Upload):
        raise ValueRefused(f"field {name!r} takes text, not {type(value).__name__}")
    return await put_text(field, text_of(value), secret=secret)


async def check(field: Field, value: FieldValue, *, secret: bool = False) -> str | None:
    """Compare a field with its value again, since a script may have changed it.

    Returns and raises as `put` does.
    """
    if field.kind == "select":
        if missing := await unchosen(field, _texts(value)):
            lost = "" if secret else f" {missing!r}"
            raise ValueRefused(f"field {field.name!r} lost its choice{lost} again")
    elif not _is_ticked(field) and isinstance(value, str | int | float):
        return await difference(field, text_of(value), secret=secret)
    return None


async def _choose(field: Field, value: FieldValue, *, secret: bool) -> None:
    try:
        if field.kind != "select":
            await tick(field, value if isinstance(value, bool) else _texts(value))
        else:
            await choose(field, _texts(value))
    except ValueRefused:
        if not secret:
            raise
        raise ValueRefused(f"field {field.name!r} does not have the given choice") from None


async def _upload(field: Field, files: list[Upload]) -> None:
    if len(files) > 1 and not field.multiple:
        raise ValueRefused(f"field {field.name!r} takes one file, not {len(files)}")
    await until_usable(field)
    await field.element.set_input_files(
        [
            FilePayload(name=file.filename, mimeType=file.content_type, buffer=file.content)
            for file in files
        ]
    )


def _list(value: FieldValue) -> list[str | Upload]:
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, Upload) else [text_of(value)]


def _files(value: FieldValue) -> list[Upload]:
    return [one for one in _list(value) if isinstance(one, Upload)]


def _texts(value: FieldValue) -> list[str]:
    return [one for one in _list(value) if isinstance(one, str)]


def _is_ticked(field: Field) -> bool:
    return any(sign in field.kind for sign in ("checkbox", "radio", "switch"))
