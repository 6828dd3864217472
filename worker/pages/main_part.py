"""The part of a page that its readers came for.

`MAIN_PART` is the source of a JavaScript function that takes the object of `READER` and returns
`{ elements, skipped }`: the elements to read, in their order, and those to leave out of them.
In this order:

1. the main landmarks (`main`, `role=main`) that show a text;
2. if there is none, the articles that are in no other article: the smallest element that holds all
   of them, if it has at least half of the text of (3): else they are teasers beside the content;
3. the body.

Of (2) and (3), what is no content by its role is left out: navigation, search, page footers,
complementary parts and dialogs. A page that has nothing else is read whole.
"""

MAIN_PART = r"""reader => {
  const roles = names => names.map(name => `[role=${name}]`);
  const ASIDE = ["nav", "search", "dialog", "footer", "aside", ...roles(
    ["navigation", "search", "contentinfo", "complementary", "dialog", "alertdialog"])].join();
  // Inside an article they are its own; so are a section's footer and remarks.
  const isAside = one => !one.closest("article") &&
    !(["footer", "aside"].includes(one.localName) && one.closest("section"));
  const body = document.body ?? document.documentElement;
  const outermost = selector => {
    const found = reader.all(selector).filter(one => reader.isShown(one) && reader.hasText(one));
    const all = new Set(found);
    return found.filter(one => {
      let outer = reader.parentOf(one);
      while (outer !== null && !all.has(outer)) outer = reader.parentOf(outer);
      return outer === null;
    });
  };
  const mains = outermost("main, [role=main]");
  if (mains.length > 0) return { elements: mains, skipped: [] };

  const skipped = reader.all(ASIDE).filter(isAside);
  if (skipped.length > 0 && reader.lines(body, skipped) === "")
    return { elements: [body], skipped: [] };
  const articles = outermost("article, [role=article]");
  if (articles.length > 0) {
    let common = articles[0];
    while (!articles.every(one => reader.contains(common, one))) common = reader.parentOf(common);
    const length = element => reader.lines(element, skipped).length;
    if (length(common) * 2 >= length(body)) return { elements: [common], skipped };
  }
  return { elements: [body], skipped };
}"""
