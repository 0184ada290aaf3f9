/* The map of a gallery: a canvas, a legend, a search box, a panel of nearest pictures. Plain script, no library. */
(() => {
"use strict";

const byId = (id) => document.getElementById(id);
addCopyButtons();
if (!byId("gallery-data")) return;

const data = JSON.parse(byId("gallery-data").textContent);
const count = data.x.length;
const xs = data.x.map((value) => value / data.fine);
const ys = data.y.map((value) => value / data.fine);
const most = (values) => values.reduce((a, b) => Math.max(a, b), 1e-6); // as many arguments as pictures are too many
const wide = most(xs), high = most(ys);
const texts = data.paths.map((path, i) => `${labelOf(i) ?? ""}\n${path}`.toLowerCase());

/* Petroff (2021), "Accessible color sequences for data visualization": ten that colour-blind people tell apart, 11.9 or
   more from each other by CIEDE2000. In the dark they stay, with a pale edge. Beyond ten they come with another shape. */
const COLOURS = ["#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"];
const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];
const SHOWN = 150; // classes that have a line in the legend
const MOST_IMAGES = 500; // decoded at once
const FURTHEST = 60; // times

const canvas = byId("map"), pen = canvas.getContext("2d");
const tip = byId("tip"), panel = byId("panel"), status = byId("status");
const view = { x: wide / 2, y: high / 2, zoom: 1 };
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");
const images = new Map();
const off = new Set(); // classes that are switched off
let thumbnails = [];
let by = "label", classes = [], classOf = [];
let lit = null; // the class that is pointed at in the legend
let found = null; // pictures that the search found, null: no search
let current = -1, hovered = -1, opened = -1;
let width = 0, height = 0, density = 1, colours = {};
let drawn = { thumbs: [], side: 0 }, planned = { key: "", picks: [] };
let asked = 0, flight = 0;

/* ------------------------------------------------------------------------------------------------ words */

function labelOf(i) { return data.label[i] < 0 ? null : data.labels[data.label[i]]; }
function groupOf(i) { return data.group[i] < 0 ? null : data.groups[data.group[i]]; }
function nameOf(i) { return labelOf(i) ?? data.paths[i]; }
function say(text) { status.textContent = text; }
function sayPicture(i, more) {
  const parts = [labelOf(i), groupOf(i) && `group ${groupOf(i)}`, data.paths[i]].filter(Boolean);
  say(`${parts.join(", ")}; picture ${i + 1} of ${count}${more ? `. ${more}` : ""}`);
}
function make(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) { made.textContent = text; made.dir = "auto"; }
  return made;
}
function describe(i, into) {
  into.replaceChildren();
  if (labelOf(i) !== null) into.append(broken("what", labelOf(i)));
  if (groupOf(i) !== null) into.append(broken("where", `group ${groupOf(i)}`));
  into.append(broken("where", data.paths[i]));
}
function broken(name, text) { // long names go to the next line where their words end
  const made = make("div", name, "");
  for (const part of text.split(/(?<=[_/.-])/)) made.append(part, document.createElement("wbr"));
  return made;
}

/* ------------------------------------------------------------------------------------------------ thumbnails */

function address(i) { return thumbnails[i] ? `data:image/jpeg;base64,${thumbnails[i]}` : ""; }
function image(i) {
  let held = images.get(i);
  if (held) { images.delete(i); images.set(i, held); return held; } // the last one used stands last
  held = new Image();
  held.onload = () => { held.ready = true; draw(); };
  held.src = address(i);
  images.set(i, held);
  if (images.size > MOST_IMAGES) images.delete(images.keys().next().value);
  return held;
}
function frame(i, alt) {
  const made = make("img", "frame");
  made.onload = () => made.classList.toggle("sharp", made.naturalWidth <= 100 && made.width > 2.5 * made.naturalWidth);
  made.src = address(i);
  made.alt = alt;
  made.draggable = false;
  return made;
}
function readThumbnails() {
  const elements = [...document.querySelectorAll("script.thumbnails")];
  thumbnails = elements.flatMap((element) => element.textContent.split("\n"));
  for (const element of elements) element.remove();
  images.clear();
  draw();
}

