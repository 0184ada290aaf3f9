// What lies on the desk: a view's sections, where the cursor stands, what is selected or taken out, what is named next.

export const VIEWS = [
  {name: "clusters", key: "c", title: "Clusters", rows: true, way: "row", empty: "Nothing is left to cluster. Well done; e checks, r reviews."},
  {name: "believed", key: "b", title: "Believed", rows: true, way: "row", empty: "No proposals yet: name some pictures of two kinds first."},
  {name: "review", key: "r", title: "Review", way: "review", empty: "Nothing is doubtful yet: name some pictures of two kinds first."},
  {name: "new", key: "w", title: "New", way: "new", empty: "Everything is named."},
  {name: "check", key: "e", title: "Check", way: "check", blind: true, empty: "Nothing to check: all is named, or the embedding is not finished."},
  {name: "kinds", key: "l", title: "Labels", way: "kind", empty: "Nothing is named yet."},
  {name: "second", key: "p", title: "Second", way: "second", blind: true, empty: "Nobody else has named pictures that you have not answered."},
  {name: "all", key: "v", title: "All", way: "one", empty: "There are no pictures."},
];
const SEARCHES = {
  similar: {name: "similar", title: "More like this", way: "search", empty: "Nothing is like it."},
  search: {name: "search", title: "Search", way: "search", empty: "Nothing is called so."},
};

export class Desk {
  constructor(client) {
    this.client = client;
    this.view = VIEWS[0];
    this.sections = [];
    this.cursor = {section: 0, place: 0};
    this.anchor = null;
    this.selected = new Set();
    this.query = "";
  }

  async load(name, query = this.query) {
    const view = VIEWS.find((one) => one.name === name) || SEARCHES[name];
    const said = await this.client.ask(`view/${name}${query}`);
    this.view = view;
    this.query = view.key ? "" : query;
    this.sections = said.sections.map((one) => ({...one, out: new Set(), answered: new Set(), named: null}));
    this.cursor = {section: 0, place: 0};
    this.anchor = null;
    this.selected.clear();
  }

  get section() {
    return this.sections[this.cursor.section];
  }

  get picture() {
    return this.section && this.section.pictures.length ? this.section.pictures[this.cursor.place] : -1;
  }

  isSecond(section) {
    return this.view.name === "second" && section === 0;
  }

  isAnswered(section, picture) {
    if (this.isSecond(section)) return this.sections[section].answered.has(picture);
    return this.client.labels[picture] >= 0;
  }

  // The pictures of a row that its name would go to.
  left(section) {
    return section.pictures.filter((one) => this.client.labels[one] < 0 && !section.out.has(one));
  }

  // What would be named now: pictures, and in which way.
  targets() {
    if (this.selected.size) return {pictures: [...this.selected], way: this.view.rows ? "selection" : this.view.way};
    if (!this.section) return {pictures: [], way: "one"};
    if (this.view.rows) return {pictures: this.left(this.section), way: "row"};
    return {pictures: this.picture < 0 ? [] : [this.picture], way: this.view.way};
  }

  // What most of a row, or the current picture, is believed to be: {name, share, sure}.
  suggestion(section = this.section) {
    if (!section || this.view.blind) return null;
    const {believed, sure, names} = this.client;
    let pictures = this.view.rows ? this.left(section) : [this.picture];
    if (section === this.section && this.selected.size) pictures = [...this.selected];
    const counts = new Map();
    for (const one of pictures) if (believed[one] >= 0) counts.set(believed[one], (counts.get(believed[one]) || 0) + 1);
    const best = [...counts].sort((one, other) => other[1] - one[1])[0];
    if (!best || (pictures.length > 1 && best[1] < pictures.length / 2)) return null; // too mixed to be named whole
    const mine = pictures.filter((one) => believed[one] === best[0]);
    return {
      name: names[best[0]],
      share: Math.round((100 * best[1]) / pictures.length),
      sure: Math.round(mine.reduce((sum, one) => sum + sure[one], 0) / mine.length),
    };
  }

