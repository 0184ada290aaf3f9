"""The HTML template and the style sheet of a self-contained page."""

PAGE_TEMPLATE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""

PAGE_STYLE = """\
:root {
  --ground: #f6f8f8; --paper: #ffffff; --ink: #1d2b34; --muted: #5b6b75; --rule: #dfe5e8;
  --ours: #13707a; --others: #b4c0c6; --tint: #e9f3f3; --code: #eef2f3;
  color-scheme: light dark;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #11181c; --paper: #182228; --ink: #e3eaed; --muted: #9aabb4; --rule: #2b3a42;
    --ours: #4fb3bd; --others: #4a5c66; --tint: #17323a; --code: #10191d;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  -webkit-text-size-adjust: 100%;
}
main { max-width: 62rem; margin: 0 auto; padding: clamp(1.5rem, 5vw, 4rem) clamp(1rem, 4vw, 2rem); }
header { margin-bottom: 2.5rem; }
header p { max-width: 42rem; margin: 0 0 .8rem; }
h1 { font-size: 1.15rem; font-weight: 600; color: var(--muted); margin: 0 0 1.2rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; font-weight: 650; line-height: 1.35; margin: 0 0 .9rem; overflow-wrap: anywhere; }
.headline {
  max-width: none; display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1.1rem; margin-bottom: 1.4rem;
}
.headline strong {
  font-size: clamp(3rem, 10vw, 5rem); line-height: 1; font-weight: 700; letter-spacing: -.035em;
  color: var(--ours); font-variant-numeric: tabular-nums;
}
.headline span { font-size: clamp(1.05rem, 2.4vw, 1.3rem); line-height: 1.4; flex: 1 1 18rem; max-width: 34rem; }
section, figure {
  background: var(--paper); border: 1px solid var(--rule); border-radius: 10px;
  padding: clamp(1rem, 3vw, 1.75rem); margin: 0 0 1.25rem;
}
.figures { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.25rem; margin-bottom: 1.25rem; }
.figures figure { margin: 0; }
.figures .wide { grid-column: 1 / -1; }
img { display: block; max-width: 100%; height: auto; margin: 0 auto; border-radius: 6px; background: #fff; }
.caption, figcaption { color: var(--muted); font-size: .9rem; line-height: 1.5; margin: .9rem 0 0; max-width: 46rem; }
dl { margin: 0; display: grid; gap: .85rem; }
.bar { display: grid; grid-template-columns: minmax(0, 21.5rem) minmax(0, 1fr); align-items: center; gap: 0 1rem; }
dt { line-height: 1.35; overflow-wrap: anywhere; }
dd { margin: 0; display: flex; align-items: center; padding-right: 4.2rem; }
dd i { display: block; flex: none; height: 1.15rem; min-width: 2px; border-radius: 3px; background: var(--others); }
dd b { flex: none; width: 4.2rem; margin-right: -4.2rem; padding-left: .6rem; font-weight: 500; white-space: nowrap; }
dd b, table { font-variant-numeric: tabular-nums; }
.ours dt, .ours dd b { font-weight: 650; }
.ours dd i { background: var(--ours); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .95rem; }
th, td { padding: .55rem .8rem; text-align: left; border-bottom: 1px solid var(--rule); vertical-align: baseline; }
th { color: var(--muted); font-weight: 500; font-size: .85rem; white-space: nowrap; }
td:first-child { min-width: 11rem; }
.right { text-align: right; white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
tr.ours td { background: var(--tint); font-weight: 600; }
.commands { list-style: none; margin: 0; padding: 0; }
.commands li + li { margin-top: 1.1rem; }
.commands p { margin: 0 0 .35rem; }
pre {
  margin: 0; padding: .75rem .9rem; background: var(--code); border-radius: 6px;
  white-space: pre-wrap; overflow-wrap: anywhere;
}
code { font: .88rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre code { user-select: all; -webkit-user-select: all; }
footer { color: var(--muted); font-size: .85rem; margin-top: 2rem; overflow-wrap: anywhere; }
@media (max-width: 44rem) {
  .figures { grid-template-columns: minmax(0, 1fr); }
  .bar { grid-template-columns: minmax(0, 1fr); gap: .2rem; }
}
@media (prefers-color-scheme: dark) { img { filter: brightness(.92); } }
@media print { body { background: #fff; } section, figure { break-inside: avoid; } }
"""
