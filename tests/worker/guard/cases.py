"""The ways of a page to the network, and the spellings of an address, as tables.

In each text `{u}` is the case's target, `http://HOST:PORT/`; `{h}` is its host, `{p}` its port and
`{n}` the case's number. A case is a document in a frame of a page at `page.localhost`.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One way to one target.

    `udp`: the way uses datagrams. `silent`: with the guard the browser does not even try, so that
    no refusal shows the attempt. `alone`: the document is a page, not a frame.
    """

    name: str
    document: str
    host: str = "127.0.0.1"
    udp: bool = False
    silent: bool = False
    alone: bool = False


def _script(code: str) -> str:
    return f"<!doctype html><body><script type=module>{code}</script>"


def _redirect(code: int) -> str:
    return f"/redirect?code={code}&to={{u}}"


MARKUP = {
    "frame": "<iframe src='{u}'></iframe>",
    "frame by srcdoc": "<iframe srcdoc=\"<img src='{u}'>\"></iframe>",
    "frame by data": "<iframe src=\"data:text/html,<img src='{u}'>\"></iframe>",
    "sandboxed frame": "<iframe sandbox src='{u}'></iframe>",
    "frameset": "<frameset><frame src='{u}'></frameset>",
    "object": "<object data='{u}'></object>",
    "object as image": "<object type=image/png data='{u}'></object>",
    "embed": "<embed src='{u}'>",
    "image": "<img src='{u}'>",
    "image by name": "<img src='{u}'>",
    "image without scheme": "<img src='//{h}:{p}/'>",
    "image with backslashes": "<img src='http:\\\\{h}:{p}\\'>",
    "image through base": "<base href='{u}'><img src='a/b'>",
    "srcset": "<img srcset='{u} 1x, {u} 2x'>",
    "picture": "<picture><source srcset='{u}'><img src=data:,></picture>",
    "image input": "<input type=image src='{u}'>",
    "video": "<video autoplay muted src='{u}'></video>",
    "video source": "<video autoplay muted><source src='{u}'></video>",
    "poster": "<video poster='{u}'></video>",
    "audio": "<audio preload=auto src='{u}'></audio>",
    "track": "<video crossorigin><track default kind=captions src='{u}'></video>"
    "<script>document.querySelector('track').track.mode = 'showing'</script>",
    "script": "<script src='{u}'></script>",
    "script module": "<script type=module src='{u}'></script>",
    "async script": "<script async src='{u}'></script>",
    "module import": "<script type=module>import '{u}'</script>",
    "import map": '<script type=importmap>{"imports": {"a": "{u}"}}</script>'
    "<script type=module>import 'a'</script>",
    "style sheet": "<link rel=stylesheet href='{u}'>",
    "style import": "<style>@import '{u}';</style>",
    "style background": "<body style='background: url({u})'>",
    "style image-set": "<body style='background: image-set(url({u}) 1x)'>",
    "style content": "<style>p::before { content: url({u}) }</style><p>",
    "style list image": "<ul style='list-style-image: url({u})'><li>",
    "style border image": "<p style='border: 9px solid; border-image: url({u}) 9'>",
    "style cursor": "<style>body { cursor: url({u}), auto }</style>",
    "style mask": "<p style='mask: url({u})'>a",
    "style clip path": "<p style='clip-path: url({u}#a)'>a",
    "style shape": "<p style='float: left; shape-outside: url({u})'>a",
    "style font": "<style>@font-face { font-family: a; src: url({u}) } p { font-family: a }</style>"
    "<p>a",
    "svg image": "<svg><image href='{u}'/></svg>",
    "svg image by xlink": "<svg><image xlink:href='{u}'/></svg>",
    "svg feImage": "<svg width=9 height=9><filter id=a><feImage href='{u}'/></filter>"
    "<rect width=9 height=9 filter='url(#a)'/></svg>",
    "svg script": "<svg><script href='{u}'></script></svg>",
    "svg foreign object": "<svg><foreignObject width=9 height=9><img src='{u}'/></foreignObject>"
    "</svg>",
    "xml style sheet": "<iframe src='/xml?to={u}'></iframe>",
    "prefetch": "<link rel=prefetch href='{u}'>",
    "preload as image": "<link rel=preload as=image href='{u}'>",
    "preload as font": "<link rel=preload as=font crossorigin href='{u}'>",
    "preload as fetch": "<link rel=preload as=fetch crossorigin href='{u}'>",
    "module preload": "<link rel=modulepreload href='{u}'>",
    "preload by header": "<iframe src='/headers?Link=<{u}>;rel=preload;as=image'></iframe>",
    "style sheet by refresh header": "<iframe src='/headers?Refresh=0;url={u}'></iframe>",
    "meta refresh": "<meta http-equiv=refresh content='0;url={u}'>",
    "policy report": '<iframe src=\'/headers?Content-Security-Policy=img-src "none";'
    "report-uri {u}&body=<img src=/x>'></iframe>",
    "policy report by report-only": "<iframe src='/headers?Content-Security-Policy-Report-Only="
    "script-src blob:;report-uri {u}&body=<script>1</script>'></iframe>",
    "background attribute": "<table background='{u}'><td>a</table>",
    "redirect 301": f"<img src='{_redirect(301)}'>",
    "redirect 302": f"<img src='{_redirect(302)}'>",
    "redirect 303": f"<img src='{_redirect(303)}'>",
    "redirect 307": f"<img src='{_redirect(307)}'>",
    "redirect 308": f"<img src='{_redirect(308)}'>",
    "redirect chain": "<img src='/redirect?code=302&to=/redirect?code=307%26to={u}'>",
    "redirect of a frame": f"<iframe src='{_redirect(302)}'></iframe>",
    "redirect of a script": f"<script src='{_redirect(302)}'></script>",
    "redirect of a style sheet": f"<link rel=stylesheet href='{_redirect(302)}'>",
    "redirect of a video": f"<video autoplay muted src='{_redirect(302)}'></video>",
    "pdf viewer's document": "<iframe src='/redirect?code=302&to={u}a.pdf'></iframe>",
}