/* ------------------------------------------------------------------------------------------------ places */

function scale() {
  const margin = Math.min(34, width / 16);
  return Math.min((width - 2 * margin) / wide, (height - 2 * margin) / high) * view.zoom;
}
function place(i) {
  const s = scale();
  return [(xs[i] - view.x) * s + width / 2, (ys[i] - view.y) * s + height / 2];
}
function isOn(i) { return classOf[i] === undefined || !off.has(classOf[i]); }
function isClear(i) { return isOn(i) && (!found || found[i] === 1) && (lit === null || classOf[i] === lit); }
function clamp(value, least, most) { return Math.max(least, Math.min(most, value)); }
function move(to, quick) {
  const goal = { zoom: clamp(to.zoom ?? view.zoom, 1, FURTHEST) };
  goal.x = goal.zoom === 1 ? wide / 2 : clamp(to.x ?? view.x, 0, wide);
  goal.y = goal.zoom === 1 ? high / 2 : clamp(to.y ?? view.y, 0, high);
  cancelAnimationFrame(flight);
  if (quick || calm.matches) { set(goal); return; }
  const from = { ...view }, began = performance.now(), step = (now) => {
    const part = clamp((now - began) / 220, 0, 1), eased = 1 - (1 - part) ** 3;
    const zoom = from.zoom * (goal.zoom / from.zoom) ** eased;
    set({ x: from.x + (goal.x - from.x) * eased, y: from.y + (goal.y - from.y) * eased, zoom });
    if (part < 1) flight = requestAnimationFrame(step);
  };
  flight = requestAnimationFrame(step);
}
function set(goal) {
  Object.assign(view, goal);
  canvas.style.touchAction = view.zoom > 1.01 ? "none" : "pan-y"; // the whole map lets a finger scroll the page
  draw();
}
function zoomAt(factor, px, py, quick) {
  const zoom = clamp(view.zoom * factor, 1, FURTHEST), s = scale(), next = (s / view.zoom) * zoom;
  const x = view.x + (px - width / 2) * (1 / s - 1 / next), y = view.y + (py - height / 2) * (1 / s - 1 / next);
  move({ x, y, zoom }, quick);
}
function show(i) {
  const [px, py] = place(i), edge = 60;
  if (px < edge || py < edge || px > width - edge || py > height - edge) {
    move({ x: xs[i], y: ys[i], zoom: Math.max(view.zoom, 1.01) });
  }
}

/* ------------------------------------------------------------------------------------------------ drawing */

