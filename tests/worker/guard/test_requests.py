"""The reader of requests: what it writes for a target has one reading, whatever a client sends."""

import asyncio
import re
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.guard.requests import HEAD_LIMIT, BadRequest, Request, RequestReader


class Pieces:
    """What `RequestReader` reads from: bytes in pieces, then the end."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = list(pieces)

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""


@dataclass(frozen=True)
class Written:
    """One request as the target gets it."""

    request: Request
    body: bytes


async def written(pieces: list[bytes]) -> tuple[list[Written], str]:
    """The requests in the pieces, and why the reading ended before their end."""
    reader = RequestReader(Pieces(pieces))  # type: ignore[arg-type]
    found: list[Written] = []
    try:
        while (request := await reader.head()) is not None:
            if request.is_tunnel:
                found.append(Written(request, b""))
                break
            body = b"".join([part async for part in reader.body(request)])
            found.append(Written(request, body))
            if request.upgrade:
                break
    except BadRequest as error:
        return found, str(error)
    return found, ""


def read(data: bytes, size: int | None = None) -> tuple[list[Written], str]:
    """As `written`, for bytes that come in pieces of `size`."""
    step = size or max(len(data), 1)
    return asyncio.run(written([data[at : at + step] for at in range(0, len(data), step)]))


def only(data: bytes) -> Written:
    found, fault = read(data)
    assert fault == ""
    assert len(found) == 1
    return found[0]


def strict(written: Written) -> None:
    """Assert that a plain reader, RFC 9112 by the letter, reads exactly this one request."""
    head = written.request.head
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    assert all(b"\r" not in line and b"\n" not in line and b"\0" not in line for line in lines)
    method, path, version = lines[0].split(b" ")
    assert method.decode() == written.request.method
    assert path.startswith(b"/")
    assert version == b"HTTP/1.1"
    headers = [line.split(b":", 1) for line in lines[1:]]
    assert all(len(one) == 2 for one in headers), headers
    assert all(name and not set(name) & set(b" \t") for name, _ in headers)
    named = [name.lower() for name, _ in headers]
    assert named.count(b"host") == 1
    lengths = [value.strip() for name, value in headers if name.lower() == b"content-length"]
    chunked = [value.strip() for name, value in headers if name.lower() == b"transfer-encoding"]
    assert len(lengths) + len(chunked) <= 1
    if chunked:
        assert chunked[0].lower() == b"chunked"
        assert _chunks_end_at(written.body) == len(written.body)
    elif lengths:
        assert int(lengths[0]) == len(written.body)
    else:
        assert written.body == b""


def _chunks_end_at(body: bytes) -> int:
    at = 0
    while True:
        line = body.index(b"\r\n", at)
        size = int(body[at:line], 16)
        at = line + 2 + size
        assert body[at : at + 2] == b"\r\n"
        at += 2
        if size == 0:
            return at


GET = b"GET http://a.test/b?c HTTP/1.1\r\nHost: other.test\r\n"
POST = b"POST http://a.test/b HTTP/1.1\r\nHost: a.test\r\n"


def test_the_target_gets_the_form_for_a_server_and_the_host_of_the_url() -> None:
    request = only(GET + b"Accept: */*\r\nProxy-Connection: keep-alive\r\n\r\n").request
    assert request.head == (
        b"GET /b?c HTTP/1.1\r\nHost: a.test\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("url", "host", "path"),
    [
        (b"http://a.test", b"a.test", b"/"),
        (b"http://a.test:80/", b"a.test", b"/"),
        (b"http://A.test:8080?b", b"a.test:8080", b"/?b"),
        (b"HTTP://a.test/b#c", b"a.test", b"/b"),
        (b"http://user:pass@a.test/", b"a.test", b"/"),
        (b"http://b.test@a.test/", b"a.test", b"/"),
        (b"http://b.test:80@a.test:81/", b"a.test:81", b"/"),
        (b"http://[::1]:8080/", b"[::1]:8080", b"/"),
        (b"http://[::1]/", b"[::1]", b"/"),
        (b"http://a.test/b@c.test/", b"a.test", b"/b@c.test/"),
        (b"http://a.test?@c.test/", b"a.test", b"/?@c.test/"),
        (b"http://a.test//b", b"a.test", b"//b"),
    ],
)
def test_the_host_that_is_checked_is_the_one_of_the_url(
    url: bytes, host: bytes, path: bytes
) -> None:
    request = only(b"GET " + url + b" HTTP/1.1\r\nHost: evil.test\r\n\r\n").request
    assert request.head.startswith(b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n")
    target = str(request.target).encode()
    assert target in {host, host + b":80"}


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET file:///etc/passwd HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET https://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET http:/a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET http:///b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET http://a.test:99999/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET http://a.test:8o/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nA : b\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nA: b\0c\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nA: b\rc\r\n\r\n",
        b"GET  http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET http://a.test/ b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET http://a.test/ HTTP/2.0 \r\nHost: a.test\r\n\r\n",
        b"CONNECT a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"CONNECT http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"CONNECT a.test:443/b HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"CONNECT :443 HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"\x05\x01\x00",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        POST + b"Content-Length: 1, 2\r\n\r\nab",
        POST + b"Content-Length: +1\r\n\r\na",
        POST + b"Content-Length: -1\r\n\r\na",
        POST + b"Content-Length: 0x1\r\n\r\na",
        POST + b"Transfer-Encoding: gzip\r\n\r\na",
        POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n1\r\na\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n",
        b"GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\nA: " + b"b" * HEAD_LIMIT,
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(head: bytes) -> None:
    found, fault = read(head)
    assert found == []
    assert fault


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Connection: content-length\r\nContent-Length: 1\r\n\r\na",
        POST + b"Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\na\r\n0\r\n\r\n",
        POST + b"Connection: host, a\r\nA: b\r\nContent-Length: 1\r\n\r\na",
        POST + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
        POST + b"Content-Length: 1, 1\r\n\r\na",
        POST + b"Transfer-Encoding: Chunked\r\nTrailer: B\r\n\r\n1;a=b\r\na\r\n0\r\nB: c\r\n\r\n",
        b"POST http://a.test/ HTTP/1.1\nHost: a.test\nContent-Length: 1\n\na",
        POST + b"A: b\r\n Content-Length: 5\r\nContent-Length: 1\r\n\r\na",
        POST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\na",
        b"POST http://a.test/ HTTP/1.0\r\nContent-Length: 1\r\n\r\na",
    ],
)
def test_the_target_reads_a_body_as_the_guard_does(data: bytes) -> None:
    found, fault = read(data + GET + b"\r\n")
    assert fault == ""
    assert [one.request.method for one in found] == ["POST", "GET"]
    assert b"a" in found[0].body
    for one in found:
        strict(one)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_requests_in_small_pieces_are_the_same(size: int) -> None:
    data = (
        GET + b"A: b\r\n\r\n" + POST + b"Content-Length: 3\r\n\r\nabc" + POST
        + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" + GET + b"\r\n"
    )  # fmt: skip
    whole, pieces = read(data), read(data, size)
    assert [one.request for one in whole[0]] == [one.request for one in pieces[0]]
    assert len(whole[0]) == 4
    for one in pieces[0]:
        strict(one)


def test_what_follows_an_upgrade_belongs_to_the_tunnel() -> None:
    async def rest() -> bytes:
        head = GET + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
        reader = RequestReader(Pieces([head + b"\x81\x00"]))  # type: ignore[arg-type]
        request = await reader.head()
        assert request is not None
        assert request.upgrade
        assert request.head.endswith(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        assert [part async for part in reader.body(request)] == []
        return reader.rest()

    assert asyncio.run(rest()) == b"\x81\x00"


_ODD = st.sampled_from([b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b";", b",", b"@", b"\xff"])
_NAMES = st.sampled_from(
    [
        b"Host",
        b"Content-Length",
        b"Transfer-Encoding",
        b"Connection",
        b"Upgrade",
        b"TE",
        b"Trailer",
        b"Expect",
        b"A",
        b"Proxy-Authorization",
        b"content-length",
        b"Keep-Alive",
        b"Content-length ",
    ]
)
_VALUES = st.sampled_from(
    [
        b"a.test",
        b"0",
        b"1",
        b"5",
        b"05",
        b"1, 1",
        b"chunked",
        b"Chunked",
        b"gzip, chunked",
        b"close",
        b"upgrade",
        b"content-length",
        b"transfer-encoding, host",
        b"websocket",
        b"100-continue",
        b"",
    ]
) | st.binary(max_size=8)
_URLS = st.sampled_from(
    [
        b"http://a.test/",
        b"http://a.test:80",
        b"http://[::1]:1/",
        b"a.test:443",
        b"/",
        b"*",
        b"http://u:p@a.test/",
        b"https://a.test/",
        b"http://a.test\\@b.test/",
    ]
)
_BODIES = st.sampled_from(
    [
        b"",
        b"a",
        b"hello",
        b"1\r\na\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"5;x\r\nhello\r\n0\r\nA: b\r\n\r\n",
        b"GET http://b.test/ HTTP/1.1\r\nHost: b.test\r\n\r\n",
        b"ffffffffffffffffff\r\n",
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Something like a request."""
    method = draw(st.sampled_from([b"GET", b"POST", b"HEAD", b"OPTIONS", b"CONNECT"]))
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"]))
    version = draw(st.sampled_from([b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"]))
    lines = [method + b" " + draw(_URLS) + b" " + version]
    if draw(st.booleans()):
        lines.append(b"Host: a.test")
    headers = draw(st.lists(st.tuples(_NAMES, _VALUES), max_size=4))
    lines += [name + b": " + value for name, value in headers]
    data = end.join(lines) + end + end + draw(_BODIES)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(_ODD) + data[at:]
    return data


@settings(max_examples=500, deadline=None)
@given(st.lists(requests(), min_size=1, max_size=4), st.integers(1, 64))
def test_whatever_a_client_sends_each_request_has_one_reading(sent: list[bytes], size: int) -> None:
    found, _ = read(b"".join(sent), size)
    for one in found:
        if not one.request.is_tunnel:
            strict(one)
            # A character may have been added to a host, but none that ends or divides one.
            assert re.fullmatch(r"[a-z0-9.:]+", one.request.target.host)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=64), max_size=8))
def test_no_bytes_make_the_reader_fail_in_another_way(pieces: list[bytes]) -> None:
    asyncio.run(written([piece for piece in pieces if piece]))
