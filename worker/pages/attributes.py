"""Values of attributes as the browser uses them.

`ATTRIBUTES` is the source of a JavaScript function without arguments. It returns a function
`(element, attribute) => value`, null without the attribute:

- an address is absolute, in the spelling of the browser, also in `srcset` and `ping`;
- `value`, `checked` and `selected` of a form's fields are what they are now;
- a boolean attribute is "true" when it is set, as in WebDriver.
"""

ATTRIBUTES = r"""() => {
  const FIELDS = new Set(["input", "option", "select", "textarea"]);
  const BOOLEANS = new Set(("allowfullscreen async autofocus autoplay checked controls default " +
    "defer disabled formnovalidate inert ismap itemscope loop multiple muted nomodule novalidate " +
    "open playsinline readonly required reversed selected").split(" "));
  const URLS = {
    "href": ["href", null], "src": ["src", null], "action": ["action", null],
    "formaction": ["formAction", null], "poster": ["poster", null], "xlink:href": [null, null],
    "data": ["data", /^object$/], "cite": ["cite", /^(blockquote|del|ins|q)$/],
    "longdesc": ["longDesc", /^(frame|iframe|img)$/], "manifest": [null, /^html$/],
    "background": [null, /^(body|table|tbody|td|tfoot|th|thead|tr)$/],
  };
  const absolute = (address, element) => {
    try { return new URL(address, element.baseURI).href; } catch { return address.trim(); }
  };
  // A form's own property may be hidden by a field of that name. An empty address loads nothing,
  // except as a link or the target of a form, where it is the page itself.
  const addressOf = (element, given, property) => {
    if (given.trim() === "" && !["href", "action", "formAction"].includes(property)) return "";
    const own = property === null ? given : element[property];
    return absolute(typeof own === "string" && own !== "" ? own : given, element);
  };
  // Addresses with their descriptors, by the rules of HTML: an address may contain a comma.
  const candidates = (given, element) => {
    const found = [];
    let rest = given.replace(/^[\s,]+/, "");
    while (rest !== "") {
      const [address] = /^\S+/.exec(rest);
      rest = rest.slice(address.length);
      const [descriptor] = address.endsWith(",") ? [""] : /^(\([^)]*\)?|[^,(])*/.exec(rest);
      rest = rest.slice(descriptor.length).replace(/^[\s,]+/, "");
      found.push(`${absolute(address.replace(/,+$/, ""), element)} ${descriptor.trim()}`.trim());
    }
    return found.join(", ");
  };
  return (element, attribute) => {
    const name = attribute.toLowerCase();
    if (name === "value" && FIELDS.has(element.localName)) return element.value;
    if (name === "checked" && element.localName === "input") return element.checked ? "true" : null;
    if (name === "selected" && element.localName === "option")
      return element.selected ? "true" : null;
    const given = element.getAttribute(attribute);
    if (given === null) return null;
    if (BOOLEANS.has(name)) return "true";
    if (["srcset", "imagesrcset"].includes(name)) return candidates(given, element);
    if (name === "ping")
      return given.trim().split(/\s+/).map(one => absolute(one, element)).join(" ");
    const [property, elements] = URLS[name] ?? [null, /^$/];
    return elements === null || elements.test(element.localName)
      ? addressOf(element, given, property) : given;
  };
}"""
