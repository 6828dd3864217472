"""The elements in the window, each with its text, attributes, box, and a selector that finds it."""

from dataclasses import dataclass
from typing import Annotated, Any

from slotgrid.function import Meta

# Ids and names that a program made up differ from visit to visit, but within one they hold.
VIEWPORT_DOM = r"""(root, [most, depth, minSize, includeHidden]) => {
  const TEXT = 200, VALUE = 300, ATTRIBUTES = 20;
  const SKIPPED = new Set(["html", "head", "body", "script", "style", "template", "noscript",
    "meta", "link", "title", "base", "br", "wbr", "source", "track", "option", "optgroup"]);
  const USED = "a[href], button, input, select, textarea, summary, label, iframe, img, video, " +
    "audio, canvas, svg, [role], [onclick], [tabindex], [contenteditable], [id], [aria-label], " +
    "[data-testid]";
  const clean = (text, most) => text.replace(/\s+/g, " ").trim().slice(0, most).toWellFormed();
  const hasOwnText = element => [...element.childNodes].some(one =>
    one.nodeType === Node.TEXT_NODE && one.data.trim() !== "");
  const parentOf = element => element.parentElement ?? element.parentNode?.host ?? null;
  const isSeen = (element, style) => style.visibility === "visible" &&
    element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const inWindow = box => box.bottom > 0 && box.right > 0 && box.top < innerHeight &&
    box.left < innerWidth;

  // A name that is the only one of the page, shadow roots included, or else the way from the
  // element around it. Playwright's `>` leads from a host into its shadow root, too.
  const roots = [document];
  for (const one of roots)
    for (const element of one.querySelectorAll("*"))
      if (element.shadowRoot) roots.push(element.shadowRoot);
  const isOnly = selector =>
    roots.reduce((sum, one) => sum + one.querySelectorAll(selector).length, 0) === 1;
  const known = new Map();
  const selectorOf = element => {
    if (!known.has(element)) known.set(element, nameOf(element) ?? wayTo(element));
    return known.get(element);
  };
  const nameOf = element => {
    for (const name of ["id", "data-testid", "name"]) {
      const value = element.getAttribute(name);
      if (!value) continue;
      const selector = name === "id" ? `#${CSS.escape(value)}`
        : `${CSS.escape(element.localName)}[${name}="${CSS.escape(value)}"]`;
      if (isOnly(selector)) return selector;
    }
    return null;
  };
  const wayTo = element => {
    const tag = CSS.escape(element.localName);
    const parent = parentOf(element);
    if (parent === null) return tag;
    const same = [...element.parentNode.children].filter(one =>
      one.localName === element.localName);
    return `${selectorOf(parent)} > ${tag}:nth-of-type(${same.indexOf(element) + 1})`;
  };
  const attributesOf = element => Object.fromEntries([...element.attributes]
    .filter(({ name }) => name !== "style" && !name.startsWith("on") &&
      !(name === "value" && element.type === "password"))
    .slice(0, ATTRIBUTES).map(({ name, value }) => [name, value.slice(0, VALUE).toWellFormed()]));
  const pathOf = element => {
    const names = [];
    let one = parentOf(element);
    while (one !== null && names.length < depth) {
      names.unshift(one.localName + (one.id ? `#${one.id}` : ""));
      one = parentOf(one);
    }
    return names.join(" > ").toWellFormed();
  };

  const elements = [];
  let count = 0;
  const visit = element => {
    const name = element.localName;
    if (!SKIPPED.has(name) && (element.matches(USED) || hasOwnText(element))) {
      const box = element.getBoundingClientRect();
      const visible = isSeen(element, getComputedStyle(element));
      const large = box.width >= minSize && box.height >= minSize;
      if (visible ? large && inWindow(box) : includeHidden && (box.width === 0 || inWindow(box))) {
        count += 1;
        if (elements.length < most) elements.push({
          tag: name,
          text: clean((visible && element.innerText) || element.textContent || "", TEXT),
          attributes: attributesOf(element),
          x: Math.round(box.x), y: Math.round(box.y),
          width: Math.round(box.width), height: Math.round(box.height),
          visible,
          selector: selectorOf(element).toWellFormed(),
          path: pathOf(element),
        });
      }
    }
    if (name === "svg" || SKIPPED.has(name) && !["html", "body"].includes(name)) return;
    for (const child of element.shadowRoot?.children ?? []) visit(child);
    for (const child of element.children) visit(child);
  };
  visit(root);
  return { width: innerWidth, height: innerHeight, scroll_x: Math.round(scrollX),
    scroll_y: Math.round(scrollY), count, elements };
}"""
"""JavaScript function of the document's root and `[most, depth, minSize, includeHidden]`."""


@dataclass(frozen=True)
class ElementInView:
    """An element in the window; its box is in CSS pixels from the window's corner."""

    tag: str
    text: Annotated[str, Meta(description="Its text in one line, at most 200 characters")]
    attributes: Annotated[dict[str, str], Meta(description="Its attributes, the first 20")]
    x: int
    y: int
    width: int
    height: int
    visible: bool
    selector: Annotated[str, Meta(description="A selector that finds this element now")]
    path: Annotated[str, Meta(description="Its nearest ancestors, outermost first")]


@dataclass(frozen=True)
class ViewportDom:
    """The elements in the window."""

    width: Annotated[int, Meta(description="Width of the window, in CSS pixels")]
    height: Annotated[int, Meta(description="Height of the window, in CSS pixels")]
    scroll_x: int
    scroll_y: int
    count: Annotated[int, Meta(description="How many there are")]
    elements: list[ElementInView]
    truncated: Annotated[bool, Meta(description="Whether there are more than are listed")]

    @classmethod
    def read(cls, listed: dict[str, Any]) -> "ViewportDom":
        """What `VIEWPORT_DOM` gave."""
        elements = [ElementInView(**one) for one in listed.pop("elements")]
        return cls(**listed, elements=elements, truncated=listed["count"] > len(elements))
