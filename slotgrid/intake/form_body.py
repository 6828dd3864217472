"""Reads small HTML forms."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from slotgrid.core.errors import InvalidSubmission, UnsupportedMediaType
from slotgrid.intake.raw_body import read_body

FORM_BYTES_LIMIT = 4096
FORM_FIELDS_LIMIT = 16
FORM_WITHIN_S = 10.0
URLENCODED = "application/x-www-form-urlencoded"


async def read_form(request: web.Request) -> Mapping[str, str]:
    """The fields of a form; of fields with the same name, the last one.

    Urlencoded forms only: the cost of reading a multipart form far exceeds its size.
    Raises UnsupportedMediaType, BodyTooLarge, InvalidSubmission.
    """
    if request.content_type != URLENCODED:
        raise UnsupportedMediaType(f"this form is read as {URLENCODED} only")
    try:
        async with asyncio.timeout(FORM_WITHIN_S):
            body = await read_body(request, most=FORM_BYTES_LIMIT)
    except TimeoutError:
        raise InvalidSubmission(f"the form did not arrive within {FORM_WITHIN_S:g} s") from None
    try:
        fields = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FORM_FIELDS_LIMIT,
        )
    except ValueError as cause:
        raise InvalidSubmission(f"the form cannot be read: {cause}") from cause
    return dict(fields)
