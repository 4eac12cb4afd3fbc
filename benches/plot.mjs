// target/NAME.svg of target/NAME.json: for each scenario a bar per candidate, CPU time per request, with whiskers from the first to the third
// quartile of the rounds. Each scenario has its own scale: compare within one only.
//
//   node benches/plot.mjs bench

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ROOT } from "./raw.mjs";

const WIDTH = 860;
const MARGIN = 20;
/** Where the bars begin and end, and where what they stand for is written. */
const LEFT = 190;
const RIGHT = 610;
const FIGURE = 690;
const RATIO = 750;
const SPREAD = 840;
const ROW = 21;
const BAR = 13;
const HEADING = 42;
const GAP = 14;

/** One colour for each family of candidates; readable on light and on dark. */
const FAMILIES = [
  ["layercake", /^layercake/, "#d9622b"],
  ["by hand", /hand/, "#3f83c4"],
  ["other caches", /^(hono|unkey)$/, "#8a63c9"],
  ["no cache", /./, "#7d8790"],
];
const colour = (name) => FAMILIES.find(([, pattern]) => pattern.test(name))[2];

const STYLE = `
  text { font: 12px ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; fill: #24292f; }
  .paper { fill: #ffffff; } .title { font-size: 16px; font-weight: 600; } .name { font-weight: 600; font-size: 13px; }
  .faint { fill: #57606a; font-size: 11px; } .end { text-anchor: end; } .rule { stroke: #d0d7de; } .whisker { stroke: #24292f; fill: none; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .paper { fill: #0d1117; } .faint { fill: #9198a1; } .rule { stroke: #3d444d; } .whisker { stroke: #e6edf3; }
  }`;

const escape = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const text = (x, y, what, kind = "") => `<text x="${x}" y="${y}" class="${kind}">${escape(what)}</text>`;
const at = (n) => n.toFixed(1);
const micro = (us) => (us >= 10_000 ? `${(us / 1000).toFixed(1)} ms` : `${us.toFixed(0)} us`);

/** What fits into a line under a heading. */
const short = (what, letters = 130) => (what.length <= letters ? what : `${what.slice(0, what.lastIndexOf(" ", letters))} ...`);

function bars(rows, top) {
  const most = Math.max(...rows.map(({ high }) => high));
  const x = (value) => LEFT + (value / most) * (RIGHT - LEFT);
  return rows.flatMap(({ name, value, low, high, figure, ratio, spread = "" }, i) => {
    const y = top + i * ROW;
    const middle = y + BAR / 2;
    const [from, to] = [x(low), x(high)];
    return [
      text(LEFT - 8, y + 11, name, "end"),
      `<rect x="${LEFT}" y="${y}" width="${at(x(value) - LEFT)}" height="${BAR}" rx="2" fill="${colour(name)}"/>`,
      `<path class="whisker" d="M${at(from)} ${middle}H${at(to)}M${at(from)} ${middle - 3}v6M${at(to)} ${middle - 3}v6"/>`,
      text(FIGURE, y + 11, figure, "end"),
      text(RATIO, y + 11, ratio, "end"),
      text(SPREAD, y + 11, spread, "faint end"),
    ];
  });
}

/** `[{heading, what, rows}]` of a report. */
function groups({ scenarios = [], startup }) {
  const measured = scenarios.map(({ name, what, reference, results }) => ({
    heading: name,
    what,
    against: `vs ${reference}`,
    rows: Object.entries(results).map(([candidate, r]) => ({
      name: candidate,
      value: r.cpu_us,
      low: r.cpu_us_q1,
      high: Math.max(r.cpu_us_q3, r.cpu_us),
      figure: micro(r.cpu_us),
      ratio: r.ratio.toFixed(2),
      spread: candidate === reference ? "" : `${r.ratio_q1.toFixed(2)} to ${r.ratio_q3.toFixed(2)}`,
    })),
  }));
  if (!startup) return measured;
  const quartile = (starts, q) => starts.map(({ cpu_ms: ms }) => ms).sort((a, b) => a - b)[Math.floor(starts.length * q)];
  const rows = Object.entries(startup).map(([name, { cpu_ms: value, starts }]) => ({
    name,
    value,
    low: quartile(starts, 0.25),
    high: Math.max(value, quartile(starts, 0.75)),
    figure: `${value.toFixed(1)} ms`,
    ratio: (value / startup.bare.cpu_ms).toFixed(2),
  }));
  return [...measured, { heading: "start-up", what: "CPU time of the first request of a fresh isolate, a miss", against: "vs bare", rows }];
}

function plot(report) {
  const parts = [];
  let y = 34;
  parts.push(text(MARGIN, y, "CPU time of workerd per request", "title"));
  const { workerd, layercake } = report.versions ?? {};
  const how = report.runtime === "local" ? "ordinary local runtime, with its simulators" : "raw workerd, native stand-ins for Cache API and KV";
  y += 20;
  parts.push(text(MARGIN, y, `${how}; workerd ${workerd}, layercake ${layercake}; ${report.cpu}; ${report.date.slice(0, 10)}`, "faint"));
  y += 16;
  const whiskers = `median and quartiles of ${report.rounds} rounds; shorter is better; each scenario has its own scale`;
  parts.push(text(MARGIN, y, whiskers, "faint"));
  y += 22;
  let x = MARGIN;
  for (const [name, , fill] of FAMILIES) {
    parts.push(`<rect x="${x}" y="${y - 10}" width="11" height="11" rx="2" fill="${fill}"/>`, text(x + 17, y, name));
    x += 120;
  }
  y += 14;
  for (const { heading, what, against, rows } of groups(report)) {
    parts.push(`<path class="rule" d="M${MARGIN} ${y}H${WIDTH - MARGIN}"/>`);
    parts.push(text(MARGIN, y + 18, heading, "name"), text(SPREAD, y + 18, against, "faint end"));
    parts.push(text(MARGIN, y + 33, short(what), "faint"));
    y += HEADING;
    parts.push(...bars(rows, y));
    y += rows.length * ROW + GAP;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img">`,
    `<title>CPU time of workerd per request</title><style>${STYLE}</style><rect class="paper" width="100%" height="100%"/>`,
    ...parts,
    "</svg>\n",
  ].join("\n");
}

const name = process.argv[2] ?? "bench";
const report = JSON.parse(readFileSync(join(ROOT, `target/${name}.json`), "utf8"));
writeFileSync(join(ROOT, `target/${name}.svg`), plot(report));
console.log(`\ntarget/${name}.json, target/${name}.svg`);
