// What opens over the pictures: one picture by itself, the keys, the report.

const KEYS = [
  ["1 … 9", "name the row or the selection"],
  ["Enter", "as it is believed to be"],
  ["n", "another name, or a new one"],
  ["0", "unsure"],
  ["Delete", "junk"],
  ["arrows", "move; with Shift select"],
  ["j k", "next row, row before"],
  ["x", "take out of the row, or select"],
  ["a", "select the section; Esc nothing"],
  ["u, Ctrl Z", "undo, to the beginning"],
  ["U, Ctrl Y", "do it again"],
  ["Space", "look at the picture"],
  ["m", "more like this"],
  ["s", "split the row"],
  ["g", "cluster what is left anew"],
  ["d", "take the label away"],
  ["/", "search"],
  ["t", "report"],
  ["c b r w e l p v", "views"],
  ["o", "write labels.csv"],
];

export function make(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (name) element.className = name;
  return element;
}

function table(columns, rows) {
  const made = make("table"), head = made.createTHead().insertRow();
  columns.forEach((column) => head.append(make("th", column)));
  const body = made.createTBody();
  for (const row of rows) {
    const line = body.insertRow();
    row.forEach((cell) => line.append(make("td", cell)));
  }
  const scroll = make("div", "", "scroll");
  scroll.append(made);
  return scroll;
}

const percent = (share) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(1)}%`);

export function keysPanel() {
  const list = make("dl", "", "keys");
  for (const [key, said] of KEYS) {
    const line = make("div"), title = make("dt");
    key.split(", ").forEach((one) => title.append(make("kbd", one)));
    line.append(title, make("dd", said));
    list.append(line);
  }
  return [make("h2", "Keys"), list];
}

export function reportPanel(report) {
  const {counts, kinds, agreement, rounds} = report;
  const parts = [make("h2", "Report")];
  parts.push(make("p", `${counts.named.toLocaleString("en")} of ${counts.all.toLocaleString("en")} named, ${counts.unsure} unsure, ${counts.junk} junk.`));
  parts.push(make("h3", "Rounds"));
  parts.push(table(["round", "filters", "answers", "labels", "of the rest right", "checked", "run's test"], rounds.map((one) => [
    one.number, one.filters, one.answers, one.labels || "–",
    one.accuracy === null ? "–" : `${percent(one.accuracy)} (${percent(one.low)} to ${percent(one.high)})`, one.checked || "–", percent(one.test),
  ])));
  parts.push(make("h3", "Two persons"));
  const said = agreement === null ? "Nobody has answered a second time yet." : agreement.kappa === null
    ? `${agreement.pictures} answered twice, all of one kind.`
    : `${agreement.pictures} answered twice: ${percent(agreement.agreed)} the same, Cohen's kappa ${agreement.kappa.toFixed(2)} (${agreement.low.toFixed(2)} to ${agreement.high.toFixed(2)}).`;
  parts.push(make("p", said));
  parts.push(make("h3", "Kinds"));
  parts.push(table(["kind", "pictures"], Object.entries(kinds)));
  if (report.skipped.length) {
    parts.push(make("h3", "Left out"));
    report.skipped.forEach((line) => parts.push(make("p", line, "caption")));
  }
  return parts;
}

export function openPanel(dialog, parts) {
  dialog.firstElementChild.replaceChildren(...parts);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0; // the button below has the focus, and the beginning is to be read first
}

export function openZoom(dialog, picture, facts) {
  const image = dialog.querySelector("img"), text = [facts.path, facts.group, facts.label].filter(Boolean).join(" · ");
  image.src = `large/${picture}`;
  image.alt = facts.path;
  image.onload = () => image.classList.toggle("small", image.naturalWidth < 200);
  dialog.querySelector("p").textContent = text;
  if (!dialog.open) dialog.showModal();
}
