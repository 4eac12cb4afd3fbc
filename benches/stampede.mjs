// What a thousand requests at once do to the origin and to each other; benches/day.sh builds what it needs and describes
// the settings.

import { burst, delays, expire } from "./burst.mjs";
import { fixed, median, number, quantile, report, table, words } from "./figures.mjs";
import { startRaw } from "./raw.mjs";

const ROUNDS = number("ROUNDS", 3);
const SIZE = number("SIZE", 1000);
const FOLLOWER_ROUNDS = number("FOLLOWER_ROUNDS", 20);
const FOLLOWERS = 64;

/** Followers look again and again instead of being woken. */
const POLLING = { compatibilityFlags: ["no_handle_cross_request_promise_resolution"] };

const CANDIDATES = {
  bare: { dir: "benches/worker/build-bare-scenes" },
  "js-hand": { dir: "benches/js/hand.mjs" },
  layercake: { dir: "benches/worker/build-layercake-scenes" },
  "layercake-polling": { dir: "benches/worker/build-layercake-scenes", ...POLLING },
};

const KB = 1024;
const MB = 1024 * KB;

/** `first` is the leading part of the path: it selects the policy (benches/worker/src/cached.rs). */
const VARIANTS = [
  { name: "1 KB", first: "day", letters: KB },
  { name: "100 KB", first: "day", letters: 100 * KB },
  { name: "2 MB", first: "day", letters: 2 * MB, size: SIZE / 5 },
  { name: "not to be stored", first: "day", letters: KB, script: "header=cache-control:no-store" },
  { name: "503 from the origin", first: "day", letters: KB, script: "status=503", status: 503 },
  { name: "2 s at the origin", first: "day", letters: KB, delay: 2000 },
  { name: "stale-while-revalidate", first: "behind", letters: KB, prepare: expire },
  { name: "expired", first: "brief", letters: KB, prepare: expire },
];

const variantsWanted = (process.env.VARIANTS ?? "").split(",").filter(Boolean);

let next = 0;

async function fire(raw, { first, letters, delay = 100, script = "", status, prepare, size }) {
  // A cold key each time.
  const path = `/origin/${first}/${next++}?size=${letters}&delay=${delay}&${script}`;
  await raw.standin.reset();
  await prepare?.(raw, path);
  return burst(raw, { path, size, letters, status });
}

function summarise(rounds, size) {
  const took = rounds.flatMap(({ samples }) => samples.map(({ took_ms }) => took_ms));
  const per = rounds.map(({ origin_calls }) => (origin_calls * 1000) / size);
  return {
    origin_calls_per_1000: median(per),
    origin_calls_per_1000_max: Math.max(...per),
    p50_ms: quantile(took, 0.5),
    p99_ms: quantile(took, 0.99),
    last_ms: Math.max(...took),
    wrong: rounds.reduce((sum, { wrong }) => sum + wrong.length, 0),
    first_wrong: rounds.flatMap(({ wrong }) => wrong)[0]?.wrong ?? null,
    rounds: rounds.map(({ origin_calls, collapsed, stored }) => ({ origin_calls, collapsed, stored })),
  };
}

const wanted = words("CANDIDATES");
const workers = new Map();
for (const [name, options] of Object.entries(CANDIDATES)) {
  if (wanted.length && name !== "bare" && !wanted.includes(name)) continue;
  workers.set(name, await startRaw(options));
}
for (const raw of workers.values()) await fire(raw, { first: "day", letters: KB, size: SIZE / 10 });

let failed = false;
const variants = [];
console.log(`${SIZE} requests at once for one path (2 MB: ${SIZE / 5}); origin calls are the origin's own count, per 1,000`);
for (const variant of VARIANTS) {
  if (variantsWanted.length && !variantsWanted.includes(variant.name)) continue;
  const size = variant.size ?? SIZE;
  const results = {};
  console.log(`\n${variant.name}`);
  const rows = [["", "origin calls", "at most", "p50 ms", "p99 ms", "last ms", "wrong"]];
  for (const [name, raw] of workers) {
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await fire(raw, { ...variant, size }));
    const r = summarise(rounds, size);
    results[name] = r;
    const calls = [r.origin_calls_per_1000, r.origin_calls_per_1000_max].map((n) => fixed(n));
    const times = [r.p50_ms, r.p99_ms, r.last_ms].map((ms) => fixed(ms));
    rows.push([name, ...calls, ...times, String(r.wrong)]);
  }
  table(rows);
  for (const [name, { first_wrong: wrong }] of Object.entries(results)) {
    if (wrong === null) continue;
    failed = true;
    console.log(`  ${name}: ${wrong}\n${workers.get(name).output().slice(-2000)}`);
  }
  variants.push({ name: variant.name, size, results });
}

const followers = [];
console.log(`\n${FOLLOWERS} at once: how much later than the leader's a follower's answer ends, ms`);
for (const letters of [KB, 100 * KB]) {
  const rows = [[`${letters / KB} KB`, "median", "p90", "p99", "origin calls"]];
  const results = {};
  for (const [name, raw] of workers) {
    const rounds = [];
    for (let round = 0; round < FOLLOWER_ROUNDS; round++) {
      rounds.push(await fire(raw, { first: "day", letters, size: FOLLOWERS }));
    }
    const later = rounds.flatMap(({ samples }) => delays(samples));
    const r = {
      median_ms: median(later),
      p90_ms: quantile(later, 0.9),
      p99_ms: quantile(later, 0.99),
      origin_calls: median(rounds.map(({ origin_calls }) => origin_calls)),
    };
    results[name] = r;
    rows.push([name, ...[r.median_ms, r.p90_ms, r.p99_ms].map((ms) => fixed(ms, 1)), fixed(r.origin_calls)]);
  }
  table(rows);
  followers.push({ letters, results });
}

report("stampede", { size: SIZE, rounds: ROUNDS, variants, followers: { at_once: FOLLOWERS, sizes: followers } });
process.exit(failed ? 1 : 0);
