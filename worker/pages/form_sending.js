// The buttons of a form, and what becomes of it when it is sent.

const BUTTONS = "button, input[type=submit i], input[type=image i], input[type=button i], [role=button]";
// Words that a button of a form has, for a page without a form; as a test, not as a translation.
const SENDS = /\b(submit|send|save|sign ?(in|up)|log ?(in|on)|register|join|search|subscribe|continue|next|apply|order|buy|pay|book|confirm|go|ok)\b|senden|speichern|anmelden|suchen|weiter|bestellen|envoyer|enviar|valider|buscar|invia|zoeken/i;

const onlyOne = found => (found.length === 1 ? found[0] : null);

const nameOfButton = element => tidy(element.getAttribute("aria-label") || element.innerText || element.value
  || element.getAttribute("alt") || element.getAttribute("title")) || tagOf(element);

const isSubmitter = element => ["submit", "image"].includes(element.type);

/** The buttons that send `form`, in tree order, image buttons included. */
const submittersOf = form => [...everything(rootOf(form))]
  .filter(element => isSubmitter(element) && formOf(element) === form);

/** The button that a person would press for the field: {button, choices}.

Of a form its default button: the first that is seen, else the first. Without a form the one that is
nearest to all fields and says that it sends.
*/
function sendingButton(element, others) {
  const form = formOf(element);
  if (form) {
    const all = submittersOf(form);
    const button = all.find(isSeen) ?? all[0]
      ?? onlyOne([...everything(form)].filter(one => matches(one, BUTTONS) && isSeen(one)));
    return { button: button ?? null, choices: [] };
  }
  for (let area = element; area; area = parentOf(area)) {
    if (!(area instanceof Element) || !others.every(other => isWithin(other, area))) continue;
    const buttons = [...everything(area)].filter(one => matches(one, BUTTONS) && isSeen(one) && !formOf(one));
    const sending = buttons.filter(isSubmitter), saying = buttons.filter(one => SENDS.test(nameOfButton(one)));
    const button = onlyOne(saying) ?? onlyOne(sending);
    if (button) return { button, choices: [] };
    if (saying.length || sending.length) return { button: null, choices: buttons.map(nameOfButton) };
  }
  const all = [...everything(document)].filter(one => matches(one, BUTTONS) && isSeen(one) && !formOf(one));
  return { button: onlyOne(all), choices: all.map(nameOfButton).slice(0, 20) };
}

/** Notes what leaves no request: submit events, and messages into WebSockets. */
function watchSending(element) {
  const seen = { submits: 0, messages: [] }, send = WebSocket.prototype.send;
  const form = formOf(element), note = () => { seen.submits += 1; };
  if (form) EventTarget.prototype.addEventListener.call(form, "submit", note, true);
  WebSocket.prototype.send = function (data) {
    if (typeof data === "string" && seen.messages.length < 50) seen.messages.push(data.slice(0, 65536));
    return send.call(this, data);
  };
  return seen;
}

/** The fields of the form that the browser itself refuses, with its words. */
function refusedFields(element, button) {
  const form = formOf(element);
  if (!form || attributeOf(form, "novalidate") !== null || button?.formNoValidate) return [];
  return [...everything(rootOf(form))]
    .filter(field => field.willValidate && !field.validity.valid && formOf(field) === form)
    .map(field => ({
      name: field.getAttribute("name") || field.id || labelTexts(field)[0] || tagOf(field),
      names: [...labelTexts(field), ...labelTexts(field).map(bare), field.getAttribute("name"), field.id,
        field.getAttribute("placeholder")].filter(Boolean),
      words: field.validationMessage || "is not valid",
    }));
}

/** 0 for a visible button of the field's form, 1 for another visible one, 2 for a hidden one. */
const rankOfButton = (button, field) =>
  !isSeen(button) ? 2 : field && formOf(field) && formOf(button) === formOf(field) ? 0 : 1;

const namesOfButtons = () => [...everything(document)]
  .filter(one => matches(one, BUTTONS) && isSeen(one)).map(nameOfButton).slice(0, 30);

/** Asks a form to send itself, as its scripts may do. */
function requestSubmit(element) {
  const form = formOf(element);
  if (form) HTMLFormElement.prototype.requestSubmit.call(form);
}