_FORM = "const form = document.createElement('form'); document.body.append(form);"


def _file(code: str) -> str:
    """An expression of JavaScript: the URL of a script with this code."""
    return f"'/js?code=' + encodeURIComponent(`{code}`)"


def _service_worker(code: str) -> str:
    return "navigator.serviceWorker.register(" + _file(code) + ", {scope: '/scope/{n}/'})"


_FETCH = "fetch('{u}')"
_IMPORT = "importScripts('{u}')"
_SOCKET = "new WebSocket('ws://{h}:{p}/')"
_XHR = "const x = new XMLHttpRequest(); x.open('GET', '{u}'); x.send()"


SCRIPTS = {
    "location": "location.href = '{u}'",
    "location replace": "location.replace('{u}')",
    "frame by script": "const f = document.createElement('iframe'); f.src = '{u}';"
    "document.body.append(f)",
    "window open": "open('{u}')",
    "window open without opener": "open('{u}', '_blank', 'noopener')",
    "window open later": "const w = open('about:blank'); w.location = '{u}'",
    "link click": "const a = document.createElement('a'); a.href = '{u}'; a.target = '_blank';"
    "document.body.append(a); a.click()",
    "link in place": "const a = document.createElement('a'); a.href = '{u}'; a.click()",
    "ping": "const a = document.createElement('a'); a.href = '#'; a.ping = '{u}';"
    "document.body.append(a); a.click()",
    "download": "const a = document.createElement('a'); a.href = '/redirect?code=302&to={u}';"
    "a.download = 'a'; a.click()",
    "form get": _FORM + "form.action = '{u}'; form.submit()",
    "form post": _FORM + "form.action = '{u}'; form.method = 'post'; form.submit()",
    "form post redirect": _FORM
    + "form.action = '/redirect?code=307&to={u}'; form.method = 'post'; form.submit()",
    "form in a new window": _FORM + "form.action = '{u}'; form.target = '_blank'; form.submit()",
    "fetch": "fetch('{u}')",
    "fetch without cors": "fetch('{u}', {mode: 'no-cors'})",
    "fetch with preflight": "fetch('{u}', {method: 'PUT', headers: {'X-A': 'b'}})",
    "fetch post": "fetch('{u}', {method: 'POST', mode: 'no-cors', body: 'a'})",
    "fetch keepalive": "fetch('{u}', {method: 'POST', mode: 'no-cors', keepalive: true,body: 'a'})",
    "fetch redirect": "fetch('/redirect?code=307&to={u}', {mode: 'no-cors'})",
    "fetch as image": "new Image().src = '{u}'",
    "xhr": "const x = new XMLHttpRequest(); x.open('GET', '{u}'); x.send()",
    "xhr synchronous": "const x = new XMLHttpRequest(); x.open('GET', '{u}', false); x.send()",
    "xhr post": "const x = new XMLHttpRequest(); x.open('POST', '{u}'); x.send('a')",
    "xhr upload": "const x = new XMLHttpRequest(); x.upload.onprogress = () => 1;"
    "x.open('POST', '{u}'); x.send('a')",
    "beacon": "navigator.sendBeacon('{u}', 'a')",
    "beacon on pagehide": "const f = document.createElement('iframe'); f.src = '/empty';"
    "f.onload = () => { f.contentWindow.addEventListener('pagehide', "
    "() => navigator.sendBeacon('{u}')); f.remove() }; document.body.append(f)",
    "event source": "new EventSource('{u}')",
    "event source redirect": "new EventSource('/redirect?code=302&to={u}')",
    "web socket": "new WebSocket('ws://{h}:{p}/')",
    "web socket with protocol": "new WebSocket('ws://{h}:{p}/', 'a')",
    "secure web socket": "new WebSocket('wss://{h}:{p}/')",
    "web socket stream": "globalThis.WebSocketStream ? new WebSocketStream('ws://{h}:{p}/')"
    " : new WebSocket('ws://{h}:{p}/')",
    "https": "fetch('https://{h}:{p}/')",
    "https image": "new Image().src = 'https://{h}:{p}/'",
    "https frame": "const f = document.createElement('iframe'); f.src = 'https://{h}:{p}/';"
    "document.body.append(f)",
    "dynamic import": "import('{u}')",
    "style from script": "const l = document.createElement('link'); l.rel = 'stylesheet';"
    "l.href = '{u}'; document.head.append(l)",
    "font face": "new FontFace('a', 'url({u})').load()",
    "audio by script": "new Audio('{u}').load()",
    "worker": f"new Worker({_file(_FETCH)})",
    "worker from blob": "new Worker(URL.createObjectURL(new Blob([`fetch('{u}')`])))",
    "worker's imports": f"new Worker({_file(_IMPORT)})",
    "module worker": "new Worker(" + _file("import '{u}'") + ", {type: 'module'})",
    "worker's xhr": f"new Worker({_file(_XHR)})",
    "worker's web socket": f"new Worker({_file(_SOCKET)})",
    "worker's event source": "new Worker(" + _file("new EventSource('{u}')") + ")",
    "worker in a worker": "new Worker('/js?code=' + encodeURIComponent("
    "`new Worker(URL.createObjectURL(new Blob([\"fetch('{u}')\"])))`))",
    "shared worker": f"new SharedWorker({_file(_FETCH)})",
    "shared worker's imports": f"new SharedWorker({_file(_IMPORT)})",
    "shared worker's web socket": f"new SharedWorker({_file(_SOCKET)})",
    "service worker's fetch": _service_worker(_FETCH),
    "service worker's imports": _service_worker(_IMPORT),
    "service worker's web socket": _service_worker(_SOCKET),
    "service worker's cache": _service_worker(
        "oninstall = e => e.waitUntil(caches.open('a').then(c => c.add('{u}')))"
    ),
    "service worker's answer": "const r = await "
    + _service_worker("onfetch = e => e.respondWith(fetch('{u}'))")
    + "; const w = r.installing || r.active;"
    "w.addEventListener('statechange', () => { if (w.state === 'activated') {"
    "const f = document.createElement('iframe'); f.src = '/scope/{n}/page';"
    "document.body.append(f) } })",
    "cache": "const c = await caches.open('{n}'); c.add('{u}')",
    "worklet": "const c = new OfflineAudioContext(1, 1, 44100); c.audioWorklet.addModule('{u}')",
    "css worklet": "CSS.paintWorklet.addModule('/redirect?code=302&to={u}').catch(() => 0);"
    "fetch('{u}')",
    "document write": "const f = document.createElement('iframe'); document.body.append(f);"
    "f.contentDocument.write(`<img src='{u}'>`); f.contentDocument.close()",
    "inner html": "document.body.innerHTML = `<img src='{u}'>`",
    "document parsed by script": "const d = new DOMParser().parseFromString("
    "`<img src='{u}'>`, 'text/html'); document.body.append(d.body.firstChild)",
    "image in a canvas": "const i = new Image(); i.crossOrigin = 'anonymous'; i.src = '{u}'",
    "image decode": "const i = new Image(); i.src = '{u}'; i.decode()",
    "attribution": "const i = new Image(); i.setAttribute('attributionsrc', '{u}'); i.src = '{u}'",
    "media session": "new Audio().src = '{u}'",
    "svg document": "const f = document.createElement('iframe'); f.src = URL.createObjectURL("
    "new Blob([`<svg xmlns='http://www.w3.org/2000/svg'><image href='{u}'/></svg>`],"
    "{type: 'image/svg+xml'})); document.body.append(f)",
    "manifest": "const l = document.createElement('link'); l.rel = 'manifest'; l.href = '{u}';"
    "document.head.append(l); fetch('{u}')",
    "icon": "const l = document.createElement('link'); l.rel = 'icon'; l.href = '{u}';"
    "document.head.append(l); new Image().src = '{u}'",
    "turn over tcp": "const c = new RTCPeerConnection({iceServers: [{"
    "urls: 'turn:{h}:{p}?transport=tcp', username: 'a', credential: 'b'}]});"
    "c.createDataChannel('a'); c.setLocalDescription(await c.createOffer())",
    "turn over tls": "const c = new RTCPeerConnection({iceServers: [{"
    "urls: 'turns:{h}:{p}?transport=tcp', username: 'a', credential: 'b'}]});"
    "c.createDataChannel('a'); c.setLocalDescription(await c.createOffer())",
}

