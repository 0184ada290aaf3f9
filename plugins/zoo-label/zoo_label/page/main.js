// The page: views of pictures, keys for everything, and a line that says how far it is.

import {Client} from "./client.js";
import {Desk, VIEWS} from "./desk.js";
import {Grid} from "./grid.js";
import {Naming} from "./naming.js";
import {keysPanel, make, openPanel, openZoom, reportPanel} from "./panels.js";
import {Pointer} from "./pointer.js";

const $ = (id) => document.getElementById(id);
const number = (one) => one.toLocaleString("en");

// "94% ± 2" where the interval is even, "10% (2 to 27)" where it is not.
function expectation({accuracy, low, high}) {
  const [mean, least, most] = [accuracy, low, high].map((one) => Math.round(100 * one));
  return Math.abs(most - mean - (mean - least)) <= 1 ? `${mean}% ± ${Math.max(1, most - mean)}` : `${mean}% (${least} to ${most})`;
}

class Page {
  constructor() {
    this.client = new Client();
    this.desk = new Desk(this.client);
    this.naming = new Naming(this.client, this.desk, (name) => this.name(name), (name) => this.rename(name));
    this.grid = new Grid($("scroller"), $("canvas"), {
      describe: (section, place) => this.describe(section, place),
      title: (section, element) => this.drawTitle(section, element),
    });
    this.pointer = new Pointer($("scroller"), $("box"), this.grid, this.desk, () => this.drawAll(), () => this.zoom());
    this.client.addEventListener("changed", (event) => this.changed(event.detail));
    this.client.addEventListener("saved", () => this.drawSaved());
    this.client.addEventListener("say", (event) => this.say(event.detail));
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("beforeunload", (event) => this.client.queue.length && event.preventDefault());
  }

