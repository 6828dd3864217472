"""What a reader sees, case by case: in a plain page and, by the walk, below a shadow root."""

from playwright.async_api import Page

from worker.pages.visible_text import READER

LINES = f"element => ({READER})().lines(element)"

CASES = {
    "line break and blocks": ("12 Main St<br>Berlin<div>A</div><div>B</div>",
                              "12 Main St\nBerlin\nA\nB"),
    "paragraphs": ("<p>a</p><p>b</p><h2>h</h2>t", "a\n\nb\n\nh\nt"),
    "white space collapses": ("<p>  a <b> b </b> <i>c</i>  </p>  d\n e", "a b c\n\nd e"),
    "white space between inline elements": ("<b>a</b> <i>b</i><u>c</u>\n<s>d</s>", "a bc d"),
    "source is no text": ("a<script>1</script><style>x{}</style><template>t</template>"
                          "<noscript>n</noscript>b", "ab"),
    "hidden": ('<p>a</p><p hidden>h</p><p style="display:none">h</p>'
               '<p style="visibility:hidden">h<b style="visibility:visible">v</b></p>', "a\n\nv"),
    "found when searched for": ('<div hidden="until-found">u</div>x', "x"),
    "closed details": ("<details><summary>Sum</summary>b<p>body</p></details>after", "Sum\nafter"),
    "open details": ("<details open><summary>Sum</summary><p>body</p></details>after",
                     "Sum\n\nbody\n\nafter"),
    "rendering put off": ('<div style="height:9000px"></div>'
                          '<div style="content-visibility:auto"><p>Far <b>below</b></p></div>end',
                          "Far below\n\nend"),
    "rendering off": ('<div style="content-visibility:hidden">h</div>z', "z"),
    "hidden from assistants alone": ('<p aria-hidden="true">seen</p>', "seen"),
    "seen by assistants alone": ('a <span style="position:absolute;left:-9999px">b</span>', "a\nb"),
    "table": ("<table><caption>C</caption><tr><th>H</th><th>I</th></tr>\n"
              "<tr> <td>1</td> <td>2</td> </tr></table>", "C\nH\tI\n1\t2"),
    "list": ("<ul><li>A<li>B <b>c</b></ul><dl><dt>T<dd>D</dl>", "A\nB c\nT\nD"),
    "flex children": ('<div style="display:flex"><span>A</span><span>B</span></div>', "A\nB"),
    "inline blocks": ('<i style="display:inline-block">H</i><i style="display:inline-block">i</i>',
                      "Hi"),
    "without a box": ('<div style="display:contents"><b>A</b><p>B</p></div>', "A\n\nB"),
    "white space kept": ("<pre>a  b\n c</pre>", "a  b\n c"),
    "indent kept": ("<p></p><pre>\n\n  if a:\n\tb\n</pre>", "  if a:\n\tb"),
    "empty cells": ("<table><tr><td></td><td>x</td><td></td><td>y</td></tr></table>", "\tx\t\ty"),
    "fixed spaces at the edges": ("&nbsp; a&nbsp;", "a"),
    "lines kept": ('<div style="white-space:pre-line">a   b\n   c</div>', "a b\nc"),
    "case as shown": ('<b style="text-transform:uppercase">straße</b> '
                      '<b style="text-transform:capitalize">ab cd</b>', "STRASSE Ab Cd"),
    "nothing generated": ('<style>p::before{content:"no"}</style><p>yes</p>', "yes"),
    "invisible characters": ("Donau&shy;dampf&#x200b;schiff<wbr>fahrt&#xfeff;",
                             "Donaudampfschifffahrt"),
    "joiners stay": ("&#x1F468;&#x200d;&#x1F469; &#x645;&#x6CC;&#x200c;&#x62E;",
                     "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e"),
    "fixed spaces": ("1&nbsp;000 €", "1 000 €"),
    "ruby": ("<ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby>", "漢kan"),
    "svg": ("p<svg><title>T</title><desc>D</desc><text>Svg <tspan>in</tspan></text></svg>q",
            "p\nSvg in\nq"),
    "controls": ("a<textarea>t</textarea>b<input value=v>c<button>Go</button>d", "abcGod"),
    "choices": ("x<select><option>One<option selected>Two</select>y", "x\nOne\nTwo\ny"),
    "media": ("a<video>v</video><canvas>c</canvas><iframe srcdoc=i></iframe><img alt=x>b", "ab"),
    "blocks in inline elements": ("<span>a<div>b</div>c</span>d", "a\nb\ncd"),
    "two breaks": ("a<br><br>b<br>", "a\n\nb"),
    "right to left": ('<p dir="rtl">שלום <b>world</b></p>', "שלום world"),
    "dialog": ("<dialog>closed</dialog><dialog open>open</dialog>z", "open\nz"),
}  # fmt: skip


async def texts(page: Page, wrapped: str) -> dict[str, str]:
    """The text of every case in a page whose body is `wrapped`, of the element `#named`."""
    found = {}
    for name, (html, _) in CASES.items():
        await page.set_content(wrapped.format(html))
        await page.evaluate(_ATTACH)
        found[name] = await page.evaluate(LINES, await page.query_selector("#named"))
    return found


# `setContent` attaches no declarative shadow roots.
_ATTACH = """() => {
  const attach = root => {
    for (const template of root.querySelectorAll("template[data-shadow]")) {
      const host = template.parentNode;
      template.remove();
      const shadow = host.attachShadow({ mode: template.dataset.shadow });
      shadow.append(template.content);
      attach(shadow);
    }
  };
  attach(document);
}"""
EXPECTED = {name: expected for name, (_, expected) in CASES.items()}


