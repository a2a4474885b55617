"""The report's look: one style sheet for screen (light and dark) and paper.

No font, image or script is fetched. Text is set in the system's own sans-serif face, numbers in
digits of one width; figures sit on a white card because their colours were chosen for white.
"""

from __future__ import annotations

CSS = """
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #d8dee4; --shade: #f6f8fa;
  --accent: #0b5c92; --best: #e7f1f8; --card: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --ink: #e6e9ec; --soft: #9aa4ae; --line: #303840; --shade: #1a2027;
    --accent: #7cc0ee; --best: #17334a; --card: #ffffff;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 3rem 1.5rem 4rem; max-width: 66rem; background: var(--paper); color:
    var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans",
    sans-serif;
  font-variant-numeric: tabular-nums lining-nums;
}
header { border-bottom: 3px solid var(--accent); padding-bottom: 1.25rem; margin-bottom: 2rem; }
h1 {
  font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.015em; margin: 0 0 .4rem; text-wrap:
    balance;
}
h2 { font-size: 1.2rem; line-height: 1.3; margin: 3rem 0 1rem; letter-spacing: -0.005em; }
h3 { font-size: 1rem; margin: 1.75rem 0 .5rem; }
p, ul.notes { max-width: 44rem; margin: .5rem 0; }
.made, .about { color: var(--soft); font-size: .9rem; margin: 0; }
ul.notes { padding-left: 1.1rem; }
ul.notes li { margin: .25rem 0; }
a { color: var(--accent); }
.scroll { overflow-x: auto; margin: 0 0 2.25rem; }
.scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; }
table {
  border-collapse: collapse; font-size: .92rem; line-height: 1.4; min-width: min(100%, 26rem);
}
caption {
  caption-side: top; text-align: left; font-weight: 600; padding: 0 0 .6rem;
  max-width: min(44rem, calc(100vw - 3rem)); text-wrap: pretty;
}
th, td { padding: .42rem .7rem; text-align: left; vertical-align: baseline; }
th:first-child, td:first-child { padding-left: .25rem; }
th:last-child, td:last-child { padding-right: .25rem; }
thead th {
  border-bottom: 1.5px solid var(--ink); font-weight: 600; vertical-align: bottom; line-height:
    1.25;
}
tbody th { font-weight: 500; white-space: nowrap; }
tbody tr { border-bottom: 1px solid var(--line); }
tbody tr:last-child { border-bottom: 1.5px solid var(--ink); }
.number { text-align: right; }
td.number { white-space: nowrap; }
pre span { white-space: nowrap; }
.unit { display: block; font-weight: 400; color: var(--soft); white-space: nowrap; }
.best { background: var(--best); font-weight: 700; }
.key { color: var(--soft); font-size: .85rem; margin: .5rem 0 0; }
.key .best { padding: .05rem .4rem; border-radius: 3px; color: var(--ink); }
figure { margin: 0 0 2.5rem; }
figure img {
  display: block; max-width: 100%; height: auto; background: var(--card); border: 1px solid
    var(--line);
  border-radius: 6px; padding: .75rem;
}
figcaption { color: var(--soft); font-size: .92rem; margin-top: .6rem; max-width: 48rem; }
figcaption b { color: var(--ink); }
pre {
  background: var(--shade); border: 1px solid var(--line); border-radius: 6px; padding: .8rem
    1rem; margin: .75rem 0;
  overflow-x: auto; white-space: pre-wrap;
  font: .88rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
.facts { columns: 24rem 2; column-gap: 2.5rem; }
.facts .scroll { break-inside: avoid; margin-bottom: 1.5rem; }
.facts table { width: 100%; font-size: .88rem; }
.facts tbody tr:last-child { border-bottom: 1px solid var(--line); }
.facts th { font-weight: 400; color: var(--soft); width: 45%; }
.facts td { overflow-wrap: anywhere; }
.unseen {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap;
}
@media (max-width: 40rem) { body { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.5rem; } }
@media print {
  :root {
    --paper: #ffffff; --ink: #000000; --soft: #444444; --line: #cccccc; --shade: #f6f6f6;
    --accent: #0b5c92;
    --best: #e7f1f8;
  }
  body { max-width: none; padding: 0; font-size: 10pt; print-color-adjust: exact; }
  .scroll { overflow: visible; }
  figure, tr, pre { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; }
  figure img { border: 0; padding: 0; }
}
@page { margin: 18mm 16mm; }
"""
