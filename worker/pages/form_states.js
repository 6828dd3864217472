// What a field holds, and why it cannot be used.

/** What the browser itself makes of `value`: tried on a copy, which none of the page's scripts sees. */
function trial(element, value) {
  const copy = element.cloneNode();
  copy.value = value;
  const { type, min, max, step, maxLength } = copy;
  return { kept: copy.value, type, min, max, step, max_length: maxLength ?? -1 };
}

/** What the field holds now. */
const heldBy = element => element.isContentEditable ? element.innerText : element.value;

/** Why nothing can be put into the element now, or null. */
function obstacleOf(element) {
  if (element.matches(":disabled")) {
    const group = element.disabled ? null : closest(element, "fieldset:disabled");
    return group ? `is disabled, as ${tagOf(group)} is` : "is disabled";
  }
  if (element.getAttribute("aria-disabled") === "true") return "is disabled";
  if (element.readOnly) return "is read-only";
  const inert = closest(element, "[inert]");
  if (inert) return `is inert, as ${tagOf(inert)} is`;
  const modal = [...document.querySelectorAll(":modal")].at(-1);
  if (modal && !isWithin(element, modal)) return `is behind ${shownAs(modal)}: dismiss that first`;
  const hidden = hiddenBecause(element);
  return hidden ? `is hidden: ${hidden}` : null;
}

/** The innermost element at the middle of this one. */
function hitOf(element) {
  element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  const box = element.getBoundingClientRect();
  const x = box.x + box.width / 2, y = box.y + box.height / 2;
  let hit = document.elementFromPoint(x, y);
  for (let inner = hit; inner?.shadowRoot; hit = inner) {
    inner = inner.shadowRoot.elementFromPoint(x, y);
    if (!inner || inner === hit) break;
  }
  return hit;
}

/** Whether a label of the element is drawn over it, so that a person clicks the label. */
function isUnderLabel(element) {
  const hit = hitOf(element);
  return hit && !isWithin(hit, element) && labelsOf(element).some(label => isWithin(hit, label));
}

/** What covers the middle of the element, or null. */
function coverOf(element) {
  const hit = hitOf(element);
  if (!hit || isWithin(hit, element) || isWithin(element, hit)) return null;
  if (labelsOf(element).some(label => isWithin(hit, label))) return null;
  let whole = hit;  // of a banner's parts, the banner
  for (let node = hit; node && !isWithin(element, node); node = parentOf(node)) {
    if (node instanceof Element) whole = node;
  }
  return shownAs(whole);
}

/** The tag of an element with the text that it shows. */
function shownAs(element) {
  const text = tidy(element.innerText).slice(0, 80);
  return text ? `${tagOf(element)} ${JSON.stringify(text)}` : tagOf(element);
}

/** A visible label of a box or radio button where a click does nothing but set it; else null. */
const plainLabelOf = element => labelsOf(element).find(label =>
  isSeen(label) && ![...everything(label)].some(one => one !== element && one.matches("a[href], button, input, select")))
  ?? null;

const isConnected = element => element.isConnected;

const isDisabled = element => element.matches(":disabled") || element.getAttribute("aria-disabled") === "true";