function draw() {
  if (!asked) asked = requestAnimationFrame(() => { asked = 0; paint(); });
}
function paint() {
  pen.setTransform(density, 0, 0, density, 0, 0);
  pen.clearRect(0, 0, width, height);
  const clear = [], faint = [];
  for (let i = 0; i < count; i++) if (isOn(i)) (isClear(i) ? clear : faint).push(i);
  const size = pointSize();
  pen.globalAlpha = 0.13;
  for (const i of faint) point(i, size);
  pen.globalAlpha = 1;
  const picks = plan();
  const small = picks.length ? new Set(picks) : null;
  for (const i of clear) if (!small?.has(i)) point(i, size);
  drawn = { thumbs: [], side: thumbSide() };
  for (const i of picks) if (isClear(i)) thumb(i);
  if (opened >= 0) links();
  for (const i of new Set([current, opened])) if (drawn.side && i >= 0 && isClear(i) && !small?.has(i)) thumb(i);
  for (const i of new Set([hovered, current, opened])) if (i >= 0 && isOn(i)) ring(i, size);
  canvas.dataset.zoom = view.zoom.toFixed(3);
  canvas.dataset.thumbnails = drawn.thumbs.length;
  canvas.dataset.current = current;
  canvas.dataset.opened = opened;
}
function pointSize() {
  const base = clamp(0.165 * Math.sqrt((width * height) / Math.max(count, 1)), 1.7, 4.5);
  return Math.min(base * view.zoom ** 0.35, 8);
}
const inSight = (px, py, edge) => px > -edge && py > -edge && px < width + edge && py < height + edge;
function point(i, size) {
  const [px, py] = place(i);
  if (!inSight(px, py, size)) return;
  const kind = classes[classOf[i]];
  outline(pen, kind ? kind.shape : "circle", px, py, size);
  pen.fillStyle = kind ? kind.colour : colours.muted;
  pen.fill();
  pen.lineWidth = 0.75;
  pen.strokeStyle = dark.matches ? "#ffffff80" : colours.ground;
  pen.stroke();
}
function outline(into, shape, px, py, r) {
  into.beginPath();
  if (shape === "circle") into.arc(px, py, r, 0, 2 * Math.PI);
  else if (shape === "square") into.rect(px - 0.88 * r, py - 0.88 * r, 1.76 * r, 1.76 * r);
  else for (const [n, [dx, dy]] of CORNERS[shape].entries()) into[n ? "lineTo" : "moveTo"](px + dx * r, py + dy * r);
  into.closePath();
}
const CORNERS = {
  triangle: [[0, -1.15], [1.1, 0.85], [-1.1, 0.85]],
  diamond: [[0, -1.25], [1.1, 0], [0, 1.25], [-1.1, 0]],
  cross: [[-0.4, -1.1], [0.4, -1.1], [0.4, -0.4], [1.1, -0.4], [1.1, 0.4], [0.4, 0.4], [0.4, 1.1], [-0.4, 1.1],
    [-0.4, 0.4], [-1.1, 0.4], [-1.1, -0.4], [-0.4, -0.4]],
};
function thumbSide() {
  const near = view.zoom / 1.8, roomy = count * 9000 < width * height; // so few that the whole map has room
  return near < 1 && !roomy ? 0 : Math.round(clamp(32 * near ** 0.55, 32, 112));
}
/* Which pictures have a thumbnail: the first of those that would overlap, wherever the map is moved. */
function plan() {
  const side = thumbSide();
  if (!side || !thumbnails.length) return [];
  const key = `${side} ${scale()} ${by} ${[...off]} ${lit} ${found ? found.version : ""}`;
  if (key !== planned.key) planned = { key, picks: pack(side + 5) };
  return planned.picks;
}
function pack(step) {
  const s = scale(), cells = new Map(), picks = [];
  const near = (a, b) => Math.abs(xs[a] - xs[b]) * s < step && Math.abs(ys[a] - ys[b]) * s < step;
  for (let i = 0; i < count; i++) {
    if (!isClear(i)) continue;
    const cx = Math.floor((xs[i] * s) / step), cy = Math.floor((ys[i] * s) / step);
    let free = true;
    for (let dx = -1; dx < 2 && free; dx++) {
      for (let dy = -1; dy < 2 && free; dy++) {
        const other = cells.get((cx + dx) * 100003 + cy + dy);
        if (other !== undefined && near(i, other)) free = false;
      }
    }
    if (free) { cells.set(cx * 100003 + cy, i); picks.push(i); }
  }
  return picks;
}
function thumb(i) {
  const [px, py] = place(i), side = drawn.side;
  if (!inSight(px, py, side)) return;
  const held = image(i);
  if (!held.ready) { point(i, pointSize()); return; }
  const part = side / Math.max(held.width, held.height), w = held.width * part, h = held.height * part;
  const kind = classes[classOf[i]];
  pen.fillStyle = kind ? kind.colour : colours.rule;
  pen.beginPath();
  pen.roundRect(px - w / 2 - 2, py - h / 2 - 2, w + 4, h + 4, 4);
  pen.fill();
  pen.imageSmoothingEnabled = part < 3;
  pen.imageSmoothingQuality = "high";
  pen.drawImage(held, px - w / 2, py - h / 2, w, h);
  drawn.thumbs.push([i, px, py, w / 2 + 2, h / 2 + 2]);
}
function links() {
  const [px, py] = place(opened);
  pen.lineWidth = 1.25;
  for (let n = 0; n < data.k; n++) {
    const other = data.near[opened * data.k + n];
    if (!isOn(other)) continue;
    const [qx, qy] = place(other);
    pen.strokeStyle = colours.ours;
    pen.globalAlpha = 0.55;
    pen.beginPath();
    pen.moveTo(px, py);
    pen.lineTo(qx, qy);
    pen.stroke();
    pen.globalAlpha = 1;
    outline(pen, "circle", qx, qy, pointSize() + 2.5);
    pen.stroke();
  }
}
function ring(i, size) {
  const shown = drawn.thumbs.find((one) => one[0] === i);
  const [px, py] = place(i);
  for (const [line, ink] of [[5, colours.paper], [2.5, i === hovered && i !== opened ? colours.ink : colours.ours]]) {
    pen.lineWidth = line;
    pen.strokeStyle = ink;
    if (shown) { pen.beginPath(); pen.roundRect(px - shown[3], py - shown[4], 2 * shown[3], 2 * shown[4], 4); }
    else outline(pen, "circle", px, py, size + 3.5);
    pen.stroke();
  }
}
function restyle() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "muted", "paper", "rule", "ours"]) colours[name] = style.getPropertyValue(`--${name}`).trim();
  colours.ground = style.getPropertyValue("--code").trim();
  fillLegend();
  draw();
}
function resize() {
  const box = canvas.getBoundingClientRect();
  [width, height, density] = [box.width, box.height, Math.min(window.devicePixelRatio || 1, 3)];
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(height * density);
  paint();
}

