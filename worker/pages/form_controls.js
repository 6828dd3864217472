// What the controls of a form are, and which one a name means. `form_controls.py` puts these files, in
// order, before each script that calls one of their functions.

const NOT_FIELDS = ["hidden", "submit", "button", "image", "reset"];
const ROLES = ["textbox", "searchbox", "checkbox", "switch", "radio"];

const tidy = text => (text ?? "").replace(/\s+/g, " ").trim();
// "Full name (required) *:" is "Full name" to a reader.
const bare = text => text.replace(/^[*\s]+|([*:\s]|\((required|optional)\))+$/gi, "");

/** All elements in tree order, those of open shadow roots included. */
function* everything(root) {
  for (const element of root.querySelectorAll("*")) {
    yield element;
    if (element.shadowRoot) yield* everything(element.shadowRoot);
  }
}

// A form's fields hide its own properties: with a field called `id`, `form.id` is that field. So what
// may be a form is asked by the prototypes.
const parentNodeOf = Object.getOwnPropertyDescriptor(Node.prototype, "parentNode").get;
const matches = (element, selector) => Element.prototype.matches.call(element, selector);
const attributeOf = (element, name) => Element.prototype.getAttribute.call(element, name);
const rootOf = element => Node.prototype.getRootNode.call(element);

const parentOf = node =>
  node instanceof Element ? node.assignedSlot instanceof HTMLSlotElement ? node.assignedSlot : parentNodeOf.call(node)
    : node instanceof ShadowRoot ? node.host : parentNodeOf.call(node);

/** The nearest ancestor that matches, through shadow roots. */
function closest(element, selector) {
  for (let node = element; node; node = parentOf(node)) {
    if (node instanceof Element && matches(node, selector)) return node;
  }
  return null;
}

const isWithin = (node, ancestor) => {
  for (; node; node = parentOf(node)) if (node === ancestor) return true;
  return false;
};

/** The tag with id and classes, as one writes it in a selector. */
function tagOf(element) {
  const classes = (attributeOf(element, "class") ?? "").split(/\s+/).filter(Boolean).slice(0, 3)
    .map(name => `.${name}`).join("");
  const id = attributeOf(element, "id");
  return `${element.localName}${id ? `#${id}` : ""}${classes}`.slice(0, 100);
}

/** What a field is for whoever fills it; null for an element that is none. */
function kindOf(element) {
  if (element.localName === "input") return NOT_FIELDS.includes(element.type) ? null : element.type;
  if (element.localName === "select" || element.localName === "textarea") return element.localName;
  if (element.isContentEditable && !element.parentElement?.isContentEditable) return "editable";
  const role = element.getAttribute("role")?.toLowerCase();
  if (!ROLES.includes(role)) return null;
  return role === "textbox" || role === "searchbox" ? null : `aria-${role}`;
}

/** The field that `element` is, labels or wraps; null when that is not one field alone. */
function fieldOf(element) {
  if (kindOf(element)) return element;
  if (element.localName === "label" && element.control && kindOf(element.control)) return element.control;
  const inside = [...everything(element.shadowRoot ?? element)].filter(kindOf);
  return inside.length === 1 ? inside[0] : null;
}

/** Text without that of the controls inside, such as the options of a wrapped list. */
function textOf(element) {
  if (element.matches("select, textarea, script, style, button, [aria-hidden=true]")) return "";
  return [...element.childNodes].map(node =>
    node.nodeType === Node.TEXT_NODE ? node.data
      : node.nodeType === Node.ELEMENT_NODE ? ` ${textOf(node)} ` : "").join("");
}

// `input.labels` looks through the whole document each time; a call of this script does it once.
let labelsByField = null;

function labelsOf(element) {
  if (element.labels) {
    if (!labelsByField) {
      labelsByField = new Map();
      for (const label of everything(document)) {
        if (label.localName !== "label" || !label.control) continue;
        labelsByField.set(label.control, [...labelsByField.get(label.control) ?? [], label]);
      }
    }
    return labelsByField.get(element) ?? [];
  }
  return [...element.getRootNode().querySelectorAll("label")]
    .filter(label => label.control === element || (element.id && label.htmlFor === element.id)
      || label.contains(element));
}

function ariaLabels(element) {
  const ids = (element.getAttribute("aria-labelledby") ?? "").split(/\s+/).filter(Boolean);
  const named = ids.map(id => element.getRootNode().getElementById?.(id)).filter(Boolean);
  return [named.map(textOf).join(" "), element.getAttribute("aria-label")];
}

const labelTexts = element =>
  [...labelsOf(element).map(textOf), ...ariaLabels(element)].map(tidy).filter(Boolean);

/** The caption of the group that a box or radio button belongs to. */
function captionsOfGroup(element) {
  const group = closest(element.parentNode, "fieldset, [role=radiogroup], [role=group]");
  if (!group) return [];
  const legend = group.querySelector(":scope > legend");
  return [legend && textOf(legend), ...ariaLabels(group)].map(tidy).filter(Boolean);
}