DATAGRAMS = {
    "stun": "const c = new RTCPeerConnection({iceServers: [{urls: 'stun:{h}:{p}'}]});"
    "c.createDataChannel('a'); c.setLocalDescription(await c.createOffer())",
    "turn": "const c = new RTCPeerConnection({iceServers: [{"
    "urls: 'turn:{h}:{p}?transport=udp', username: 'a', credential: 'b'}]});"
    "c.createDataChannel('a'); c.setLocalDescription(await c.createOffer())",
    "candidate": """
        const c = new RTCPeerConnection(), d = new RTCPeerConnection();
        c.createDataChannel('a'); await c.setLocalDescription(await c.createOffer());
        await d.setRemoteDescription(c.localDescription);
        await d.setLocalDescription(await d.createAnswer());
        await c.setRemoteDescription(d.localDescription);
        for (const one of [c, d]) one.addIceCandidate({sdpMid: '0', candidate:
            'candidate:1 1 udp 2122260223 {h} {p} typ host'})""",
    "web transport": "const t = new WebTransport('https://{h}:{p}/'); t.ready.catch(() => 0)",
}

TCP_CANDIDATE = DATAGRAMS["candidate"].replace(
    "1 1 udp 2122260223 {h} {p} typ host", "1 1 tcp 1518280447 {h} {p} typ host tcptype passive"
)
_SPECULATION = """<script type=speculationrules>
{"%s": [{"source": "list", "urls": ["%s"], "eagerness": "immediate"}]}</script>"""