/* ------------------------------------------------------------------------------------------------ pointing */

function hit(px, py, reach) {
  for (let n = drawn.thumbs.length - 1; n >= 0; n--) {
    const [i, x, y, w, h] = drawn.thumbs[n];
    if (Math.abs(px - x) <= w && Math.abs(py - y) <= h && isClear(i)) return i;
  }
  let best = -1, least = (pointSize() + reach) ** 2;
  for (let i = 0; i < count; i++) {
    if (!isClear(i)) continue;
    const [x, y] = place(i), far = (x - px) ** 2 + (y - py) ** 2;
    if (far < least) [best, least] = [i, far];
  }
  return best;
}
function pointAt(i) {
  hovered = i;
  canvas.classList.toggle("over", i >= 0);
  showTip(i >= 0 ? i : document.activeElement === canvas ? current : -1);
  draw();
}
function showTip(i) {
  if (i < 0 || !isOn(i)) { tip.hidden = true; tip.dataset.picture = ""; return; }
  if (tip.dataset.picture !== String(i)) {
    const words = make("div");
    describe(i, words);
    tip.replaceChildren(frame(i, ""), words);
    tip.dataset.picture = i;
  }
  tip.hidden = false;
  const [px, py] = place(i), away = 16 + drawn.side / 2;
  const right = px + away + tip.offsetWidth < width, x = right ? px + away : px - away - tip.offsetWidth;
  tip.style.transform =
    `translate(${Math.round(clamp(x, 6, Math.max(6, width - tip.offsetWidth - 6)))}px,` +
    `${Math.round(clamp(py - tip.offsetHeight / 2, 6, Math.max(6, height - tip.offsetHeight - 6)))}px)`;
}
const fingers = new Map();
let moved = 0, spread = 0, scrolled = -1e9;
function local(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}
function hands() {
  const [a, b] = [...fingers.values()];
  return { far: Math.hypot(a[0] - b[0], a[1] - b[1]), x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2 };
}
canvas.addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  fingers.set(event.pointerId, local(event));
  canvas.setPointerCapture(event.pointerId);
  cancelAnimationFrame(flight);
  moved = fingers.size > 1 ? 99 : 0;
  if (fingers.size === 2) spread = hands().far;
});
canvas.addEventListener("pointermove", (event) => {
  const now = local(event), before = fingers.get(event.pointerId);
  if (!before) {
    if (event.pointerType !== "touch") { const i = hit(...now, 7); if (i !== hovered) pointAt(i); }
    return;
  }
  const middle = fingers.size === 2 ? hands() : null;
  fingers.set(event.pointerId, now);
  moved += Math.hypot(now[0] - before[0], now[1] - before[1]);
  if (fingers.size === 2) {
    const next = hands(), s = scale();
    move({ x: view.x - (next.x - middle.x) / s, y: view.y - (next.y - middle.y) / s }, true);
    zoomAt(next.far / Math.max(spread, 1), next.x, next.y, true);
    spread = next.far;
  } else if (fingers.size === 1 && moved > 4) {
    const s = scale();
    canvas.classList.add("moving");
    pointAt(-1);
    move({ x: view.x - (now[0] - before[0]) / s, y: view.y - (now[1] - before[1]) / s }, true);
  }
});
function lift(event) {
  const was = fingers.delete(event.pointerId);
  canvas.classList.remove("moving");
  if (event.type === "pointerup" && was && moved <= 4) {
    const i = hit(...local(event), event.pointerType === "touch" ? 16 : 7);
    if (i >= 0) { current = i; pointAt(event.pointerType === "touch" ? -1 : i); open(i); } else close();
  }
}
canvas.addEventListener("pointerup", lift);
canvas.addEventListener("pointercancel", lift);
canvas.addEventListener("pointerleave", () => { if (!fingers.size) pointAt(-1); });
window.addEventListener("scroll", () => { scrolled = performance.now(); }, { passive: true });
canvas.addEventListener("wheel", (event) => {
  if (performance.now() - scrolled < 350 && !event.ctrlKey) return; // the page is being scrolled past the map
  const turn = event.deltaY * (event.deltaMode === 1 ? 18 : event.deltaMode === 2 ? 300 : 1);
  if (turn > 0 && view.zoom <= 1 && !event.ctrlKey) return;
  event.preventDefault();
  zoomAt(Math.exp(-clamp(turn, -240, 240) * (event.ctrlKey ? 0.01 : 0.0022)), ...local(event), true);
  pointAt(hit(...local(event), 7));
}, { passive: false });