const isTicked = kind => /checkbox|radio|switch/.test(kind);

/** The element, and the custom elements in whose shadow root it is: a name may be on either. */
function hostsOf(element) {
  const found = [element];
  for (let host = element.getRootNode().host; host; host = host.getRootNode().host) {
    if (fieldOf(host) !== element) break;
    found.push(host);
  }
  return found;
}

// How a name can mean a field, the surest way first. Selectors are Playwright's, so they are no. 6.
const SELECTOR = 6, SIMILAR = 7;

function rankOf(element, name) {
  const hosts = hostsOf(element);
  const labels = hosts.flatMap(labelTexts);
  if (labels.includes(name)) return 0;
  if (labels.map(bare).includes(bare(name))) return 1;
  const captions = isTicked(kindOf(element)) ? captionsOfGroup(element) : [];
  if (captions.map(bare).includes(bare(name))) return 2;
  if (hosts.some(host => host.getAttribute("name") === name)) return 3;
  const hints = hosts.flatMap(host => [host.getAttribute("placeholder"),
    host.getAttribute("aria-placeholder"), host.getAttribute("title")]).map(tidy);
  if (hints.includes(name)) return 4;
  if (hosts.some(host => host.id === name)) return 5;
  const loose = bare(name).toLowerCase();
  if (loose.length < 2) return null;
  return [...labels, ...hints].some(text => text.toLowerCase().includes(loose)) ? SIMILAR : null;
}

/** Why a person cannot see the element, or null. */
function hiddenBecause(element) {
  for (let node = element; node; node = parentOf(node)) {
    if (!(node instanceof Element)) continue;
    const style = getComputedStyle(node);
    if (style.display === "none") return `${tagOf(node)} has display: none`;
    if (node === element && style.visibility !== "visible") return "its visibility is hidden";
    if (style.opacity === "0") return `${tagOf(node)} has opacity: 0`;
  }
  if (!element.checkVisibility()) return "it is in a closed part of the page";
  const box = element.getBoundingClientRect();
  if (box.width <= 1 || box.height <= 1) return `it is ${Math.round(box.width)} × ${Math.round(box.height)} px small`;
  if (box.right + scrollX <= 0 || box.bottom + scrollY <= 0) return "it is outside of the page";
  return null;
}

const isSeen = element => hiddenBecause(element) === null;

/** 2 for a field that is seen; 1 for one that a person sets by something else; 0 for a hidden one. */
function visibilityOf(element, kind) {
  const why = hiddenBecause(element);
  if (!why) return 2;
  if (kind === "file") return 1;
  const stand_in = [...labelsOf(element), element.parentElement ?? element.getRootNode().host];
  if (isTicked(kind) || kind === "select") return stand_in.some(one => one && isSeen(one)) ? 1 : 0;
  return 0;
}

const formOf = element => element.form ?? closest(element, "form");

const numbers = new Map();

/** The number of a form in its document, -1 for none. */
function numberOf(form) {
  if (!form) return -1;
  if (!numbers.size) [...everything(document)].forEach((element, number) => numbers.set(element, number));
  return numbers.get(form) ?? -1;
}

/** What Python needs to choose among fields and to name them. */
function factsOf(element, rank) {
  const kind = kindOf(element), form = formOf(element);
  return {
    rank, kind, tag: tagOf(element), hidden: hiddenBecause(element),
    visibility: visibilityOf(element, kind),
    label: labelTexts(element)[0] ?? element.getAttribute("name") ?? tagOf(element),
    group: kind === "radio" || kind === "checkbox" ? element.name : "",
    form: numberOf(form),
    form_tag: form ? tagOf(form) : "",
    multiple: Boolean(element.multiple),
  };
}

/** The fields that `name` means; `selected` are the elements that a selector found. */
function findFields([name, selected]) {
  const found = new Map();
  for (const element of selected) {
    const field = fieldOf(element);
    if (field && !found.has(field)) found.set(field, SELECTOR);
  }
  if (!selected.length) {
    for (const element of everything(document)) {
      const rank = kindOf(element) ? rankOf(element, tidy(name)) : null;
      if (rank !== null) found.set(element, rank);
    }
  }
  return { elements: [...found.keys()], facts: [...found].map(([field, rank]) => factsOf(field, rank)) };
}

/** The fields that the page shows, by their names, for an error. */
function namesOfFields() {
  const fields = [...everything(document)].filter(element => kindOf(element) && visibilityOf(element, kindOf(element)));
  return [...new Set(fields.map(field => factsOf(field, 0).label))].slice(0, 30);
}

/** The boxes or radio buttons of one name in the form of `element`, and the texts of each. */
function groupOf(element) {
  const members = element.name
    ? [...everything(document)].filter(other => other.localName === "input" && other.type === element.type
        && other.name === element.name && formOf(other) === formOf(element))
    : [element];
  return {
    elements: members,
    facts: members.map(member => ({
      captions: [member.value, ...labelTexts(member), ...labelTexts(member).map(bare)],
      label: labelTexts(member)[0] ?? member.value,
      own: member === element,
    })),
  };
}
