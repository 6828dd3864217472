"""Each page answers as it says, so that a test which uses the site can trust it."""

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import aiohttp
import pytest
from aiohttp import web

from tests.site import catalogue, journeys, sessions, transfers
from tests.site.app import HAZARDS, PAGES_DIR, make_site
from tests.site.fixtures import Site

MIB = 1024 * 1024


def links(html: str, base: str) -> Iterator[str]:
    """Yield the absolute address of every link, without its fragment, nofollow ones left out."""
    for tag in re.findall(r"<a [^>]*>", html):
        if 'rel="nofollow"' not in tag:
            yield urljoin(base, tag.split('href="')[1].split('"')[0]).split("#")[0]


async def test_every_link_of_the_catalogue_leads_where_it_says(
    site: Site, client: aiohttp.ClientSession
) -> None:
    start = site.at("/catalogue")
    waiting, statuses = [start], dict[str, int]()
    while waiting:
        url = waiting.pop()
        async with client.get(url) as response:
            statuses[url] = response.status
            if response.ok and response.content_type == "text/html":
                found = set(links(await response.text(), str(response.url)))
                waiting += [
                    link
                    for link in found - statuses.keys() - set(waiting)
                    if link.startswith(site.url)
                ]
    broken = {url.removeprefix(site.url): code for url, code in statuses.items() if code != 200}
    assert broken == catalogue.BROKEN
    assert {site.at(path) for path in catalogue.page_paths()} <= statuses.keys()
    assert len(catalogue.page_paths()) >= 60


async def test_the_first_list_page_also_links_out_of_the_site(
    client: aiohttp.ClientSession,
) -> None:
    html = await (await client.get("/catalogue")).text()
    schemes = {urlsplit(link).scheme for link in links(html, "http://here/catalogue")}
    assert schemes == {"http", "mailto", "tel", "javascript"}
    assert 'href="http://outside.invalid/"' in html


async def test_the_lists_show_every_product_once(client: aiohttp.ClientSession) -> None:
    shown: list[str] = []
    for page in range(1, catalogue.PAGES_COUNT + 1):
        html = await (await client.get("/catalogue", params={"page": page})).text()
        shown += re.findall(r'data-id="(\d+)"', html)
    assert shown == [str(one.id) for one in catalogue.products()]
    assert (await client.get("/catalogue?page=6")).status == 404
    assert (await client.get("/catalogue?page=x")).status == 400


async def test_json_search_robots_and_sitemap_agree_with_the_lists(
    site: Site, client: aiohttp.ClientSession
) -> None:
    records = (await (await client.get("/catalogue.json")).json())["products"]
    assert [record["name"] for record in records] == [one.name for one in catalogue.products()]
    assert 'data-id="5"' in await (await client.get("/search?q=LAMP")).text()
    assert f"Disallow: {catalogue.PRIVATE[:-6]}" in await (await client.get("/robots.txt")).text()
    sitemap = await (await client.get("/sitemap.xml")).text()
    assert re.findall("<loc>(.*?)</loc>", sitemap) == [
        site.at(path) for path in catalogue.page_paths()
    ]


async def test_the_index_links_to_every_page_that_is_a_file(client: aiohttp.ClientSession) -> None:
    html = await (await client.get("/")).text()
    for file in PAGES_DIR.glob("*.html"):
        assert f'href="/pages/{file.name}"' in html
        response = await client.get(f"/pages/{file.name}")
        assert (response.status, response.content_type) == (200, "text/html")
    hazards = await (await client.get("/hazards")).text()
    assert all(f'href="{path}"' in hazards for path in HAZARDS)


@pytest.mark.parametrize("code", journeys.REDIRECT_CODES)
async def test_redirects_by_status_arrive(client: aiohttp.ClientSession, code: int) -> None:
    response = await client.post(f"/redirect/{code}")
    assert response.url.path == "/arrived"
    kept = "POST" if code in {307, 308} else "GET"
    assert f'<p id="method">{kept}</p>' in await response.text()


async def test_a_chain_of_redirects_arrives_and_a_loop_never_does(
    client: aiohttp.ClientSession,
) -> None:
    response = await client.get("/redirect/chain/5")
    assert (response.url.path, len(response.history)) == ("/arrived", 5)
    with pytest.raises(aiohttp.TooManyRedirects):
        await client.get("/redirect/loop")
    assert "refresh" in await (await client.get("/redirect/meta")).text()
    assert "location.replace" in await (await client.get("/redirect/script")).text()


@pytest.mark.parametrize("code", [200, 404, 418, 500, 503])
async def test_a_status_page_has_its_status(client: aiohttp.ClientSession, code: int) -> None:
    assert (await client.get(f"/status/{code}")).status == code


