// The pictures that can be seen, and no others: elements are used again as the page scrolls, whatever there is in all.

import {Layout} from "./layout.js";

const BEYOND = 0.6; // screens above and below that are drawn too

export class Grid {
  // describe(section, place) -> {picture, text, kind, classes, said}; title(section) fills a title's element.
  constructor(scroller, canvas, {describe, title}) {
    Object.assign(this, {scroller, canvas, describe, title});
    this.layout = new Layout();
    this.sections = [];
    this.shown = new Map(); // key -> element
    this.free = {cell: [], row: []};
    scroller.addEventListener("scroll", () => this.later(), {passive: true});
    new ResizeObserver(() => this.arrange()).observe(scroller);
  }

  width() {
    const style = getComputedStyle(this.scroller);
    return this.scroller.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  }

  show(sections, {top = true} = {}) {
    this.sections = sections;
    if (top) this.scroller.scrollTop = 0;
    this.arrange();
  }

  arrange() {
    this.layout.arrange(this.sections, this.width());
    this.canvas.style.height = `${this.layout.height}px`;
    this.draw();
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const {scrollTop, clientHeight} = this.scroller, beyond = BEYOND * clientHeight, wanted = new Map();
    const bottom = scrollTop + clientHeight + beyond;
    for (let number = this.layout.lineAt(scrollTop - beyond); number < this.layout.lines.length; number++) {
      const line = this.layout.lines[number];
      if (line.y > bottom) break;
      if (line.title) wanted.set(`t${line.section}`, line);
      for (let place = line.start; place < line.end; place++) wanted.set(`${line.section}:${place}`, [line, place]);
    }
    for (const [key, element] of this.shown) {
      if (wanted.has(key)) continue;
      this.shown.delete(key);
      this.release(element);
    }
    for (const [key, what] of wanted) {
      if (Array.isArray(what)) this.drawCell(key, what[0], what[1]);
      else this.drawTitle(key, what);
    }
  }

  release(element) {
    element.remove();
    const kind = element.classList.contains("cell") ? "cell" : "row";
    if (kind === "cell") {
      element.firstChild.removeAttribute("src"); // what has not come yet need not come any more
      element.picture = -1;
    }
    this.free[kind].push(element);
  }

  element(key, kind) {
    let element = this.shown.get(key);
    if (!element) {
      element = this.free[kind].pop() || (kind === "cell" ? makeCell() : makeRow());
      this.shown.set(key, element);
      this.canvas.append(element);
    }
    return element;
  }

  drawTitle(key, line) {
    const element = this.element(key, "row");
    element.style.transform = `translateY(${line.y}px)`;
    element.style.height = `${line.height}px`;
    element.dataset.section = line.section;
    this.title(line.section, element);
  }

  drawCell(key, line, place) {
    const element = this.element(key, "cell"), said = this.describe(line.section, place);
    element.style.width = element.style.height = `${this.layout.size}px`;
    element.style.transform = `translate(${this.layout.left(place - line.start)}px, ${line.y}px)`;
    element.className = `cell ${said.classes}`;
    element.dataset.section = line.section;
    element.dataset.place = place;
    if (element.picture !== said.picture) {
      element.picture = said.picture;
      element.firstChild.src = `thumbnail/${said.picture}`;
    }
    if (element.lastChild.textContent !== said.text) element.lastChild.textContent = said.text;
    element.lastChild.className = said.kind;
    element.setAttribute("aria-label", said.said);
    element.setAttribute("aria-selected", String(said.selected));
    element.dataset.picture = said.picture;
  }

  reveal(section, place, {title = false} = {}) {
    if (!this.layout.first || this.layout.first[section] === undefined) return;
    const {y} = this.layout.place(section, place), {scrollTop, clientHeight} = this.scroller;
    const top = title || place < this.layout.columns ? this.layout.lines[this.layout.first[section]].y : y - 8;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (y + this.layout.size + 8 > scrollTop + clientHeight) {
      this.scroller.scrollTop = title ? top : y + this.layout.size + 8 - clientHeight;
    }
    this.draw();
  }
}

function makeCell() {
  const cell = document.createElement("div"), image = new Image(), tag = document.createElement("span");
  cell.setAttribute("role", "option");
  image.alt = "";
  image.draggable = false;
  image.decoding = "async";
  image.addEventListener("load", () => image.classList.toggle("small", image.naturalWidth < 100));
  cell.append(image, tag);
  return cell;
}

function makeRow() {
  const row = document.createElement("div");
  row.className = "row";
  return row;
}
