// Candidates against each other: rounds in turn, CPU time and operations per request, a table and a report.
//
// A scenario: {name, what, reference, candidates, path, ...}. `path` is a text, or one for each candidate ({candidate: text}); {n} in it is the
// running number: `keys` says of how many, `unique` that none comes twice, both that each of so many is asked for once a cell.
//   length, status   what an answer has to have
//   seen             by candidate, what it must carry to count; `counted` by candidate, what the operations per request must have been
//   headers          of the requests
//   connections      in place of CONNECTIONS; `together`: they all send the same number at once, and the next when all have their answers
//   prepare          before each cell; `prepareAll` before the cells of a round, with all of them
//   needs            "standin" when it cannot be measured without
// A candidate: the directory of a built Worker or a JavaScript file, or {dir, vars}.

import { median, number, quantile, report, table, versions, words } from "./figures.mjs";
import { load, startRaw, startStandin, until } from "./raw.mjs";

const ROUNDS = number("ROUNDS", 5);
const SECONDS = number("SECONDS_PER_ROUND", 2);
const CONNECTIONS = number("CONNECTIONS", 8);
const WARM_UP_SECONDS = number("WARM_UP_SECONDS", 3);

/** The ordinary local runtime and its simulators in place of workerd alone and the stand-ins. */
const LOCAL = process.env.RUNTIME === "local";

/**
 * Fills `keys` variants of a path one after the other, and waits until what goes on behind the answers has ended; in the stand-in for `role` there
 * are so many entries then.
 */
export async function fill({ raw, path, keys, first, role, entries = keys }) {
  await raw.standin?.reset();
  await load({ port: raw.port, pid: raw.pid, path, connections: 4, requests: keys, first, seconds: 60 });
  if (!raw.standin) return;
  await until(async () => (await raw.standin.dump(role)).length >= entries, `${entries} entries in ${role}`);
}

// ---- one cell -----------------------------------------------------------------------------------------------------

/** What load and preparation of a cell need to know. `starts` has the next number that was never asked for. */
function cellOf(scenario, candidate, raw, starts) {
  const { keys, unique, path } = scenario;
  const first = unique ? (starts.get(candidate) ?? 0) : 0;
  return { raw, candidate, keys, first, path: path[candidate] ?? path };
}

async function measure(scenario, cell, seconds, starts) {
  const { length, status, keys, unique, seen, headers, together } = scenario;
  const { raw, candidate, path, first } = cell;
  await scenario.prepare?.(cell);
  await raw.standin?.resetCounters();
  const once = keys && unique;
  const connections = scenario.connections ?? CONNECTIONS;
  const result = await load({
    port: raw.port,
    pid: raw.pid,
    path,
    length,
    status,
    seconds: once ? 20 : seconds,
    requests: once ? keys : undefined,
    connections,
    together: together && "yes",
    expect: seen?.[candidate],
    header: headers,
    modulo: unique ? undefined : keys,
    first,
  });
  if (unique) starts.set(candidate, first + (once ? keys : result.requests + result.errors + connections));
  if (!raw.standin) return result;
  const { cache, kv, origin } = await raw.standin.counters();
  const per = (count) => Number(((count ?? 0) / Math.max(1, result.requests)).toFixed(3));
  result.operations = {
    l1_get: per(cache.get),
    l1_put: per(cache.put),
    kv_get: per((kv.get ?? 0) + (kv.bulk ?? 0)),
    kv_put: per(kv.put),
    origin: per(origin.requests),
  };
  for (const [name, wanted] of Object.entries(scenario.counted?.[candidate] ?? {})) {
    const was = result.operations[name];
    // What is still under way at either end of a cell blurs it.
    if (Math.abs(was - wanted) <= 0.05) continue;
    result.errors++;
    result.first_error ??= `${name} ${was} per request, not ${wanted}`;
  }
  return result;
}

// ---- figures ------------------------------------------------------------------------------------------------------

function summarise(rounds, reference) {
  const cpu = rounds.map((round) => round.cpu_us);
  const [low, high] = [Math.min(...cpu), Math.max(...cpu)];
  // Round by round: what disturbs a round disturbs both of its sides.
  const ratios = rounds.map((round, i) => round.cpu_us / reference[i].cpu_us);
  return {
    cpu_us: median(cpu),
    cpu_us_min: low,
    cpu_us_max: high,
    cpu_us_q1: quantile(cpu, 0.25),
    cpu_us_q3: quantile(cpu, 0.75),
    spread: (high - low) / median(cpu),
    ratio: median(ratios),
    ratio_q1: quantile(ratios, 0.25),
    ratio_q3: quantile(ratios, 0.75),
    p50_us: median(rounds.map((round) => round.p50_us)),
    p90_us: median(rounds.map((round) => round.p90_us)),
    p99_us: median(rounds.map((round) => round.p99_us)),
    rps: median(rounds.map((round) => round.rps)),
    requests: rounds.reduce((sum, round) => sum + round.requests, 0),
    errors: rounds.reduce((sum, round) => sum + round.errors, 0),
    first_error: rounds.find((round) => round.first_error)?.first_error ?? null,
    operations: rounds.at(-1).operations,
    rounds: cpu,
    ratios,
  };
}

