// The list of kinds with their keys, the box for other names, and what is believed of what would be named.

import {make} from "./panels.js";

export class Naming {
  constructor(client, desk, name, rename) {
    Object.assign(this, {client, desk, name, rename});
    this.order = []; // kinds in the order of their keys, which does not change while a window is open
    this.list = document.getElementById("kinds");
    this.box = document.getElementById("name");
    this.known = document.getElementById("known");
    this.offer = document.getElementById("suggestion");
    document.getElementById("name-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const typed = this.complete(this.box.value.trim());
      if (!typed) return;
      this.box.value = "";
      this.box.blur();
      document.getElementById("scroller").focus({preventScroll: true});
      this.name(typed);
    });
  }

  // A kind that begins as typed, where it is the only one; else what was typed.
  complete(typed) {
    const same = this.order.filter((one) => one.toLowerCase() === typed.toLowerCase());
    const found = this.order.filter((one) => typed && one.toLowerCase().startsWith(typed.toLowerCase()));
    return same[0] || (found.length === 1 ? found[0] : typed);
  }

  kindAt(key) {
    return this.order[Number(key) - 1];
  }

  draw() {
    const {kinds, unsure, junk, counts} = this.client.state;
    const local = this.client.names.slice(2);
    this.order = this.order.filter((one) => one in kinds || local.includes(one));
    local.forEach((one) => {
      if (!this.order.includes(one) && (one in kinds || this.client.queue.length)) this.order.push(one);
    });
    this.order = this.order.filter((one) => one in kinds || this.client.queue.length);
    const rows = this.order.map((one, place) => this.line(one, place < 9 ? String(place + 1) : "", kinds[one] || 0, true));
    rows.push(this.line(unsure, "0", counts.unsure, false), this.line(junk, "Del", counts.junk, false));
    this.list.replaceChildren(...rows);
    this.known.replaceChildren(...this.order.map((one) => Object.assign(make("option"), {value: one})));
    this.drawOffer();
  }

  drawOffer() {
    const found = this.desk.suggestion(), {pictures} = this.desk.targets();
    if (!found || !pictures.length) return this.offer.replaceChildren();
    const many = pictures.length > 1 ? ` all ${pictures.length}` : "";
    const button = make("button");
    button.append(make("span", `Name${many} ${found.name}`));
    button.title = `${found.share}% believed so, ${found.sure}% sure`;
    button.append(make("kbd", "Enter"));
    button.addEventListener("click", () => this.name(found.name));
    this.offer.replaceChildren(button);
  }

  line(name, key, count, canRename) {
    const item = make("li"), button = make("button", "", "kind");
    button.append(make("kbd", key), make("span", name, "title"), make("span", count.toLocaleString("en"), "many"));
    button.title = name;
    button.addEventListener("click", () => this.name(name));
    item.append(button);
    if (canRename) {
      const pen = make("button", "\u270e", "rename");
      pen.title = pen.ariaLabel = `Rename ${name}, or merge it with another`;
      pen.addEventListener("click", () => this.rename(name));
      item.append(pen);
    }
    return item;
  }
}