  async start() {
    await this.client.start();
    const {folder, person} = this.client.state;
    $("folder").textContent = document.title = folder;
    $("folder").title = `labelled by ${person}`;
    this.drawViews();
    $("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      $("scroller").focus();
      this.open("search", `?query=${encodeURIComponent($("search").value)}`);
    });
    const asked = location.hash.slice(1);
    await this.open(VIEWS.some((one) => one.name === asked) ? asked : "clusters");
    $("scroller").focus();
    document.body.dataset.ready = "1";
  }

  drawViews() {
    $("views").replaceChildren(...VIEWS.map((view) => {
      const button = make("button", view.title);
      button.append(make("kbd", view.key));
      button.dataset.view = view.name;
      button.addEventListener("click", () => this.open(view.name));
      return button;
    }));
    const tools = [["Undo", "u", () => this.client.act("undo")], ["Report", "t", () => this.report()], ["Keys", "?", () => openPanel($("panel"), keysPanel())]];
    $("tools").replaceChildren(...tools.map(([title, key, act]) => {
      const button = make("button", title);
      button.append(make("kbd", key));
      button.addEventListener("click", act);
      return button;
    }));
  }

  async open(name, query = "") {
    try {
      await this.desk.load(name, query);
    } catch (error) {
      this.say(error.message);
      return;
    }
    for (const button of $("views").children) {
      button.ariaCurrent = button.dataset.view === name ? "page" : null;
      if (button.ariaCurrent) button.scrollIntoView({block: "nearest", inline: "nearest"});
    }
    this.grid.show(this.desk.sections);
    this.drawAll();
  }

  // ---------------------------------------------------------------------------------------------- drawing

  describe(section, place) {
    const {client, desk} = this, row = desk.sections[section], picture = row.pictures[place];
    const label = client.labels[picture], believed = client.believed[picture];
    const hidden = desk.isSecond(section) || (desk.view.blind && label < 0);
    const current = desk.cursor.section === section && desk.cursor.place === place;
    const selected = desk.selected.has(picture), out = row.out.has(picture);
    let text = "", kind = "believed";
    if (desk.isSecond(section) && row.answered.has(picture)) [text, kind] = ["answered", "named"];
    else if (row.extra.said) text = row.extra.said[picture];
    else if (!hidden && label >= 0) [text, kind] = [client.names[label], "named"];
    else if (!hidden && believed >= 0) text = `${client.sure[picture]}% ${client.names[believed]}`;
    const gone = (desk.view.rows && label >= 0) || (desk.isSecond(section) && row.answered.has(picture));
    const classes = [["current", current], ["selected", selected], ["out", out], ["gone", gone]];
    const what = kind === "named" ? `named ${text}` : text ? `believed ${text}` : "not named";
    return {
      picture, text, kind, selected,
      classes: classes.filter(([, on]) => on).map(([name]) => name).join(" "),
      said: `Picture ${picture + 1}, ${what}${out ? ", taken out" : ""}`,
    };
  }

  drawTitle(number, element) {
    const section = this.desk.sections[number], parts = [], rows = this.desk.view.rows;
    element.className = `row${section.named ? " named" : ""}${this.desk.cursor.section === number ? " here" : ""}`;
    parts.push(make("b", section.title || `Row ${number + 1}`));
    if (section.named) {
      parts.push(make("span", `${section.named.count} named ${section.named.name}`, "said"));
    } else {
      const count = rows ? this.desk.left(section).length : section.pictures.length;
      parts.push(make("span", `${count.toLocaleString("en")} picture${count === 1 ? "" : "s"}`));
      const found = rows ? this.desk.suggestion(section) : null;
      if (found) parts.push(make("span", `${found.name} ${found.share}%, ${found.sure}% sure`, "said"));
      else if (section.note && section.key < 0) parts.push(make("span", section.note));
      if (section.key >= 0 && count > 1) {
        const split = make("button", "Split");
        split.addEventListener("click", () => this.split(number));
        parts.push(split);
      }
    }
    element.replaceChildren(...parts);
  }

  drawAll() {
    this.grid.draw();
    this.naming.draw();
    this.drawProgress();
    this.drawSaved();
    this.drawFacts();
    const empty = !this.desk.sections.length, {embedding} = this.client.state;
    $("empty").hidden = !empty;
    if (empty) $("empty").textContent = embedding.done ? this.desk.view.empty : "The first pictures are being embedded; rows appear here.";
  }

  drawProgress() {
    const {counts, estimate, embedding} = this.client.state, parts = [make("b", number(counts.named)), ` of ${number(counts.all)} named`];
    if (estimate) {
      parts.push(`; ${expectation(estimate)} of the rest believed right, checked on ${estimate.checked}`);
    }
    if (embedding.fault) parts.push(`; ${embedding.fault}`);
    else if (!embedding.complete) parts.push(`; embedding ${number(embedding.done)} of ${number(embedding.total)}`);
    $("progress").replaceChildren(...parts);
    const share = (100 * (counts.all - counts.left)) / Math.max(1, counts.all);
    $("bar").firstElementChild.style.width = `${share}%`;
    $("bar").setAttribute("aria-valuenow", Math.round(share));
  }

  drawSaved() {
    const waiting = this.client.queue.length, fault = this.client.fault;
    $("saved").textContent = fault ? `${fault} ${waiting ? `${waiting} not saved yet.` : ""}` : waiting ? "saving" : "saved";
    $("saved").classList.toggle("waiting", Boolean(fault));
  }

  drawFacts() {
    const picture = this.desk.picture;
    clearTimeout(this.factsLater);
    if (picture < 0) return $("facts").replaceChildren();
    this.factsLater = setTimeout(async () => {
      const facts = await this.client.ask(`picture/${picture}`).catch(() => null);
      if (!facts || picture !== this.desk.picture) return;
      const hidden = this.desk.isSecond(this.desk.cursor.section);
      const by = facts.label && !hidden ? `${facts.label}, by ${facts.who}, ${facts.when}` : "";
      $("facts").replaceChildren(make("b", facts.path), make("div", facts.group), make("div", by));
    }, 120);
  }

  say(text) {
    $("status").textContent = text;
    clearTimeout(this.sayLater);
    this.sayLater = setTimeout(() => ($("status").textContent = ""), 5000);
  }

  // ---------------------------------------------------------------------------------------------- doing

  async changed(pictures) {
    const opened = this.desk.reopen(pictures);
    if (opened) this.grid.arrange();
    this.drawAll();
    if (opened) this.reveal();
    const waits = !this.desk.sections.length && this.client.state.embedding.done;
    if (waits && ["clusters", "check"].includes(this.desk.view.name) && !this.loading) await this.again();
  }

  async again() {
    this.loading = true;
    await this.open(this.desk.view.name, this.desk.query);
    this.loading = false;
  }

  async name(name) {
    if (!this.desk.name(name)) return this.say("Nothing is selected.");
    this.grid.arrange();
    this.drawAll();
    this.reveal();
    if (this.desk.exhausted) await this.whenSaved(() => this.again());
  }

  // Once all answers are acknowledged.
  async whenSaved(act) {
    while (this.client.queue.length || this.client.sending) await new Promise((done) => setTimeout(done, 30));
    await act();
  }

  reveal() {
    const {section, place} = this.desk.cursor;
    this.grid.reveal(section, place, {title: this.desk.view.rows && place === 0});
  }

  rename(old) {
    const form = make("form"), box = make("input"), button = make("button", "Rename");
    box.value = old;
    box.maxLength = 100;
    box.setAttribute("aria-label", "New name");
    form.append(box, " ", button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      $("panel").close();
      if (box.value.trim() && box.value.trim() !== old) this.client.act("rename", {old, name: box.value.trim(), way: "kind"});
    });
    openPanel($("panel"), [make("h2", `Rename ${old}`), make("p", "The name of another kind merges the two; undo takes it back."), form]);
    box.select();
  }

  async split(place = this.desk.cursor.section) {
    const section = this.desk.sections[place];
    if (!section || section.key < 0) return;
    await this.client.ask("arrange", {split: section.key});
    const before = new Set(section.pictures);
    await this.desk.load("clusters");
    this.grid.show(this.desk.sections, {top: false});
    const first = this.desk.sections.findIndex((one) => one.pictures.some((picture) => before.has(picture)));
    this.desk.cursor = {section: Math.max(0, first), place: 0};
    this.drawAll();
    this.reveal();
  }

  async cluster() {
    await this.client.ask("arrange", {split: null});
    await this.open("clusters");
  }

  async zoom() {
    const picture = this.desk.picture;
    if (picture < 0) return;
    const facts = await this.client.ask(`picture/${picture}`);
    if (this.desk.isSecond(this.desk.cursor.section)) facts.label = "";
    openZoom($("zoom"), picture, facts);
  }

  async report() {
    openPanel($("panel"), reportPanel(await this.client.ask("report")));
  }

  async save() {
    const said = await this.client.ask("save", {});
    this.say(`${said.rows} labels in ${said.file}`);
  }

  // ---------------------------------------------------------------------------------------------- keys

  key(event) {
    const typing = ["INPUT", "TEXTAREA", "SELECT"].includes(document.activeElement.tagName);
    if (event.key === "Escape") return this.escape(typing);
    if (typing || event.altKey || $("panel").open) return;
    if ($("zoom").open) {
      if (event.key === " ") $("zoom").close();
      else if (!event.key.startsWith("Arrow")) return;
      event.preventDefault();
      if (event.key === " ") return;
    }
    const act = this.action(event);
    if (!act) return;
    event.preventDefault();
    Promise.resolve(act()).catch((error) => this.say(error.message));
  }

  action(event) {
    const {key} = event, desk = this.desk, columns = this.grid.layout.columns;
    if (event.ctrlKey || event.metaKey) {
      const again = key === "y" || (key.toLowerCase() === "z" && event.shiftKey);
      return again ? () => this.client.act("redo") : key === "z" ? () => this.client.act("undo") : null;
    }
    const across = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns}[key];
    if (across) return () => this.moved(() => desk.move(across, columns, {extend: event.shiftKey}));
    if (/^[1-9]$/.test(key)) return this.naming.kindAt(key) ? () => this.name(this.naming.kindAt(key)) : null;
    const view = VIEWS.find((one) => one.key === key);
    if (view) return () => this.open(view.name);
    const {unsure, junk} = this.client.state;
    return {
      "0": () => this.name(unsure),
      Delete: () => this.name(junk),
      Backspace: () => this.name(junk),
      d: () => this.name(""),
      Enter: document.activeElement.tagName === "BUTTON" ? null : () => this.accept(),
      n: () => $("name").focus(),
      "/": () => $("search").focus(),
      j: () => this.moved(() => desk.nextRow(1)),
      k: () => this.moved(() => desk.nextRow(-1)),
      PageDown: () => this.moved(() => desk.nextRow(1)),
      PageUp: () => this.moved(() => desk.nextRow(-1)),
      Home: () => this.moved(() => (desk.cursor = {section: 0, place: 0})),
      x: () => this.moved(() => desk.toggleOut()),
      a: () => this.moved(() => desk.section && desk.section.pictures.forEach((one) => desk.selected.add(one))),
      u: () => this.client.act("undo"),
      U: () => this.client.act("redo"),
      " ": () => this.zoom(),
      m: () => this.open("similar", `?picture=${desk.picture}`),
      s: () => this.split(),
      g: () => this.cluster(),
      t: () => this.report(),
      o: () => this.whenSaved(() => this.save()),
      "?": () => openPanel($("panel"), keysPanel()),
    }[key];
  }

  escape(typing) {
    if (typing) document.activeElement.blur();
    $("scroller").focus();
    this.desk.selected.clear();
    this.drawAll();
  }

  moved(move) {
    move();
    this.drawAll();
    this.reveal();
    if ($("zoom").open) this.zoom();
  }

  accept() {
    const found = this.desk.suggestion();
    if (found) return this.name(found.name);
    this.say("Nothing is believed of it yet. Press n to give a name.");
  }
}

globalThis.page = new Page();
globalThis.page.start();
