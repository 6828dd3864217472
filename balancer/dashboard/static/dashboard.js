// Keeps a page up to date. The server says what has changed, in three verbs: `text` and `cells`
// fill what is there, `html` replaces a part as a whole. All words come from the server.
"use strict";

const connection = document.getElementById("connection");
const charts = window.slotgridCharts ? window.slotgridCharts() : null;
let places = placesNow();
let clockAheadMs = 0; // how far this machine's clock is ahead of the server's
let source = null;
let seen = "";
let pressed = false; // a click needs its element from the press to the release: nothing moves then
let later = []; // what came meanwhile

function placesNow() {
  // Each place by verb and target. Looked up once: a message may name hundreds.
  const found = { text: new Map(), cells: new Map(), html: new Map() };
  for (const verb of Object.keys(found)) {
    for (const element of document.querySelectorAll(`[data-${verb}]`)) {
      found[verb].set(element.dataset[verb], element);
    }
  }
  return found;
}

function show(changes) {
  if (pressed) later.push(changes);
  else apply(changes);
}

function press(event) {
  pressed = event.button === 0;
}

function release() {
  pressed = false;
  // After the click that this release may end in.
  setTimeout(() => later.splice(0).forEach(show));
}

function apply(changes) {
  const fragments = Object.entries(changes.html ?? {}).filter(([target]) => places.html.has(target));
  for (const [target, markup] of fragments) replace(places.html.get(target), markup);
  if (fragments.length) places = placesNow();
  for (const [target, text] of Object.entries(changes.text ?? {})) {
    const element = places.text.get(target);
    if (element) element.textContent = text;
  }
  for (const [target, counts] of Object.entries(changes.cells ?? {})) {
    const element = places.cells.get(target);
    if (element) paint(element, counts);
  }
}

function replace(element, markup) {
  // Whoever stands in the part with the keyboard stays where they were.
  const focused = element.contains(document.activeElement) ? document.activeElement.id : "";
  element.outerHTML = markup;
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
}

function paint(element, counts) {
  const states = Object.entries(counts).flatMap(([state, count]) => Array(count).fill(state));
  while (element.children.length > states.length) element.lastElementChild.remove();
  while (element.children.length < states.length) element.append(document.createElement("i"));
  states.forEach((state, index) => {
    const cell = element.children[index];
    if (cell.dataset.state !== state) cell.dataset.state = state;
  });
  const said = Object.entries(counts).map(([state, count]) => `${count} ${state}`).join(", ");
  element.setAttribute("aria-label", said);
}

function age(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

function tellAges() {
  const now = Date.now() - clockAheadMs;
  for (const element of document.querySelectorAll("[data-since-ms]")) {
    element.textContent = age(Math.max(0, Math.floor((now - element.dataset.sinceMs) / 1000)));
  }
}

function say(state, text) {
  if (connection.textContent === text) return; // said once, not each second
  connection.dataset.state = state;
  connection.textContent = text;
}

function open() {
  const address = new URL(connection.dataset.changes, location.href);
  if (seen) address.searchParams.set("seen", seen);
  source = new EventSource(address);
  source.onmessage = ({ data, lastEventId }) => {
    const changes = JSON.parse(data);
    seen = lastEventId;
    if (changes.points.length) clockAheadMs = Date.now() - changes.points.at(-1)[0] * 1000;
    show(changes);
    charts?.add(changes.points);
    tellAges();
    say("live", "Live");
  };
  source.onerror = () => {
    say("away", "No connection, trying again");
    // Refused, not broken: the session has ended, or the balancer was restarted.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 1000);
  };
}

function close() {
  source?.close();
  source = null;
}

// A page that nobody sees asks for nothing, and takes none of the few connections a browser has.
document.addEventListener("visibilitychange", () => {
  close();
  if (!document.hidden) open();
});
window.addEventListener("pagehide", close);
window.addEventListener("pointerdown", press);
for (const end of ["pointerup", "pointercancel", "blur"]) window.addEventListener(end, release);
tellAges();
open();
