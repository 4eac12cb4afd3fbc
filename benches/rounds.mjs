// Candidates against each other on raw workerd: rounds in turn, CPU time and operations per request, a table and a report.
//
// A scenario: {name, what, reference, candidates, path, length, keys, unique, seen, prepare}. `path` is a text, or one for each candidate
// ({candidate: text}); {n} in it is the running number, of `keys` or `unique`. `seen` has what an answer must carry to count, by candidate.
// A candidate: the directory of a built Worker, or {dir, vars}.

import { median, number, report, table, words } from "./figures.mjs";
import { load, startRaw, startStandin, until } from "./raw.mjs";

const ROUNDS = number("ROUNDS", 5);
const SECONDS = number("SECONDS_PER_ROUND", 2);
const CONNECTIONS = number("CONNECTIONS", 8);
const WARM_UP_SECONDS = 2;

/** Fills `keys` variants of a path one after the other, and waits for the background writes of so many entries. */
export async function fill({ raw, path, keys, role, entries = keys }) {
  await raw.standin.reset();
  await load({ port: raw.port, path, connections: 4, requests: keys, seconds: 60 });
  await until(async () => (await raw.standin.dump(role)).length >= entries, `${entries} entries in ${role}`);
}

// ---- one cell -----------------------------------------------------------------------------------------------------

const starts = new Map();

async function measure(scenario, candidate, raw, seconds) {
  const { length, keys, unique, seen, prepare } = scenario;
  const path = scenario.path[candidate] ?? scenario.path;
  await prepare?.({ raw, candidate, path, keys });
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

function print(scenario, results, operations) {
  console.log(`\n${scenario.name}: ${scenario.what}`);
  const cells = [["", "CPU us", "spread", `vs ${scenario.reference}`, "p50 us", "p99 us", "req/s", "errors"]];
  if (operations) cells[0].push("L1 get", "L1 put", "KV get", "KV put");
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
      ...(operations ? Object.values(r.operations).map((count) => count.toFixed(count % 1 ? 2 : 0)) : []),
    ]);
  }
  table(cells);
}

// ---- run ----------------------------------------------------------------------------------------------------------

/**
 * Measures all scenarios, or those that SCENARIOS and CANDIDATES name, and ends the process.
 *
 * @param {string} title of the report, target/TITLE.json
 * @param {{operations?: boolean}} [options] whether the operations of the stores are printed
 */
export async function compare(title, candidates, scenarios, { operations = false } = {}) {
  const wantedScenarios = words("SCENARIOS");
  const wantedCandidates = words("CANDIDATES");
  const plan = scenarios.filter(({ name }) => !wantedScenarios.length || wantedScenarios.some((w) => name.includes(w)))
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
    const raw = await startRaw({ ...(candidates[name].dir ? candidates[name] : { dir: candidates[name] }), standin });
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

  const figures = [];
  console.log(
    `CPU time of workerd per request, median of ${ROUNDS} rounds of ${SECONDS} s, ${CONNECTIONS} connections;` +
      " compare within a scenario only",
  );
  for (const [scenario, byCandidate] of measured) {
    const reference = byCandidate.get(scenario.reference);
    const results = Object.fromEntries([...byCandidate].map(([name, rounds]) => [name, summarise(rounds, reference)]));
    print(scenario, results, operations);
    for (const [name, result] of Object.entries(results)) {
      if (!result.errors) continue;
      failed = true;
      console.log(`  ${name}: ${result.first_error}`);
    }
    figures.push({ name: scenario.name, what: scenario.what, reference: scenario.reference, results });
  }
  report(title, { rounds: ROUNDS, seconds_per_round: SECONDS, connections: CONNECTIONS, scenarios: figures });
  process.exit(failed ? 1 : 0);
}
