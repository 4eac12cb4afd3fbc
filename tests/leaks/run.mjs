// node tests/leaks/run.mjs [--cache NAME,...|all] [--only B6,case]... [--json FILE] [--list] [--jobs N] [--settle MS]
//                          [--proxy http://127.0.0.1:PORT --origin-port N [--between URL]]
// Proves of a cache that nobody ever gets another's answer, from outside: this program is the origin and its users. Without
// --proxy it starts the caches named (default: layercake's own); with it, it measures the one there, which must pass requests
// on to 127.0.0.1:N, with their paths and Host as they are, and should have been told to keep everything for a minute.
// --between is POSTed to after each fill, to empty the cache's first tier.
//
// Exit status: 0 when every must-level case passed, 1 when one failed, 2 when nothing could be measured.
import { readdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { caches } from "./caches.mjs";
import { exchange } from "./client.mjs";
import { Origin } from "./origin.mjs";
import { leaks, printFailures, printTable, score } from "./report.mjs";
import { Leak, Refused, Trial } from "./trial.mjs";

const { values: options } = parseArgs({
  options: {
    cache: { type: "string", default: "" },
    only: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
    list: { type: "boolean", default: false },
    jobs: { type: "string", default: "12" },
    settle: { type: "string", default: "150" },
    proxy: { type: "string" },
    "origin-port": { type: "string", default: "0" },
    between: { type: "string" },
  },
});

async function allCases() {
  const dir = path.join(import.meta.dirname, "cases");
  const files = (await readdir(dir)).filter((name) => name.endsWith(".mjs"));
  const cases = (await Promise.all(files.map((name) => import(path.join(dir, name))))).flatMap(
    (module) => module.default,
  );
  const twice = cases.find(({ name }, i) => cases.findIndex((other) => other.name === name) !== i);
  if (twice) throw new Error(`two cases are called ${twice.name}`);
  const odd = cases.find(({ name }) => !/^[a-z0-9.-]+$/.test(name));
  if (odd) throw new Error(`the name ${odd.name} does not fit into a URL`);
  const number = ({ point }) => Number(point.slice(1)) + (point[0] === "A" ? -100 : 0) || 100;
  return cases.sort((a, b) => number(a) - number(b));
}

function selected(cases) {
  const wanted = options.only.flatMap((list) => list.split(",")).filter(Boolean);
  const unknown = wanted.filter((one) => !cases.some(({ name, point }) => name === one || point === one));
  if (unknown.length) throw new Error(`no such point or case: ${unknown.join(", ")}`);
  return cases.filter(({ name, point }) => !wanted.length || wanted.includes(name) || wanted.includes(point));
}

function chosen() {
  if (options.proxy) {
    const between = options.between && (() => exchange(options.between, post(new URL(options.between))));
    const base = options.proxy.replace(/\/$/, "");
    return [["the cache", { start: async () => ({ base, between, stop() {} }) }]];
  }
  const all = Object.entries(caches);
  if (options.cache === "all") return all.filter(([, { apart }]) => !apart);
  const names = options.cache.split(",").filter(Boolean);
  const unknown = names.find((name) => !caches[name]);
  if (unknown) throw new Error(`no cache is called ${unknown}; there are ${Object.keys(caches).join(", ")}`);
  return all.filter(([name, { ours }]) => (names.length ? names.includes(name) : ours));
}

const post = ({ pathname, search }) => ({ who: "the suite", method: "POST", path: pathname + search, body: "" });

/** Waits until an answer of the origin comes through. */
async function ready(base, origin) {
  const name = `~ready-${process.pid}~`;
  origin.script(name, { headers: { "cache-control": "no-store" } });
  let last;
  for (const end = Date.now() + 20_000; Date.now() < end; await sleep(50)) {
    last = await exchange(base, { who: "the suite", path: `/${name}` });
    if (last.marks.length) return;
  }
  throw new Error(`${base} does not pass on what 127.0.0.1:${origin.port} says: ${last}`);
}

/** `{ passed, why }` of one case; `attempt` keeps the targets of two attempts apart. */
async function attempt({ name, run }, context, attempt) {
  const trial = new Trial(context, `${process.pid.toString(36)}${Date.now().toString(36)}.${attempt}.${name}`);
  try {
    await run(trial);
    return { passed: true };
  } catch (error) {
    if (error instanceof Refused) return { passed: true };
    return { passed: false, why: error instanceof Leak ? error.message : `the case itself failed: ${error.stack}` };
  }
}

/** Runs `work` on all items, so many at a time, results in order. */
async function pool(items, jobs, work) {
  const results = [];
  const rest = items.entries();
  const worker = async () => {
    for (const [i, item] of rest) results[i] = await work(item);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return results;
}

/** Every case once. A leak is a leak; what was only not reused gets a second chance, with more patience. */
async function measure(cases, context) {
  return pool(cases, Number(options.jobs), async (one) => {
    let result = await attempt(one, context, 1);
    if (!result.passed && one.level === "reuse") {
      result = { ...(await attempt(one, { ...context, settle: context.settle * 4 }, 2)), late: true };
    }
    const { point, level, name, source, says } = one;
    return { point, level, name, source, says, ...result };
  });
}

async function main() {
  const cases = selected(await allCases());
  if (options.list) {
    for (const { point, level, name, source, says } of cases) {
      console.log(`${point.padEnd(5)} ${level.padEnd(6)} ${name}: ${says} [${source}]`);
    }
    return 0;
  }
  const begun = performance.now();
  const subjects = chosen();
  for (const { build } of new Set(subjects.map(([, subject]) => subject))) build?.();
  const all = {};
  for (const [name, subject] of subjects) {
    const origin = await Origin.start(Number(options["origin-port"]));
    let cache;
    try {
      cache = await subject.start(origin.port);
      await ready(cache.base, origin);
      all[name] = await measure(cases, { ...cache, origin, settle: Number(options.settle) });
      await cache.check?.(score(all[name]).reuse.passed);
    } finally {
      await cache?.stop();
      origin.stop();
    }
    printFailures(name, all[name]);
  }
  const scores = Object.fromEntries(Object.entries(all).map(([name, results]) => [name, score(results)]));
  printTable(scores);
  console.log(`\n${cases.length} cases each, ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  if (options.json) {
    const file = Object.entries(all).map(([name, results]) => ({ cache: name, score: scores[name], results }));
    await writeFile(options.json, `${JSON.stringify(file, null, 2)}\n`);
  }
  const ours = subjects.filter(([, { ours }]) => ours || options.proxy).map(([name]) => name);
  const judged = ours.length ? ours : Object.keys(all);
  return judged.some((name) => leaks(all[name]).length) ? 1 : 0;
}

process.exit(
  await main().catch((error) => {
    console.error(`leaks: ${error.message}`);
    return 2;
  }),
);
