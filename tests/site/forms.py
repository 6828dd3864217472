"""Forms: an order with every kind of field, checked and echoed, and one that a script sends."""

import json
from collections.abc import Mapping
from html import escape

from aiohttp import web
from multidict import MultiDictProxy

from tests.site.markup import answer

Posted = MultiDictProxy[str | bytes | bytearray | web.FileField]

SIZES = ("small", "medium", "large")
QUANTITIES = tuple("123456789")
EXTRAS = ("gift wrap", "express", "insurance")


def _order_form(problems: Mapping[str, str]) -> str:
    errors = "".join(
        f'<li data-field="{field}">{escape(text)}</li>' for field, text in problems.items()
    )
    sizes = "".join(f'<option value="{size}">{size.title()}</option>' for size in SIZES)
    extras = "".join(
        f'<label><input type="checkbox" name="extras" value="{extra}"> {extra.title()}</label> '
        for extra in EXTRAS
    )
    return f"""<h1>Order</h1>
{f'<ul class="errors" role="alert">{errors}</ul>' if errors else ""}
<form id="order" method="post" action="/forms/order" enctype="multipart/form-data">
<input type="hidden" name="token" value="from-the-page">
<p><label for="name">Full name</label> <input id="name" name="name"></p>
<p><label>E-mail <input type="email" name="email"></label></p>
<p><input name="phone" placeholder="Telephone"></p>
<p><input type="number" name="quantity" aria-label="Quantity" value="1"></p>
<p><label for="day">Delivery day</label> <input id="day" type="date" name="day"></p>
<p><label for="size">Size</label>
<select id="size" name="size"><option></option>{sizes}</select></p>
<p><label for="colours">Colours</label> <select id="colours" name="colours" multiple>
<option>red</option><option>green</option><option>blue</option></select></p>
<fieldset><legend>Extras</legend>{extras}</fieldset>
<fieldset><legend>Payment</legend>
<label><input type="radio" name="payment" value="card"> Card</label>
<label><input type="radio" name="payment" value="invoice"> Invoice</label></fieldset>
<p><label for="notes">Notes</label> <textarea id="notes" name="notes"></textarea></p>
<p><label for="plan">Floor plan</label> <input id="plan" type="file" name="plan"></p>
<p><label><input type="checkbox" name="terms" value="accepted"> I accept the terms</label></p>
<button type="submit">Place order</button> <button type="reset">Clear</button>
</form>"""


def _problems(posted: Posted) -> dict[str, str]:
    problems = {}
    if not str(posted.get("name", "")).strip():
        problems["name"] = "Tell us your name"
    if "@" not in str(posted.get("email", "")):
        problems["email"] = "An e-mail address has an @"
    if str(posted.get("quantity", "")) not in QUANTITIES:
        problems["quantity"] = "Order 1 to 9 pieces"
    if posted.get("terms") != "accepted":
        problems["terms"] = "Accept the terms"
    return problems


def received_from(posted: Posted) -> dict[str, list[str]]:
    """Return what a form sent, by its names."""
    received: dict[str, list[str]] = {}
    for name, value in posted.items():
        shown = (
            f"{value.filename} ({len(value.file.read())} bytes)"
            if isinstance(value, web.FileField)
            else str(value)
        )
        received.setdefault(name, []).append(shown)
    return received


async def order(_request: web.Request) -> web.Response:
    """Show the empty form."""
    return answer("Order", _order_form({}))


async def place_order(request: web.Request) -> web.Response:
    """Answer 422 with the form and what is wrong, or a page that echoes what arrived."""
    posted = await request.post()
    if problems := _problems(posted):
        return answer("Order: please check", _order_form(problems), status=422)
    received = received_from(posted)
    rows = "".join(
        f"<dt>{escape(name)}</dt>" + "".join(f"<dd>{escape(value)}</dd>" for value in values)
        for name, values in received.items()
    )
    body = (
        f'<h1>Thank you</h1><dl id="received">{rows}</dl>'
        f'<pre id="json">{escape(json.dumps(received))}</pre>'
    )
    return answer("Order received", body)


async def echo(request: web.Request) -> web.Response:
    """Answer a script's POST with what arrived, as JSON."""
    return web.json_response({"received": received_from(await request.post())})


ROUTES = (
    web.get("/forms/order", order),
    web.post("/forms/order", place_order),
    web.post("/forms/echo", echo),
)
