"""What a reader sees of an element, as text.

`innerText` is the browser's own answer, and it is fast, but it has gaps: it leaves shadow roots and
what is slotted there out, gives the source of an element that is not rendered (its scripts too),
and nothing of a part whose rendering `content-visibility: auto` has put off. So the script uses
`innerText` for every part without a gap, and walks over the rest in the order of the flat tree.

`READER` is the source of a JavaScript function without arguments; call it inside a script that is
given to `evaluate`, for it leaves nothing on the page:

    text = await page.evaluate(f"() => ({READER})().lines(document.body)")

It returns an object with these methods:

- `lines(element, skipped)`: the text with its lines and paragraphs; `skipped` are elements to leave
  out, none by default.
- `line(element)`: the text in one line, words apart. A field of a form gives its value.
- `wellFormed(text)`: the text with U+FFFD for what JSON and databases refuse.
- `hasText(element)`: whether a reader sees any text of it.
- `isShown(element)`: whether it is rendered, in sight or not.
- `shadowRoots()`: the open ones, in the order of the document.
- `all(selector)`: the elements that match, in the document and in its open shadow roots.
- `parentOf(element)`, `contains(outer, inner)`: by the flat tree, so across shadow roots.

An element that is itself hidden is read as if it were shown, for the caller named it; what is
hidden inside it is left out. Case is what is shown (`text-transform`); soft hyphens and zero-width
spaces are not; `::before` and `::after` are no text. Closed shadow roots cannot be read, and frames
are documents of their own.
"""