PAGES = {
    # In a page of its own: frames that are still loading can use up a page's quota for this.
    "fetch later": _script("fetchLater('{u}', {activateAfter: 0})"),
    "location of a page": _script("location = '{u}'"),
    "location with userinfo": _script("location = 'http://user:pass@{h}:{p}/'"),
    "refresh of a page": "<meta http-equiv=refresh content='0;url={u}'>",
    "script redirect chain": _script(
        "location = '/redirect?code=302&to=/redirect?code=308%26to={u}'"
    ),
    "form of a page": _script(_FORM + "form.action = '{u}'; form.method = 'post'; form.submit()"),
    "compression dictionary": "<link rel=compression-dictionary href='{u}'>",
    "web bundle": """<script type=webbundle>{"source": "{u}", "resources": ["{u}a"]}</script>""",
    "federated login": _script("""navigator.credentials.get({identity: {providers: [
        {configURL: 'https://{h}:{p}/c.json', clientId: '1'}]}})"""),
    "candidate over tcp": _script(TCP_CANDIDATE),
}

SPECULATIONS = {
    "prefetch by speculation rules": _SPECULATION % ("prefetch", "{u}"),
    "prefetch by speculation rules, redirect": _SPECULATION
    % ("prefetch", "/redirect?code=302&to={u}"),
    "prerender by speculation rules": _SPECULATION % ("prerender", "{u}"),
    "prerender by speculation rules, redirect": _SPECULATION
    % ("prerender", "/redirect?code=302&to={u}"),
}
"""Chromium does not speculate behind a proxy."""

HINTS = {
    "preconnect": "<link rel=preconnect href='{u}'>",
    "preconnect with credentials": "<link rel=preconnect crossorigin href='{u}'>",
    "preconnect by header": "<iframe src='/headers?Link=<{u}>;rel=preconnect'></iframe>",
    "name prefetch": "<link rel=dns-prefetch href='{u}'>",
    "prerender": "<link rel=prerender href='{u}'>",
    "next page": "<link rel=next href='{u}'>",
    "fenced frame": _script("""const f = document.createElement('fencedframe');
        document.body.append(f); f.config = new FencedFrameConfig('{u}')"""),
    "shared storage": _script("sharedStorage.worklet.addModule('{u}')"),
    "notification": _script("new Notification('a', {icon: '{u}'})"),
    "presentation": _script("new PresentationRequest('{u}').start()"),
}
"""Ways that this Chromium, headless, does not use with the guard off either."""

