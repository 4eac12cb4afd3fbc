// The benchmark itself; benches/run.sh builds what it needs and describes the settings.

import { median, number, report, table, words } from "./figures.mjs";
import { load, startRaw, startStandin, until } from "./raw.mjs";

const ROUNDS = number("ROUNDS", 5);
const SECONDS = number("SECONDS_PER_ROUND", 2);
const CONNECTIONS = number("CONNECTIONS", 8);
const WARM_UP_SECONDS = 2;

const CANDIDATES = {
  "js-hello": "benches/js/hello.mjs",
  "js-hand": "benches/js/hand.mjs",
  bare: "benches/worker/build-bare",
  hand: "benches/worker/build-hand",
  "hand-kv": "benches/worker/build-hand-kv",
  layercake: "benches/worker/build-layercake",
  "layercake-hot": "benches/worker/build-layercake-hot",
  "layercake-anonymous": "benches/worker/build-layercake-anonymous",
};

/** What an answer must carry to count: proof that the tier meant is the tier measured. */
const SEEN = {
  l1: {
    "js-hand": "x-cache: HIT",
    hand: "x-cache: HIT",
    layercake: "cache-status: detail=l1",
    // Now and then an entry of the hot tier ends and is taken from L1 again.
    "layercake-hot": "cache-status: layercake; hit",
  },
  l2: { "hand-kv": "x-cache: KV", layercake: "cache-status: detail=l2" },
  miss: { layercake: "cache-status: fwd=uri-miss", "layercake-anonymous": "cache-status: fwd=uri-miss" },
  bypass: { layercake: "cache-status: fwd=bypass" },
};

/** Fills `keys` variants of a path one after the other, and waits for the background writes. */
async function fill({ raw, path, keys, role }) {
  await raw.standin.reset();
  await load({ port: raw.port, path, connections: 4, requests: keys, seconds: 60 });
  await until(async () => (await raw.standin.dump(role)).length >= keys, `${keys} entries in ${role}`);
}

const SCENARIOS = [
  {
    name: "hello",
    what: "a plain route, no cache asked: the floor",
    reference: "bare",
    candidates: ["js-hello", "bare"],
    path: "/",
    length: 5,
  },
  {
    name: "bypass",
    what: "1 KB from the handler; the policy says bypass",
    reference: "bare",
    candidates: ["js-hand", "bare", "layercake"],
    path: "/bypass/1024",
    length: 1024,
    seen: SEEN.bypass,
  },
  {
    name: "l1 1KB",
    what: "hit in the Cache API (or in memory: layercake-hot)",
    reference: "hand",
    candidates: ["js-hand", "hand", "layercake", "layercake-hot"],
    path: "/item/1024?n={n}",
    length: 1024,
    keys: 64,
    seen: SEEN.l1,
    prepare: (cell) => fill({ ...cell, role: "cache" }),
  },
  {
    name: "l1 100KB",
    what: "the same with 100 KB",
    reference: "hand",
    candidates: ["js-hand", "hand", "layercake", "layercake-hot"],
    path: "/item/102400?n={n}",
    length: 102400,
    keys: 16,
    seen: SEEN.l1,
    prepare: (cell) => fill({ ...cell, role: "cache" }),
  },
  {
    name: "l2 1KB",
    what: "L1 finds nothing, hit in KV, written back to L1",
    reference: "hand-kv",
    candidates: ["hand-kv", "layercake"],
    path: "/item/1024?n={n}",
    length: 1024,
    keys: 512,
    seen: SEEN.l2,
    prepare: async (cell) => {
      await fill({ ...cell, role: "kv" });
      await cell.raw.standin.fault({ role: "cache", ops: ["get"], inert: true });
    },
  },
  {
    name: "miss 1KB",
    what: "nothing anywhere: 1 KB from the handler, stored (hand: L1; hand-kv and layercake: L1 and KV; -anonymous: masked)",
    reference: "hand-kv",
    candidates: ["js-hand", "hand", "hand-kv", "layercake", "layercake-anonymous"],
    path: "/item/1024?n={n}",
    length: 1024,
    unique: true,
    seen: SEEN.miss,
    prepare: (cell) => cell.raw.standin.reset(),
  },
];

// ---- one cell -----------------------------------------------------------------------------------------------------

const starts = new Map();

async function measure(scenario, candidate, raw, seconds) {
  const { path, length, keys, unique, seen, prepare } = scenario;
  await prepare?.({ raw, path, keys });
  await raw.standin.resetCounters();
  const first = unique ? (starts.get(candidate) ?? 0) : 0;
  const result = await load({
    port: raw.port,
    pid: raw.pid,
    path,
    length,
    seconds,
    connections: CONNECTIONS,
    expect: seen?.[candidate],
    modulo: keys,
    first,
  });
  if (unique) starts.set(candidate, first + result.requests + result.errors + CONNECTIONS);
  const { cache, kv } = await raw.standin.counters();
  const per = (count) => Number(((count ?? 0) / Math.max(1, result.requests)).toFixed(3));
  result.operations = {
    l1_get: per(cache.get),
    l1_put: per(cache.put),
    kv_get: per((kv.get ?? 0) + (kv.bulk ?? 0)),
    kv_put: per(kv.put),
  };
  return result;
}