async def test_text_is_what_a_reader_sees(page: Page) -> None:
    assert await texts(page, '<body id="named">{}</body>') == EXPECTED


async def test_text_in_a_shadow_root_is_the_same(page: Page) -> None:
    # The inner root makes the walk go through everything around it.
    inner = '<span><template data-shadow="open"></template></span>'
    within = f'<template data-shadow="open">{{}}{inner}</template>'
    assert await texts(page, f'<body><div id="named">{within}</div></body>') == EXPECTED


async def test_text_of_a_hidden_element_is_what_it_would_show(page: Page) -> None:
    assert await texts(page, '<body><div id="named" hidden>{}</div></body>') == EXPECTED


async def test_slots_show_what_is_assigned_in_place_or_their_own(page: Page) -> None:
    await page.set_content(
        '<div id="named">first <my-card><template data-shadow="open"><style>b{}</style>'
        '<h2><slot name="title">Untitled</slot></h2><p>Price: <slot></slot></p>'
        '<slot name="foot"><em>No footer</em></slot></template>'
        '9 €<b slot="title">Lamp</b><i slot="nowhere">lost</i></my-card>'
        '<my-outer><template data-shadow="open"><my-inner><template data-shadow="open">'
        "[<slot></slot>]</template><slot></slot></my-inner></template>deep</my-outer> last</div>"
    )
    await page.evaluate(_ATTACH)
    named = await page.query_selector("#named")
    assert await page.evaluate(LINES, named) == (
        "first\nLamp\n\nPrice: 9 €\n\nNo footer[deep] last"
    )


async def test_a_closed_shadow_root_cannot_be_read(page: Page) -> None:
    await page.set_content(
        '<div id="named">a<p><template data-shadow="closed">closed</template></p>b</div>'
    )
    await page.evaluate(_ATTACH)
    assert await page.evaluate(LINES, await page.query_selector("#named")) == "a\n\nb"


async def test_named_parts_can_be_left_out(page: Page) -> None:
    await page.set_content("<nav>Home</nav><div>a<nav>b</nav>c <b>d</b></div><p>e</p>")
    body = await page.query_selector("body")
    read = f"body => ({READER})().lines(body, [...body.querySelectorAll('nav')])"
    assert await page.evaluate(read, body) == "a\nc d\n\ne"


async def test_a_field_in_one_line_is_its_value_its_source_or_its_words(page: Page) -> None:
    await page.set_content(
        "<p>12 Main St<br>Berlin<i>&shy;</i><span hidden>x</span><div>A</div></p>"
        "<input value=given><textarea>start</textarea>"
        "<select><option>One<option selected>Two  and</select>"
        "<script>{ 1 }</script><template><b>in</b> it</template><title>Of  it</title>"
        '<div style="visibility:hidden">un<p>seen</p></div>'
        "<svg><text>Drawn</text></svg><div></div>"
    )
    await page.fill("input", "typed")
    lines = await page.evaluate(
        f"() => {{ const reader = ({READER})();"
        " return [...document.querySelectorAll('body > *')].map(one => reader.line(one)); }"
    )
    assert lines == [
        "12 Main St Berlin", "A", "", "typed", "start", "Two and", "{ 1 }", "in it", "Of it",
        "un seen", "Drawn", "",
    ]  # fmt: skip


async def test_one_line_is_what_is_shown_even_where_nothing_is_laid_out(page: Page) -> None:
    await page.set_content(
        "<style>u{text-transform:uppercase} q{white-space:pre}</style>"
        "<u>a  stra\nße</u><q>a\n\tb</q><s>a&#x200b;\nb</s>"
        '<b style="text-transform:lowercase">A</b>'
        "<video>v</video><object>o</object><details>d</details><ruby>r</ruby><p hidden>h</p>"
        '<div><template data-shadow="open">in</template>out</div>'
        '<x-y><template data-shadow="closed"><slot name="n">in</slot></template>out</x-y>'
        "<p>a <i> b<br>c</i><img alt=x><i hidden>h</i><b>d<i>e</i></b><wbr>f</p>"
        '<p>a<b style="display:block">b</b>c<b style="visibility:hidden">h</b></p>'
        '<p>a<b style="float:left">b</b></p><p><ruby>r<rt>t</rt></ruby></p>'
        '<p style="display:flex"><b>a</b><b>b</b></p><p>a<select><option>o</select>b</p>'
    )
    await page.evaluate(_ATTACH)
    lines = await page.evaluate(
        f"() => {{ const reader = ({READER})();"
        " return [...document.querySelectorAll('body > :not(style)')].map(reader.line); }"
    )
    assert lines == [
        "A STRA SSE", "a b", "ab", "a", "", "o", "", "r", "h", "in", "",
        "a b cdef", "a b c", "a b", "rt", "a b", "a o b",
    ]  # fmt: skip


async def test_text_is_well_formed_and_nothing_stays_on_the_page(page: Page) -> None:
    await page.set_content("<p id=named></p>")
    before = await page.evaluate("Object.getOwnPropertyNames(window).length")
    await page.evaluate("named.textContent = 'a\\u0000b\\ud800c\\u{1F600}'")
    text = await page.evaluate(LINES, await page.query_selector("#named"))
    assert text == "a\ufffdb\ufffdc\U0001f600"
    assert await page.evaluate("Object.getOwnPropertyNames(window).length") == before