const OPERATIONS = { l1_get: "L1 get", l1_put: "L1 put", kv_get: "KV get", kv_put: "KV put", origin: "origin" };

function print(scenario, results) {
  console.log(`\n${scenario.name}: ${scenario.what}`);
  // Those that anybody of the scenario makes.
  const operations = Object.keys(OPERATIONS).filter((name) => Object.values(results).some((r) => r.operations?.[name]));
  const cells = [["", "CPU us", "quartiles", `vs ${scenario.reference}`, "quartiles", "p50 us", "p99 us", "req/s", "errors"]];
  cells[0].push(...operations.map((name) => OPERATIONS[name]));
  for (const [name, r] of Object.entries(results)) {
    cells.push([
      name,
      r.cpu_us.toFixed(0),
      `${r.cpu_us_q1.toFixed(0)}-${r.cpu_us_q3.toFixed(0)}`,
      r.ratio.toFixed(2),
      `${r.ratio_q1.toFixed(2)}-${r.ratio_q3.toFixed(2)}`,
      r.p50_us.toFixed(0),
      r.p99_us.toFixed(0),
      r.rps.toFixed(0),
      String(r.errors),
      ...operations.map((name) => r.operations[name].toFixed(r.operations[name] % 1 ? 2 : 0)),
    ]);
  }
  table(cells);
}

// ---- run ----------------------------------------------------------------------------------------------------------

async function startWorkers(candidates, names) {
  const workers = new Map();
  const { startLocal } = LOCAL ? await import("./local.mjs") : {};
  for (const name of names) {
    const options = candidates[name].dir ? candidates[name] : { dir: candidates[name] };
    if (LOCAL) {
      workers.set(name, await startLocal(options));
      continue;
    }
    // Each has its own stores: keys by URL would collide.
    const standin = await startStandin();
    workers.set(name, { ...(await startRaw({ ...options, standin })), standin });
  }
  return workers;
}

/** Those that SCENARIOS and CANDIDATES name and that this runtime can do; the references are always among them. */
function planned(scenarios) {
  const wantedScenarios = words("SCENARIOS");
  const wantedCandidates = words("CANDIDATES");
  const wanted = scenarios.filter(({ name }) => !wantedScenarios.length || wantedScenarios.some((w) => name.includes(w)));
  const plan = wanted.filter(({ needs }) => !LOCAL || needs !== "standin");
  if (plan.length < wanted.length) {
    const names = wanted.filter((scenario) => !plan.includes(scenario)).map(({ name }) => name);
    console.log(`Left out, because they need the stand-ins: ${names.join(", ")}\n`);
  }
  if (!plan.length) throw new Error("no such scenario");
  return plan
    .map((scenario) => ({
      ...scenario,
      candidates: scenario.candidates.filter(
        (name) => !wantedCandidates.length || name === scenario.reference || wantedCandidates.includes(name),
      ),
    }))
    .filter((scenario) => scenario.candidates.length > 0);
}

/**
 * Measures all scenarios, or those that SCENARIOS and CANDIDATES name, and ends the process.
 *
 * @param {string} title of the report, target/TITLE.json (target/TITLE-local.json)
 */
export async function compare(title, candidates, scenarios) {
  const plan = planned(scenarios);
  const workers = await startWorkers(candidates, new Set(plan.flatMap((scenario) => scenario.candidates)));

  const measured = new Map(plan.map((scenario) => [scenario, new Map(scenario.candidates.map((name) => [name, []]))]));
  const starts = new Map();
  let failed = false;
  // Round 0 warms up: it lets the engine compile what is hot and is not counted.
  for (let round = 0; round <= ROUNDS; round++) {
    process.stderr.write(round ? `round ${round} of ${ROUNDS}\n` : "warm-up\n");
    for (const scenario of plan) {
      // Another order every round, so that no candidate always follows the same one.
      const turn = round % scenario.candidates.length;
      const order = [...scenario.candidates.slice(turn), ...scenario.candidates.slice(0, turn)];
      const cells = order.map((name) => cellOf(scenario, name, workers.get(name), starts));
      await scenario.prepareAll?.(cells);
      for (const cell of cells) {
        const result = await measure(scenario, cell, round ? SECONDS : WARM_UP_SECONDS, starts);
        const { candidate: name, raw } = cell;
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
    print(scenario, results);
    for (const [name, result] of Object.entries(results)) {
      if (!result.errors) continue;
      failed = true;
      console.log(`  ${name}: ${result.first_error}`);
    }
    figures.push({ name: scenario.name, what: scenario.what, reference: scenario.reference, results });
  }
  report(LOCAL ? `${title}-local` : title, {
    runtime: LOCAL ? "local" : "raw",
    versions: versions(),
    rounds: ROUNDS,
    seconds_per_round: SECONDS,
    connections: CONNECTIONS,
    scenarios: figures,
  });
  for (const worker of workers.values()) await worker.stop();
  process.exit(failed ? 1 : 0);
}
