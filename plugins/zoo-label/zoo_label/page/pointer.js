// The mouse and fingers: a click takes out of a row or selects, Shift selects a range, dragging selects by a box.

const FAR = 6; // pixels that are no click any more
const LONG = 450; // milliseconds of a long press, which selects

export class Pointer {
  constructor(scroller, box, grid, desk, changed, opened) {
    Object.assign(this, {scroller, box, grid, desk, changed, opened});
    scroller.addEventListener("pointerdown", (event) => this.down(event));
    scroller.addEventListener("pointermove", (event) => this.move(event));
    scroller.addEventListener("pointerup", (event) => this.up(event));
    scroller.addEventListener("pointercancel", () => this.end());
    scroller.addEventListener("dblclick", (event) => this.cell(event) && this.opened());
  }

  cell(event) {
    const cell = event.target.closest(".cell");
    return cell && {section: Number(cell.dataset.section), place: Number(cell.dataset.place)};
  }

  at(event) {
    const frame = this.scroller.getBoundingClientRect(), padding = parseFloat(getComputedStyle(this.scroller).paddingLeft);
    return {x: event.clientX - frame.left - padding, y: event.clientY - frame.top + this.scroller.scrollTop};
  }

  down(event) {
    if (event.button !== 0 || event.target.closest("button")) return;
    this.begun = {...this.at(event), event, time: event.timeStamp, held: new Set(event.ctrlKey || event.metaKey ? this.desk.selected : [])};
    if (event.pointerType === "mouse") this.scroller.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.begun || event.pointerType !== "mouse") return;
    const here = this.at(event), {x, y} = this.begun;
    if (!this.dragging && Math.hypot(here.x - x, here.y - y) < FAR) return;
    this.dragging = true;
    const [left, right] = [Math.min(x, here.x), Math.max(x, here.x)], [top, bottom] = [Math.min(y, here.y), Math.max(y, here.y)];
    const padding = parseFloat(getComputedStyle(this.scroller).paddingLeft);
    Object.assign(this.box.style, {left: `${left + padding}px`, top: `${top}px`, width: `${right - left}px`, height: `${bottom - top}px`});
    this.box.hidden = false;
    this.desk.selected.clear();
    this.begun.held.forEach((one) => this.desk.selected.add(one));
    const inside = this.grid.layout.within(left, top, right, bottom);
    inside.forEach(([section, place]) => this.desk.selected.add(this.desk.sections[section].pictures[place]));
    if (inside.length) this.desk.cursor = {section: inside[0][0], place: inside[0][1]};
    this.changed();
  }

  up(event) {
    const begun = this.begun, dragged = this.dragging;
    this.end();
    if (!begun || dragged) return;
    const found = document.elementFromPoint(event.clientX, event.clientY);
    const hit = found && this.cell({target: found});
    if (hit) this.click(hit, event, event.timeStamp - begun.time > LONG);
    else this.desk.selected.clear();
    this.changed();
  }

  click(hit, event, long) {
    const desk = this.desk, picture = desk.sections[hit.section].pictures[hit.place];
    if (event.shiftKey) desk.selectRange(desk.anchor || desk.cursor, hit);
    else if (event.ctrlKey || event.metaKey || long) desk.toggle(picture);
    else if (desk.view.rows && !desk.selected.size) {
      const {out} = desk.sections[hit.section];
      if (!out.delete(picture)) out.add(picture);
    } else if (event.pointerType !== "mouse") desk.toggle(picture);
    else desk.selected.clear();
    if (!event.shiftKey) desk.anchor = hit;
    desk.cursor = hit;
  }

  end() {
    this.begun = null;
    this.dragging = false;
    this.box.hidden = true;
  }
}
