"""Lists whose records, addresses and next pages take the forms of the world."""

import asyncio

from aiohttp import web

from tests.site.markup import document

SLOW_S = 1.5

VALUES = """
<base href="/shop/">
<section>
  <a id="link" href=" item?a=1&amp;b=2 ">Link</a> <a id="here" href="">Here</a>
  <a id="broken" href="http://[">Broken</a> <a id="mail" href="mailto:a@b.test">Mail</a>
  <a id="cyrillic" href="?q=\u044f">Query</a>
  <img src="a.png" srcset="a.png, b,c.png 2x, /d.png 100w" longdesc="text">
  <img id="none" src="">
  <svg><a id="drawn" href="drawn"><text>Drawn</text></a></svg>
  <form action="send"><input name="action" value="given"><button formaction="other">Go</button>
    <input id="box" type="checkbox" checked><input id="typed" value="given" disabled>
    <textarea>start</textarea><select><option value="1">One<option value="2" selected>Two</select>
  </form>
  <blockquote cite="source">Quote</blockquote> <video poster="still.png"></video>
  <object data="film"></object> <p data="raw" cite="raw" title="">Text</p>
  <script type="application/ld+json">{"a": 1}</script>
  <p id="address">12 Main St<br>Berlin<style>p{}</style><span hidden>x</span> <b>A</b><i>B</i></p>
  <dl><dt>A</dt><dd>B</dd></dl>
</section>
<script>document.querySelector("#typed").value = "typed"</script>
"""

SHADOW = """
<my-list><template shadowrootmode="open"><ul>
  <li class="row"><h3>One</h3><my-price><template shadowrootmode="open"><b class="sum">1 €</b>
    <a href="/one">more</a></template></my-price></li>
  <li class="row"><h3>Two</h3><my-price><template shadowrootmode="open"><b class="sum">2 €</b>
    <a href="/two">more</a></template></my-price></li>
  <slot></slot></ul></template>
  <li class="row"><h3>Three</h3><div class="sum">3 €</div></li>
</my-list>
<li class="row"><h3>Four</h3></li>
"""

# ?by= button, hash, script: how "next" leads on; ?end= gone, disabled, inert: how the list ends.
TURNING = """
<ul id="list"></ul><nav id="nav"></nav>
<script>
  const query = new URLSearchParams(location.search);
  const by = query.get("by"), end = query.get("end") ?? "gone";
  const show = async number => {
    const { products } = await (await fetch("/catalogue.json?delay_s=0.2")).json();
    list.innerHTML = products.slice(number * 20 - 20, number * 20).map(({ name }) =>
      `<li class="product">${name}</li>`).join("");
    const last = number === 3;
    if (by === "hash") nav.innerHTML = last && end === "gone" ? ""
      : `<a id="next" href="#${last ? 3 : number + 1}">Next</a>`;
    else nav.innerHTML = last && end === "gone" ? "" :
      `<button id="next" ${last && end === "disabled" ? "disabled" : ""}>Next</button>`;
    const button = nav.querySelector("button");
    if (button && !(last && end === "inert")) button.onclick = () => {
      if (by === "script") location = `?by=script&page=${number + 1}`;
      else show(number + 1);
    };
  };
  onhashchange = () => show(Number(location.hash.slice(1) || 1));
  show(Number(query.get("page") ?? 1));
</script>
"""

# Rows in a shadow root that a selector names from outside; ?by=more or turn.
GROWING_SHADOW = """
<my-app></my-app>
<script>
  const turns = new URLSearchParams(location.search).get("by") === "turn";
  const root = document.querySelector("my-app").attachShadow({ mode: "open" });
  root.innerHTML = "<div style='height:300px;overflow:hidden'><ul></ul></div><button>On</button>";
  let number = 0;
  const show = () => {
    const rows = Array.from({ length: 20 }, (_, n) => `<li class="row">${number * 20 + n}</li>`);
    const list = root.querySelector("ul");
    list.innerHTML = (turns ? "" : list.innerHTML) + rows.join("");
    number += 1;
    if (number === 3) root.querySelector("button").remove();
  };
  root.querySelector("button").onclick = () => setTimeout(show, 200);
  show();
</script>
"""

# A click leads to a document that the server sends `SLOW_S` seconds later.
SLOW_TURN = """
<ul><li class="product">Page PAGE</li></ul><button id="next" onclick="location = 'slow-turn-2'">
Next</button>
"""

BODIES = {
    "growing-shadow": GROWING_SHADOW,
    "slow-turn-1": SLOW_TURN.replace("PAGE", "1"),
    "slow-turn-2": '<ul><li class="product">Page 2</li></ul>',
    "values": VALUES,
    "shadow": SHADOW,
    "turning": TURNING,
    "nested": "<li class=c>A<li class=c>B<ul><li class=c>C</ul>",
}


async def listed(request: web.Request) -> web.Response:
    """One of the pages; that of the values is sent in windows-1251, in which queries are too."""
    name = request.match_info["name"]
    if name not in BODIES:
        raise web.HTTPNotFound(text="no such page")
    if name == "slow-turn-2":
        await asyncio.sleep(SLOW_S)
    charset = "windows-1251" if name == "values" else "utf-8"
    text = document(name, BODIES[name]).replace("utf-8", charset).replace("€", "&euro;")
    return web.Response(body=text.encode(charset), headers={"Content-Type": "text/html"})


ROUTES = (web.get("/lists/{name}", listed),)