/* ------------------------------------------------------------------------------------------------ keys */

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
function towards([dx, dy]) {
  if (current < 0 || !isClear(current)) return middlemost();
  let best = -1, least = Infinity;
  for (let i = 0; i < count; i++) {
    if (i === current || !isClear(i)) continue;
    const x = xs[i] - xs[current], y = ys[i] - ys[current], along = x * dx + y * dy, across = Math.abs(x * dy - y * dx);
    const far = along + 2.2 * across;
    if (along > 0 && along >= across * 0.6 && far < least) [best, least] = [i, far];
  }
  return best < 0 ? current : best;
}
function middlemost() {
  let best = -1, least = Infinity;
  for (let i = 0; i < count; i++) {
    const far = Math.hypot(xs[i] - view.x, ys[i] - view.y);
    if (isClear(i) && far < least) [best, least] = [i, far];
  }
  return best;
}
function go(i) {
  if (i < 0) { say("There is no picture to go to: none is switched on, or none was found."); return; }
  current = i;
  hovered = -1;
  show(i);
  draw();
  requestAnimationFrame(() => showTip(i));
  sayPicture(i);
}
canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = ARROWS[event.key], step = 80 / scale();
  if (arrow && event.shiftKey) { move({ x: view.x + arrow[0] * step, y: view.y + arrow[1] * step }); showTip(-1); }
  else if (arrow) go(towards(arrow));
  else if (event.key === "+" || event.key === "=") zoomKey(1.5);
  else if (event.key === "-" || event.key === "_") zoomKey(1 / 1.5);
  else if (event.key === "0") whole();
  else if (event.key === "Enter" || event.key === " ") { if (current < 0) go(middlemost()); if (current >= 0) open(current); }
  else return;
  event.preventDefault();
});
canvas.addEventListener("blur", () => showTip(-1));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (panel.contains(document.activeElement)) canvas.focus({ preventScroll: true });
  if (opened >= 0) close(); else showTip(-1);
});
function zoomKey(factor) {
  const anchor = current >= 0 && document.activeElement === canvas ? place(current) : [width / 2, height / 2];
  showTip(-1);
  zoomAt(factor, ...anchor);
  say(`Zoomed ${factor > 1 ? "in" : "out"}.`);
}
function whole() { showTip(-1); move({ zoom: 1 }); say("The whole map."); }
byId("zoom-in").addEventListener("click", () => zoomKey(1.6));
byId("zoom-out").addEventListener("click", () => zoomKey(1 / 1.6));
byId("zoom-reset").addEventListener("click", whole);