  // Give a name to what is meant; returns whether there was anything.
  name(name) {
    const {pictures, way} = this.targets(), second = this.isSecond(this.cursor.section);
    if (!pictures.length) return false;
    this.client.act(second ? "second" : "label", {pictures, name, way});
    if (second) pictures.forEach((one) => this.section.answered.add(one));
    if (this.view.rows && !this.selected.size) this.section.named = {name, count: pictures.length, pictures};
    const whole = this.selected.size > 0;
    this.selected.clear();
    if (!(this.view.rows && whole)) this.advance();
    return true;
  }

  // To the next row, or the next picture that is not answered; past the last it stays.
  advance() {
    const {section, place} = this.cursor;
    if (this.view.rows) {
      const next = this.sections.findIndex((one, number) => number > section && !one.named && this.left(one).length);
      if (next >= 0) this.cursor = {section: next, place: 0};
      return;
    }
    const waits = ["review", "new", "check", "second", "similar"].includes(this.view.name);
    for (let s = section, p = place + 1; s < this.sections.length; s++, p = 0) {
      for (; p < this.sections[s].pictures.length; p++) {
        const open = !waits || !this.isAnswered(s, this.sections[s].pictures[p]) || (this.view.name === "review" && s > 0);
        if (open) {
          this.cursor = {section: s, place: p};
          return;
        }
      }
    }
  }

  get exhausted() {
    if (!this.sections.length) return false;
    if (this.view.rows) return this.sections.every((one) => one.named || !this.left(one).length);
    if (!["new", "check", "second", "review"].includes(this.view.name)) return false;
    return this.sections[0].pictures.every((one) => this.isAnswered(0, one));
  }

  // A named row opens again where its pictures lost their name.
  reopen(changed) {
    const gone = new Set(changed.filter((one) => this.client.labels[one] < 0));
    let opened = false;
    if (!gone.size) return false;
    this.sections.forEach((section, number) => {
      if (section.named && section.named.pictures.some((one) => gone.has(one))) {
        section.named = null;
        this.cursor = {section: number, place: 0};
        opened = true;
      }
    });
    return opened;
  }

  move(across, columns, {extend = false} = {}) {
    if (!this.section) return;
    let {section, place} = this.cursor;
    if (extend && this.anchor === null) this.anchor = {...this.cursor};
    place += across;
    if (place < 0 || place >= this.section.pictures.length || this.section.named) {
      const step = across < 0 ? -1 : 1;
      if (Math.abs(across) > 1 && step > 0 && !this.section.named) {
        const last = this.section.pictures.length - 1;
        if (Math.floor(this.cursor.place / columns) < Math.floor(last / columns)) {
          this.cursor = {section, place: last};
          return;
        }
      }
      const next = this.sections[section + step];
      if (!next) return;
      section += step;
      const last = Math.max(0, next.pictures.length - 1);
      place = step > 0 ? Math.min(Math.abs(across) > 1 ? this.cursor.place % columns : 0, last) : last;
      if (step < 0 && Math.abs(across) > 1) {
        const wanted = Math.floor(last / columns) * columns + (this.cursor.place % columns);
        place = Math.min(wanted, last);
      }
      if (next.named) place = 0;
    }
    this.cursor = {section, place};
    if (extend) this.selectRange(this.anchor, this.cursor);
    else this.anchor = null;
  }

  nextRow(step) {
    const next = this.sections[this.cursor.section + step];
    if (next) this.cursor = {section: this.cursor.section + step, place: 0};
  }

  toggleOut() {
    if (!this.view.rows) return this.toggle(this.picture);
    const {out} = this.section;
    if (!out.delete(this.picture)) out.add(this.picture);
  }

  toggle(picture) {
    if (picture >= 0 && !this.selected.delete(picture)) this.selected.add(picture);
  }

  selectRange(from, to) {
    const [first, last] = [from, to].sort((one, other) => one.section - other.section || one.place - other.place);
    this.selected.clear();
    for (let s = first.section; s <= last.section; s++) {
      const pictures = this.sections[s].pictures;
      const start = s === first.section ? first.place : 0, end = s === last.section ? last.place : pictures.length - 1;
      for (let p = start; p <= end; p++) this.selected.add(pictures[p]);
    }
  }
}