async def test_an_order_with_faults_names_each_and_a_good_one_is_echoed(
    client: aiohttp.ClientSession,
) -> None:
    faulty = await client.post("/forms/order", data={"email": "nobody", "quantity": "12"})
    html = await faulty.text()
    assert faulty.status == 422
    assert re.findall('data-field="(.*?)"', html) == ["name", "email", "quantity", "terms"]

    form = aiohttp.FormData({"name": "Ada <3", "email": "a@b", "quantity": "2"})
    form.add_field("terms", "accepted")
    form.add_field("extras", "express")
    form.add_field("extras", "insurance")
    form.add_field("plan", b"12345", filename="plan.txt")
    good = await client.post("/forms/order", data=form)
    html = await good.text()
    assert good.status == 200
    assert "<dd>Ada &lt;3</dd>" in html
    assert "<dt>extras</dt><dd>express</dd><dd>insurance</dd>" in html
    assert "<dd>plan.txt (5 bytes)</dd>" in html
    echoed = await client.post("/forms/echo", data={"nickname": "ada"})
    assert await echoed.json() == {"received": {"nickname": ["ada"]}}


async def test_a_login_opens_a_session_that_logging_out_ends(client: aiohttp.ClientSession) -> None:
    assert (await client.get("/account")).url.path == "/login"
    assert (await client.post("/login", data={"user": "reader"})).status == 401
    good = await client.post("/login", data={"user": sessions.USER, "password": sessions.PASSWORD})
    assert good.url.path == "/account"
    assert "Hello, reader" in await good.text()
    assert (await client.get("/logout")).url.path == "/login"
    assert (await client.get("/account")).url.path == "/login"


async def test_cookies_are_set_shown_and_hidden_from_scripts(
    client: aiohttp.ClientSession,
) -> None:
    await client.get("/cookies/set?colour=red")
    response = await client.get("/cookies/set?secret=1&http_only=1")
    assert response.cookies["secret"]["httponly"]
    shown = await (await client.get("/cookies")).text()
    assert "{&quot;colour&quot;: &quot;red&quot;, &quot;secret&quot;: &quot;1&quot;}" in shown


async def test_the_reading_room_opens_to_its_reader_alone(client: aiohttp.ClientSession) -> None:
    refused = await client.get("/basic-auth")
    assert (refused.status, refused.headers["WWW-Authenticate"][:5]) == (401, "Basic")
    auth = {"Authorization": aiohttp.encode_basic_auth(sessions.USER, sessions.PASSWORD)}
    assert (await client.get("/basic-auth", headers=auth)).status == 200


async def test_downloads_are_attachments_of_the_promised_size(
    client: aiohttp.ClientSession,
) -> None:
    small = await client.get("/downloads/small.csv")
    assert await small.text() == transfers.SMALL_CSV
    large = await client.get("/downloads/large.bin?size_mb=3")
    assert len(await large.read()) == large.content_length == 3 * MIB
    async with client.get("/downloads/endless.bin") as endless:
        assert endless.content_length is None
        assert len(await endless.content.readexactly(MIB)) == MIB
    for response in (small, large, endless):
        assert response.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize("told_by", ["header", "meta"])
@pytest.mark.parametrize("charset", transfers.SAMPLES)
async def test_a_page_in_another_encoding_is_not_utf_8(
    client: aiohttp.ClientSession, charset: str, told_by: str
) -> None:
    response = await client.get(f"/encoded/{charset}/{told_by}")
    body = await response.read()
    assert transfers.SAMPLES[charset].text in body.decode(charset)
    with pytest.raises(UnicodeDecodeError):
        body.decode()
    assert (response.charset == charset) == (told_by == "header")


async def test_events_count_and_the_socket_echoes(client: aiohttp.ClientSession) -> None:
    events = await (await client.get("/events?count=3")).text()
    assert re.findall(r"data: (\d+)", events) == ["0", "1", "2"]
    async with client.ws_connect("/socket") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "echo: hello"


async def test_large_and_long_pages_are_as_large_and_long_as_asked(
    client: aiohttp.ClientSession,
) -> None:
    assert len(await (await client.get("/large")).read()) > 10 * MIB
    assert len(await (await client.get("/large?size_mb=1")).read()) < 2 * MIB
    assert (await (await client.get("/long?height_px=3000")).text()).count("500px") == 6


async def test_a_delayed_page_waits(client: aiohttp.ClientSession) -> None:
    loop = asyncio.get_running_loop()
    started = loop.time()
    assert (await client.get("/arrived?delay_s=0.2")).status == 200
    assert loop.time() - started >= 0.19


@pytest.mark.parametrize("path", ["/slow/stalled-body", "/slow/endless-body"])
async def test_a_body_that_never_ends_begins(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert b"<title>" in await response.content.readany()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(response.read(), 0.3)


async def test_answers_that_hang_end_with_the_site() -> None:
    runner = web.AppRunner(make_site(), shutdown_timeout=60)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with (
        aiohttp.ClientSession(url) as client,
        client.get("/slow/stalled-body") as half,
        client.get("/events") as events,
        client.ws_connect("/socket") as socket,
    ):
        assert b"<title>" in await half.content.readany()
        assert await events.content.readline() == b"id: 0\n"
        async with asyncio.timeout(10):  # far below what waiting for the handlers would take
            cleanup = asyncio.create_task(runner.cleanup())
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
            await cleanup
        await half.read()
        assert half.content.at_eof()


async def test_the_two_names_are_one_site(site: Site) -> None:
    async with aiohttp.ClientSession() as client:
        assert (await client.get(f"{site.other_url}/arrived")).status == 200
    assert site.hits["/arrived"] == 1