/* ------------------------------------------------------------------------------------------------ nearest */

function open(i, focus) {
  opened = current = i;
  const chosen = frame(i, nameOf(i));
  chosen.id = "chosen";
  byId("chosen").replaceWith(chosen);
  describe(i, byId("chosen-text"));
  const list = byId("near");
  list.replaceChildren();
  for (let n = 0; n < data.k; n++) {
    const other = data.near[i * data.k + n], cosine = (data.cosines[i * data.k + n] / data.fine).toFixed(3);
    const button = make("button", labelOf(i) !== null && labelOf(other) === labelOf(i) ? "same" : "");
    button.type = "button";
    button.title = data.paths[other];
    button.dataset.picture = other;
    button.setAttribute("aria-label", `${nameOf(other)}, cosine ${cosine}`);
    button.append(frame(other, ""), make("span", "score", cosine), make("span", "name", nameOf(other)));
    button.addEventListener("click", () => { open(other, true); show(other); });
    button.addEventListener("pointerenter", () => { hovered = other; draw(); });
    button.addEventListener("pointerleave", () => { hovered = -1; draw(); });
    const item = make("li");
    item.append(button);
    list.append(item);
  }
  const same = [...list.children].filter((one) => one.firstChild.className === "same").length;
  const agree = labelOf(i) === null ? "" : `, ${same} with its label`;
  byId("near-title").textContent = `${data.k} nearest by all ${data.dimensions} numbers${agree}`;
  panel.hidden = false;
  if (focus) list.querySelector("button")?.focus({ preventScroll: true });
  draw();
  sayPicture(i, `Its ${data.k} nearest are shown${agree}.`);
}
function close() {
  if (opened < 0) return;
  opened = -1;
  panel.hidden = true;
  draw();
  say("Closed.");
}
byId("close").addEventListener("click", () => { close(); canvas.focus({ preventScroll: true }); });

/* ------------------------------------------------------------------------------------------------ legend, search */