FULL_PAGES = {
    "pdf viewer": "<embed type=application/pdf src='{u}a.pdf'>",
    "pdf viewer as an object": "<object type=application/pdf data='{u}a.pdf'></object>",
    "page's icon": "<link rel=icon href='{u}'>",
    "payment": _script("""new PaymentRequest([{supportedMethods: 'https://{h}:{p}/pay'}],
        {total: {label: 'a', amount: {currency: 'USD', value: '1'}}}).canMakePayment()"""),
    "background fetch": _script(
        "const r = await navigator.serviceWorker.register('/js?code=1', {scope: '/scope/{n}/'});"
        "while (!r.active) await new Promise(done => setTimeout(done, 50));"
        "await r.backgroundFetch.fetch('a', ['{u}'])"
    ),
}
"""Ways of the full Chromium that its headless shell does not have."""

SPELLINGS = {
    "decimal": "2130706433",
    "hexadecimal": "0x7f000001",
    "hexadecimal in upper case": "0X7F000001",
    "octal": "017700000001",
    "dotted octal": "0177.0.0.01",
    "dotted hexadecimal": "0x7f.0x0.0x0.0x1",
    "mixed": "0x7f.0.0.01",
    "two parts": "127.1",
    "three parts": "127.0.1",
    "two parts, mixed": "0177.0x1",
    "leading zeros": "127.000.000.001",
    "last part of 24 bits": "127.65793",
    "another address of loopback": "127.255.255.254",
    "with a dot behind": "127.0.0.1.",
    "unspecified": "0.0.0.0",
    "unspecified, short": "0",
    "fullwidth digits": "\uff11\uff12\uff17.\uff10.\uff10.\uff11",
    "circled digits": "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
    "ideographic full stops": "127\u30020\u30020\u30021",
    "percent signs": "%31%32%37.0.0.1",
    "IPv6": "[::1]",
    "IPv6, long": "[0:0:0:0:0:0:0:1]",
    "IPv6, unspecified": "[::]",
    "IPv4 mapped": "[::ffff:127.0.0.1]",
    "IPv4 mapped, hexadecimal": "[::ffff:7f00:1]",
    "IPv4 mapped, long": "[0:0:0:0:0:ffff:127.0.0.1]",
    "localhost": "localhost",
    "localhost in upper case": "LOCALHOST",
    "localhost with a dot behind": "localhost.",
    "below localhost": "some.localhost",
    "fullwidth localhost": "\uff4cocalhost",
}
"""Spellings that reach loopback without a name server."""


BOTH = [
    "image by name",
    "frame",
    "fetch",
    "location",
    "web socket",
    "https",
    "beacon",
    "script",
    "style sheet",
    "worker",
    "service worker's fetch",
    "shared worker",
    "redirect 302",
]
"""Ways that are tried by a name, too."""


def all_cases(*, full: bool, machine: Sequence[str]) -> list[Case]:
    """Every way to 127.0.0.1, some to a name, and every spelling by two ways.

    `full`: for a full Chromium. `machine`: hosts that are this machine.
    """
    framed = MARKUP | {name: _script(code) for name, code in SCRIPTS.items()}
    cases = [Case(name, text) for name, text in framed.items()]
    cases += [Case(f"{name} by name", framed[name], "inner.test") for name in BOTH]
    cases += [Case(name, _script(code), udp=True, silent=True) for name, code in DATAGRAMS.items()]
    cases += [Case(name, text, alone=True) for name, text in PAGES.items()]
    if full:
        cases += [Case(name, text, alone=True) for name, text in FULL_PAGES.items()]
    else:
        cases += [Case(name, text, alone=True, silent=True) for name, text in SPECULATIONS.items()]
    for spelling, host in (SPELLINGS | {host: host for host in machine}).items():
        cases += [
            Case(f"image at {spelling}", "<!doctype html><img src='{u}'>", host),
            Case(f"web socket at {spelling}", _script(SCRIPTS["web socket"]), host),
        ]
    return cases


def hints() -> list[Case]:
    """The ways that no Chromium here uses."""
    return [Case(name, text, alone=True, silent=True) for name, text in HINTS.items()]