// ---- figures ------------------------------------------------------------------------------------------------------

function summarise(rounds, reference) {
  const cpu = rounds.map((round) => round.cpu_us);
  const [low, high] = [Math.min(...cpu), Math.max(...cpu)];
  return {
    cpu_us: median(cpu),
    cpu_us_min: low,
    cpu_us_max: high,
    spread: (high - low) / median(cpu),
    // Of the ratios round by round: what disturbs a round disturbs both of its sides.
    ratio: median(rounds.map((round, i) => round.cpu_us / reference[i].cpu_us)),
    p50_us: median(rounds.map((round) => round.p50_us)),
    p99_us: median(rounds.map((round) => round.p99_us)),
    rps: median(rounds.map((round) => round.rps)),
    requests: rounds.reduce((sum, round) => sum + round.requests, 0),
    errors: rounds.reduce((sum, round) => sum + round.errors, 0),
    first_error: rounds.find((round) => round.first_error)?.first_error ?? null,
    operations: rounds.at(-1).operations,
    rounds: cpu,
  };
}

function print(scenario, results) {
  console.log(`\n${scenario.name}: ${scenario.what}`);
  const cells = [["", "CPU us", "spread", `vs ${scenario.reference}`, "p50 us", "p99 us", "req/s", "errors"]];
  for (const [name, r] of Object.entries(results)) {
    cells.push([
      name,
      r.cpu_us.toFixed(0),
      `${(r.spread * 100).toFixed(0)}%`,
      r.ratio.toFixed(2),
      r.p50_us.toFixed(0),
      r.p99_us.toFixed(0),
      r.rps.toFixed(0),
      String(r.errors),
    ]);
  }
  table(cells);
}

// ---- run ----------------------------------------------------------------------------------------------------------

const wantedScenarios = words("SCENARIOS");
const wantedCandidates = words("CANDIDATES");
const plan = SCENARIOS.filter(({ name }) => !wantedScenarios.length || wantedScenarios.some((w) => name.includes(w)))
  .map((scenario) => ({
    ...scenario,
    candidates: scenario.candidates.filter(
      (name) => !wantedCandidates.length || name === scenario.reference || wantedCandidates.includes(name),
    ),
  }))
  .filter((scenario) => scenario.candidates.length > 0);
if (!plan.length) throw new Error("no such scenario");

const workers = new Map();
for (const name of new Set(plan.flatMap((scenario) => scenario.candidates))) {
  // Each has its own stores: keys by URL would collide.
  const standin = await startStandin();
  const raw = await startRaw({ dir: CANDIDATES[name], standin });
  workers.set(name, { ...raw, standin });
}

const measured = new Map(plan.map((scenario) => [scenario, new Map(scenario.candidates.map((name) => [name, []]))]));
let failed = false;
// Round 0 warms up: it lets the engine compile what is hot and is not counted.
for (let round = 0; round <= ROUNDS; round++) {
  process.stderr.write(round ? `round ${round} of ${ROUNDS}\n` : "warm-up\n");
  for (const scenario of plan) {
    // Another order every round, so that no candidate always follows the same one.
    const turn = round % scenario.candidates.length;
    for (const name of [...scenario.candidates.slice(turn), ...scenario.candidates.slice(0, turn)]) {
      const raw = workers.get(name);
      const result = await measure(scenario, name, raw, round ? SECONDS : WARM_UP_SECONDS);
      if (!result.requests) throw new Error(`${scenario.name}, ${name}: ${result.first_error}\n${raw.output()}`);
      if (round) measured.get(scenario).get(name).push(result);
    }
  }
}

const scenarios = [];
console.log(
  `CPU time of workerd per request, median of ${ROUNDS} rounds of ${SECONDS} s, ${CONNECTIONS} connections;` +
    " compare within a scenario only",
);
for (const [scenario, byCandidate] of measured) {
  const reference = byCandidate.get(scenario.reference);
  const results = Object.fromEntries([...byCandidate].map(([name, rounds]) => [name, summarise(rounds, reference)]));
  print(scenario, results);
  for (const [name, result] of Object.entries(results)) {
    if (!result.errors) continue;
    failed = true;
    console.log(`  ${name}: ${result.first_error}`);
  }
  scenarios.push({ name: scenario.name, what: scenario.what, reference: scenario.reference, results });
}
report("bench", { rounds: ROUNDS, seconds_per_round: SECONDS, connections: CONNECTIONS, scenarios });
process.exit(failed ? 1 : 0);