function colourBy(what) {
  by = what;
  off.clear();
  lit = null;
  const names = what === "label" ? data.labels : what === "group" ? data.groups : [];
  classOf = what === "nothing" ? [] : [...(what === "label" ? data.label : data.group)];
  classes = names.map((name, n) => ({
    name, many: 0, colour: COLOURS[n % COLOURS.length], shape: SHAPES[Math.floor(n / COLOURS.length) % SHAPES.length],
  }));
  if (classOf.some((n) => n < 0)) {
    classes.push({ name: `no ${what}`, many: 0, colour: "#94a4a2", shape: "circle" });
    classOf = classOf.map((n) => (n < 0 ? classes.length - 1 : n));
  }
  for (const n of classOf) classes[n].many++;
  byId("legend-box").hidden = !classes.length;
  byId("legend-title").textContent = `${names.length} ${what}${names.length === 1 ? "" : "s"}`;
  fillLegend();
  draw();
}
function fillLegend() {
  byId("legend").replaceChildren(...classes.slice(0, SHOWN).map(legendLine));
  if (classes.length > SHOWN) byId("legend").append(make("li", "many", `and ${classes.length - SHOWN} more`));
}
function legendLine(kind, n) {
  const button = make("button"), item = make("li");
  button.type = "button";
  button.setAttribute("aria-pressed", String(!off.has(n)));
  button.title = kind.name;
  button.append(mark(kind), make("span", "name", kind.name), make("span", "many", kind.many.toLocaleString("en")));
  button.addEventListener("click", () => {
    if (off.has(n)) off.delete(n); else off.add(n);
    button.setAttribute("aria-pressed", String(!off.has(n)));
    if (hovered >= 0 && !isOn(hovered)) pointAt(-1);
    draw();
    say(`${kind.name} ${off.has(n) ? "off" : "on"}; ${onCount()} of ${count} pictures are shown.`);
  });
  const light = (value) => () => { lit = value; draw(); };
  for (const name of ["pointerenter", "focus"]) button.addEventListener(name, light(n));
  for (const name of ["pointerleave", "blur"]) button.addEventListener(name, light(null));
  item.append(button);
  return item;
}
function mark(kind) {
  const space = "http://www.w3.org/2000/svg", picture = document.createElementNS(space, "svg");
  picture.setAttribute("viewBox", "-7 -7 14 14");
  picture.setAttribute("aria-hidden", "true");
  const round = kind.shape === "circle", square = kind.shape === "square";
  const shape = document.createElementNS(space, round ? "circle" : square ? "rect" : "polygon");
  const facts = round ? { r: 5 } : square ? { x: -4.4, y: -4.4, width: 8.8, height: 8.8 }
    : { points: CORNERS[kind.shape].map(([x, y]) => `${5 * x},${5 * y}`).join(" ") };
  for (const [name, value] of Object.entries({ ...facts, fill: kind.colour })) shape.setAttribute(name, value);
  picture.append(shape);
  return picture;
}
function onCount() { let many = 0; for (let i = 0; i < count; i++) many += isOn(i) ? 1 : 0; return many; }
byId("all").addEventListener("click", () => { off.clear(); fillLegend(); draw(); say("All are on."); });
byId("none").addEventListener("click", () => {
  classes.forEach((_, n) => off.add(n));
  fillLegend();
  pointAt(-1);
  say("All are off.");
});
function search() {
  const wanted = byId("search").value.trim().toLowerCase();
  found = null;
  if (wanted) {
    found = new Uint8Array(count);
    let many = 0;
    for (let i = 0; i < count; i++) if (texts[i].includes(wanted)) { found[i] = 1; many++; }
    found.version = wanted;
    say(`${many.toLocaleString("en")} of ${count.toLocaleString("en")} pictures match.`);
  } else say("");
  draw();
}
byId("search").addEventListener("input", search);
byId("search").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !found) return;
  for (let n = 1; n <= count; n++) {
    const i = (Math.max(current, -1) + n + count) % count;
    if (isClear(i)) { go(i); return; }
  }
});

/* ------------------------------------------------------------------------------------------------ all of it */

function addCopyButtons() {
  for (const block of document.querySelectorAll("pre")) {
    const button = document.createElement("button"), text = block.textContent;
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
      catch { getSelection().selectAllChildren(block.querySelector("code")); button.textContent = "Selected"; }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.prepend(button);
  }
}
const choices = ["label", "group"].filter((what) => data[`${what}s`].length);
for (const what of [...choices, "nothing"]) byId("colour").append(new Option(what === "nothing" ? "one colour" : `by ${what}`, what));
byId("colour").addEventListener("change", (event) => colourBy(event.target.value));
dark.addEventListener("change", restyle);
new ResizeObserver(resize).observe(canvas);
colourBy(choices[0] ?? "nothing");
restyle();
set({});
resize();
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", readThumbnails);
else readThumbnails();
canvas.map = { place, count, picks: () => drawn.thumbs.map((one) => one[0]) }; // for the console, and for tests
})();
