// What clients get while the origin or a tier is down; benches/day.sh builds what it needs and describes the settings.

import { fixed, number, report, table, words } from "./figures.mjs";
import { startRaw } from "./raw.mjs";
import { KINDS, spell } from "./spell.mjs";

const BAD = number("OUTAGE_SECONDS", 60);
const TIMELINE = {
  warm: BAD / 3,
  bad: BAD,
  after: BAD / 3,
  rate: number("RATE", 200),
  paths: number("PATHS", 300),
};

const CANDIDATES = {
  without: "benches/worker/build-bare-scenes",
  with: "benches/worker/build-layercake-scenes",
};

const COLUMNS = [
  ["requests", (r) => fixed(r.requests)],
  ["available %", (r) => fixed(r.availability, 2)],
  ["of known %", (r) => fixed(r.availability_known, 2)],
  ["stale %", (r) => fixed(r.stale, 1)],
  ["oldest s", (r) => fixed(r.oldest_s, 1)],
  ["p50 ms", (r) => fixed(r.p50_ms, 1)],
  ["p99 ms", (r) => fixed(r.p99_ms, 1)],
  ["origin/s", (r) => fixed(r.origin_rps, 1)],
  ["after, 5 s", (r) => fixed(r.origin_rps_early, 1)],
  ["half fresh s", (r) => reached(r.fresh_s?.half)],
  ["fresh s", (r) => reached(r.fresh_s?.most)],
];

const reached = (seconds) => (seconds === null ? `> ${fixed(TIMELINE.after)}` : fixed(seconds, 1));

const wanted = words("KINDS");
const kinds = KINDS.filter(({ name }) => !wanted.length || wanted.some((word) => name.includes(word)));
if (!kinds.length) throw new Error("no such kind");

console.log(
  `${TIMELINE.rate} requests/s over ${TIMELINE.paths} paths by Zipf's law: ${fixed(TIMELINE.warm, 1)} s all is well, ` +
    `${BAD} s of trouble (which the columns are about), ${fixed(TIMELINE.after, 1)} s after it.\n` +
    "known: asked for before the trouble began; stale: older than its lifetime of 5 s; origin/s: the origin's own count;\n" +
    "fresh: seconds after the origin's trouble until half, and nine tenths, of the answers were made after it",
);
const results = [];
for (const kind of kinds) {
  console.log(`\n${kind.name}`);
  // At the same time, each with its own stand-ins, and started anew: what disturbs one disturbs both.
  const pair = await Promise.all(
    Object.entries(CANDIDATES).map(async ([name, dir]) => {
      const raw = await startRaw({ dir });
      try {
        const died = raw.ended.then((error) => Promise.reject(new Error(`${name}: ${error.message}\n${raw.output()}`)));
        return [name, await Promise.race([spell(raw, kind, TIMELINE), died])];
      } finally {
        await raw.stop();
      }
    }),
  );
  const { with: cached, without } = Object.fromEntries(pair);
  const ratio = {
    unavailable: (100 - cached.availability) / (100 - without.availability),
    p50: cached.p50_ms / without.p50_ms,
    p99: cached.p99_ms / without.p99_ms,
    origin: cached.origin_rps / without.origin_rps,
  };
  table([["", ...COLUMNS.map(([head]) => head)], ...pair.map(([name, r]) => [name, ...COLUMNS.map(([, of]) => of(r))])]);
  const ratios = Object.entries(ratio).map(([name, value]) => `${name} ${Number.isFinite(value) ? fixed(value, 3) : "-"}`);
  console.log(`  with / without: ${ratios.join(", ")}`);
  for (const [name, { wrong, late_ms: late, false_fresh: lies }] of pair) {
    if (lies) console.log(`  ${name}: ${lies} answers say that they are fresh and are not`);
    const said = Object.entries(wrong).map(([what, times]) => `${what} (${times})`);
    if (said.length) console.log(`  ${name}: ${said.join(", ")}`);
    if (late > 100) console.log(`  ${name}: the client was up to ${fixed(late)} ms late`);
  }
  results.push({ name: kind.name, faults: kind.faults, ratio, ...Object.fromEntries(pair) });
}
report("outage", { ...TIMELINE, kinds: results });
process.exit(0);
