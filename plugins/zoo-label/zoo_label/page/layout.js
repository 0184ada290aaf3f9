// Where everything lies: sections of pictures -> lines with their heights, found again by their place in the window.

const GAP = 6; // pixels between pictures
const HEAD = 44; // pixels of a section's title
const WIDE = 116, NARROW = 84; // pixels of a picture, at least

export class Layout {
  constructor() {
    this.lines = [];
    this.height = 0;
  }

  // Sections: {pictures, named}; those that are named show their title alone.
  arrange(sections, width) {
    const least = width < 600 ? NARROW : WIDE;
    this.columns = Math.max(1, Math.floor((width + GAP) / (least + GAP)));
    this.size = Math.floor((width - GAP * (this.columns - 1)) / this.columns);
    this.lines = [];
    this.first = []; // of each section, its title's line
    let y = 4;
    sections.forEach((section, number) => {
      this.first.push(this.lines.length);
      this.lines.push({section: number, y, height: HEAD, title: true, start: 0, end: 0});
      y += HEAD;
      const count = section.named ? 0 : section.pictures.length;
      for (let start = 0; start < count; start += this.columns) {
        const end = Math.min(start + this.columns, count);
        this.lines.push({section: number, y, height: this.size, title: false, start, end});
        y += this.size + GAP;
      }
      y += section.named ? 0 : 10;
    });
    this.height = y + 40;
  }

  // The number of the first line that ends below a height.
  lineAt(y) {
    let low = 0, high = this.lines.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lines[middle].y + this.lines[middle].height < y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  left(column) {
    return column * (this.size + GAP);
  }

  // Where a picture lies: {x, y}; of a section that shows its title alone, the title.
  place(section, place) {
    const line = this.lines[this.first[section] + 1 + Math.floor(place / this.columns)];
    if (!line || line.section !== section || line.title) return {x: 0, y: this.lines[this.first[section]].y};
    return {x: this.left(place - line.start), y: line.y};
  }

  // All places that a box touches, [section, place] each.
  within(left, top, right, bottom) {
    const found = [];
    for (let number = this.lineAt(top); number < this.lines.length && this.lines[number].y < bottom; number++) {
      const line = this.lines[number];
      for (let place = line.start; !line.title && place < line.end; place++) {
        const x = this.left(place - line.start);
        if (x < right && x + this.size > left) found.push([line.section, place]);
      }
    }
    return found;
  }
}