READER = r"""() => {
  // Elements whose content is source, and those that show something else than their content.
  const SOURCE = new Set(["script", "style", "template", "title"]);
  const OPAQUE = new Set(["audio", "canvas", "embed", "frame", "frameset", "iframe", "img", "input",
    "meter", "noframes", "progress", "textarea", "video", "defs", "desc", "metadata", "symbol"]);
  const nameOf = element => element.localName;

  // Frequent elements that cannot have a shadow root: a large table has little else.
  const HOSTS = "*:not(a, b, br, button, code, dd, dt, em, i, img, input, label, li, option, " +
    "path, pre, small, strong, svg, tbody, td, th, tr, ul)";
  const roots = (root = document, all = []) => {
    all.push(root);
    for (const element of root.querySelectorAll(HOSTS))
      if (element.shadowRoot) roots(element.shadowRoot, all);
    return all;
  };

  // Whether an element may have the property. A sheet of another origin cannot be looked into.
  const mentions = (rules, property) => [...rules].some(rule =>
    rule.style?.[property] ||
    (rule.cssRules?.length > 0 && mentions(rule.cssRules, property)) ||
    (rule.styleSheet && sets(rule.styleSheet, property)));
  const sets = (sheet, property) => {
    try { return mentions(sheet.cssRules, property); } catch { return true; }
  };
  const isSet = property => allRoots.some(root =>
    root.querySelector(`[style*="${property}"]`) !== null ||
    [...root.styleSheets, ...root.adoptedStyleSheets].some(sheet => sets(sheet, property)));

  // The parts with a gap: each element in which `innerText` would go wrong, and what contains it.
  const allRoots = roots();
  const hasDeferred = isSet("content-visibility");
  const parentOf = node =>
    node.assignedSlot ?? node.parentElement ?? node.parentNode?.host ?? null;
  const mark = (marked, element) => {
    for (let one = element; one !== null && !marked.has(one); one = parentOf(one)) marked.add(one);
  };
  const gaps = new Set();
  for (const root of allRoots) {
    if (root.host) {
      mark(gaps, root.host);
      for (const slot of root.querySelectorAll("slot")) mark(gaps, slot);
    }
    if (hasDeferred)
      for (const element of root.querySelectorAll("*"))
        if (getComputedStyle(element).contentVisibility === "auto") mark(gaps, element);
  }

  const BREAKS = { p: 2 };
  // A paragraph at the edge of a block keeps its distance to what is outside.
  const edge = (element, side) => {
    let one = element;
    while (one !== null && BREAKS[nameOf(one)] === undefined) one = one[side];
    return one !== null && one.checkVisibility() ? BREAKS[nameOf(one)] : 0;
  };
  const INLINE = /^(inline|ruby|contents|none|-webkit-inline)/;
  const transformed = (text, style) => {
    switch (style.textTransform) {
      case "uppercase": return text.toUpperCase();
      case "lowercase": return text.toLowerCase();
      case "capitalize":
        return text.replace(/(^|[\s\p{P}])(\p{L})/gu, (_, before, letter) =>
          before + letter.toUpperCase());
      default: return text;
    }
  };

  class Writer {
    #parts = [];
    #breaks = 0;
    #atStart = true;  // of a line, where spaces are not shown
    #open = false;  // after a space that the end of the line takes away
    break(count) { this.#breaks = Math.max(this.#breaks, count); }
    exact(text) {
      if (text !== "") this.#push(text, /[\n\t]$/.test(text));
    }
    newline() { this.#control("\n"); }
    tab() { this.#control("\t"); }
    collapsed(text) {
      let rest = text.replace(/[ \t\n\r\f]+/g, " ");
      if (rest.startsWith(" ") && (this.#breaks > 0 || this.#open || this.#atStart))
        rest = rest.slice(1);
      if (rest === "") return;
      this.#push(rest, false);
      this.#open = rest.endsWith(" ");
    }
    end() {
      this.#trim();
      return this.#parts.join("");
    }
    #control(text) {
      if (this.#breaks === 0) this.#trim();
      this.#push(text, true);
    }
    #push(text, atStart) {
      if (this.#breaks > 0) {
        this.#trim();
        if (this.#parts.length > 0) this.#parts.push("\n".repeat(this.#breaks));
        this.#breaks = 0;
      }
      this.#parts.push(text);
      this.#open = false;
      this.#atStart = atStart;
    }
    #trim() {
      if (this.#open) this.#parts.push(this.#parts.pop().slice(0, -1));
      this.#open = false;
    }
  }

  // `forced`: the root is hidden, so that what is hidden is told by styles, not by boxes.
  const walk = (root, { skipped, forced, deferred }) => {
    const out = new Writer();
    const marked = new Set(gaps);
    for (const element of skipped) mark(marked, element);
    const invisible = forced && getComputedStyle(root).visibility !== "visible";
    const childrenOf = element => {
      if (element.shadowRoot) return element.shadowRoot.childNodes;
      if (nameOf(element) === "slot" && element.getRootNode().host) {
        const assigned = element.assignedNodes();
        if (assigned.length > 0) return assigned;
      }
      return element.childNodes;
    };
    const content = (element, style, off) => {
      if (nameOf(element) === "select") {
        out.break(1);
        for (const option of element.options) { out.collapsed(option.text); out.break(1); }
        return;
      }
      const closed = nameOf(element) === "details" && !element.open;
      if (closed) {
        const summary = [...element.children].find(child => nameOf(child) === "summary");
        if (summary) visit(summary, off);
        return;
      }
      for (const child of childrenOf(element)) {
        if (child.nodeType === Node.ELEMENT_NODE) visit(child, off);
        else if (child.nodeType === Node.TEXT_NODE) write(child, style);
      }
    };
    const write = (node, style) => {
      if (style.visibility !== "visible" && !invisible) return;
      const text = transformed(node.data, style);
      const kept = style.whiteSpaceCollapse;
      if (kept === "collapse") out.collapsed(text);
      else if (kept === "preserve-breaks")
        text.split("\n").forEach((line, index) => {
          if (index > 0) out.newline();
          out.collapsed(line);
        });
      else out.exact(text);
    };
    const visit = (element, off) => {
      const name = nameOf(element);
      if (SOURCE.has(name) || OPAQUE.has(name)) return;
      // Of a browser without scripts, its content is shown; else it is source.
      if (name === "noscript" && (forced || !element.checkVisibility())) return;
      if (name === "br") { out.newline(); return; }
      const style = getComputedStyle(element);
      if (style.display === "none") return;
      const boxless = style.display === "contents";
      if (!forced && !off && !boxless && !element.checkVisibility()) return;
      const cell = style.display === "table-cell";
      if (cell && element.previousElementSibling) out.tab();
      const breaks = cell || INLINE.test(style.display) ? 0 : BREAKS[name] ?? 1;
      out.break(breaks);
      if (skipped.has(element)) return;
      if (style.contentVisibility !== "hidden") {
        off ||= style.contentVisibility === "auto";
        // A block without a gap; inline text keeps the spaces around it only when it is walked.
        const whole = !forced && !off && !marked.has(element) && (breaks > 0 || cell);
        if (whole && element.innerText !== undefined) {
          out.break(edge(element, "firstElementChild"));
          out.exact(element.innerText);
          out.break(edge(element, "lastElementChild"));
        } else content(element, style, off);
      }
      out.break(breaks);
    };
    const style = getComputedStyle(root);
    content(root, style, deferred || style.contentVisibility === "auto");
    return out.end();
  };

  const INVISIBLE = /[\u00AD\u200B\u2060\uFEFF]/g;
  // JSON has no form for half a surrogate pair, and databases refuse NUL.
  const wellFormed = text => text.replace(/\u0000/g, "\uFFFD").toWellFormed();
  const clean = text => wellFormed(text.replace(INVISIBLE, ""));

  const isShown = element => element.checkVisibility({ visibilityProperty: true }) || (
    getComputedStyle(element).display === "contents" && parentOf(element) !== null &&
    isShown(parentOf(element)));
  const read = (element, skipped = []) => {
    const name = nameOf(element);
    if (SOURCE.has(name)) return (element.content ?? element).textContent;
    const shown = element.checkVisibility({ visibilityProperty: true });
    if (name === "noscript" && !shown) return element.textContent;
    const deferred = hasDeferred && !element.checkVisibility({ contentVisibilityAuto: true });
    if (shown && !deferred && skipped.length === 0 && !gaps.has(element) &&
        element.innerText !== undefined) return element.innerText;
    return walk(element, { skipped: new Set(skipped), forced: !isShown(element), deferred });
  };
  // An element with nothing but text and inline elements, in one line: their styles suffice, and
  // nothing has to be laid out. Null for all others; a host shows what its shadow root says.
  const LAID_OUT = new Set([...SOURCE, ...OPAQUE, "details", "noscript", "object", "option",
    "optgroup", "select", "slot"]);
  LAID_OUT.delete("img");
  let hasCases = null;
  const inlineText = (element, style = null) => {
    const name = nameOf(element);
    if (name.includes("-") || LAID_OUT.has(name) || element.shadowRoot !== null ||
        !(element instanceof HTMLElement)) return null;
    let text = "";
    for (let child = element.firstChild; child !== null; child = child.nextSibling) {
      if (child.nodeType === Node.TEXT_NODE) {
        const own = child.data;
        if (own.includes("\u200B")) return null;  // it takes a line feed beside it away
        hasCases ??= isSet("text-transform");
        text += hasCases ? transformed(own, style ??= getComputedStyle(element)) : own;
      } else if (child.nodeType === Node.ELEMENT_NODE) {
        const its = getComputedStyle(child);
        if (its.display === "none") continue;
        if (its.display !== "inline" || its.visibility !== "visible") return null;
        const inner = nameOf(child) === "br" ? "\n" : inlineText(child, its);
        if (inner === null) return null;
        text += inner;
      }
    }
    return text;
  };
  const valueOf = element => {
    switch (nameOf(element)) {
      case "input": case "textarea": return element.value;
      case "select": return [...element.selectedOptions].map(one => one.label).join(" ");
      default: return inlineText(element) ?? read(element);
    }
  };
  return {
    all: selector => allRoots.flatMap(root => [...root.querySelectorAll(selector)]),
    // The first line keeps its indent, which code has, and the tabs of empty cells.
    lines: (element, skipped) => clean(read(element, skipped))
      .replace(/^(?:\s*\n)?(?:\u00A0\s*)*/, "").trimEnd()
      .replace(/\u00A0/g, " ").replace(/\n{3,}/g, "\n\n"),
    isShown,
    contains: (outer, inner) => {
      let one = inner;
      while (one !== null && one !== outer) one = parentOf(one);
      return one === outer;
    },
    parentOf,
    line: element => clean(valueOf(element)).replace(/\s+/g, " ").trim(),
    hasText: element => clean(read(element)).trim() !== "",
    wellFormed,
    shadowRoots: () => allRoots.slice(1),
  };
}"""
