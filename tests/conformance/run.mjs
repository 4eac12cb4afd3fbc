// node tests/conformance/run.mjs [--only A6,case-id]... [--json FILE] [--list]
//                                [--proxy http://127.0.0.1:PORT --origin-port N] [--settle MS] [--jobs N]
// Measures a caching proxy against the law of HTTP caching (RFC 9110, 9111, 5861, 9211, 9213), from outside: this
// program is the origin and the client. Without --proxy it starts examples/proxy on the local Workers runtime; with it,
// it measures the proxy there, which must forward to 127.0.0.1:N, paths as they are.
//
// Exit status: 0 when every must-level case passed, 1 when one failed, 2 when nothing could be measured.
import { execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { disconnect, exchange } from "./client.mjs";
import { Origin } from "./origin.mjs";
import { Broken, Trial } from "./trial.mjs";

const root = path.resolve(import.meta.dirname, "../..");
const LEVELS = ["must", "should", "may"];

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    json: { type: "string" },
    list: { type: "boolean", default: false },
    proxy: { type: "string" },
    "origin-port": { type: "string", default: "0" },
    settle: { type: "string", default: "120" },
    jobs: { type: "string", default: "16" },
  },
});

async function allCases() {
  const dir = path.join(import.meta.dirname, "cases");
  const files = (await readdir(dir)).filter((name) => name.endsWith(".mjs"));
  const cases = (await Promise.all(files.map((name) => import(path.join(dir, name))))).flatMap(
    (module) => module.default,
  );
  const ids = new Set(cases.map(({ id }) => id));
  if (ids.size !== cases.length) {
    const twice = cases.find(({ id }, i) => cases.findIndex((other) => other.id === id) !== i);
    throw new Error(`two cases are called ${twice.id}`);
  }
  const chapter = (one) => Number(one.chapter.slice(1));
  return cases.sort((a, b) => chapter(a) - chapter(b));
}

/** The cases to run; `foreign` ones only where this repository's runtime is not in the way. */
function selected(cases) {
  const wanted = options.only.flatMap((list) => list.split(",")).filter(Boolean);
  const unknown = wanted.filter((name) => !cases.some(({ id, chapter }) => id === name || chapter === name));
  if (unknown.length) throw new Error(`no such chapter or case: ${unknown.join(", ")}`);
  return cases.filter(
    ({ id, chapter, foreign }) =>
      (options.proxy || !foreign) && (!wanted.length || wanted.includes(id) || wanted.includes(chapter)),
  );
}

async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** examples/proxy on the local runtime. */
async function startProxy(originPort) {
  if (!existsSync(path.join(root, "examples/proxy/build/index.js"))) {
    execFileSync(path.join(root, "tools/build-worker.sh"), ["examples/proxy"], { stdio: "inherit" });
  }
  const port = await freePort();
  const vars = [`ORIGIN=http://127.0.0.1:${originPort}`, "PRESET=rfc9111"].flatMap((pair) => ["--var", pair]);
  const child = spawn(process.execPath, ["tools/serve.mjs", "examples/proxy", "--port", String(port), ...vars], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const proxy = { base: `http://127.0.0.1:${port}`, child, log: "" };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (proxy.log += chunk));
  proxy.ended = new Promise((resolve) => child.once("exit", resolve));
  return proxy;
}

async function stopProxy({ child, ended }) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const patience = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await ended;
  clearTimeout(patience);
}

/** Waits until an answer of the origin comes through the proxy. */
async function ready(base, origin, proxy) {
  const token = `/ready-${process.pid}`;
  origin.script(token, [{ headers: { "cache-control": "no-store" }, body: token }]);
  let last;
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(100)) {
    if (proxy && proxy.child.exitCode !== null) throw new Error(`the proxy ended:\n${proxy.log}`);
    try {
      const answer = await exchange(base + token);
      if (answer.text === token) return;
      last = `status ${answer.status}`;
    } catch (error) {
      last = error.message;
    }
  }
  throw new Error(`${base} does not pass on what 127.0.0.1:${origin.port} says: ${last}\n${proxy?.log ?? ""}`);
}

/** `{ passed, why }` of one case; `attempt` keeps the URLs of two attempts apart. */
async function attempt(one, context, attempt) {
  const trial = new Trial(context, `/${process.pid}-${Date.now().toString(36)}/${attempt}/${one.id}`);
  try {
    await one.run(trial);
    return { passed: true };
  } catch (error) {
    const why = error instanceof Broken ? error.message : `the case itself failed: ${error.stack ?? error}`;
    return { passed: false, why };
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

/** Everything once; what failed once more, fewer at a time and with more patience: a busy machine is no verdict. */
async function measure(cases, context) {
  const jobs = Number(options.jobs);
  const first = await pool(cases, jobs, (one) => attempt(one, context, 1));
  const failed = cases.filter((_, i) => !first[i].passed);
  const patient = { ...context, settle: context.settle * 3 };
  const second = await pool(failed, Math.ceil(jobs / 2), (one) => attempt(one, patient, 2));
  return cases.map((one, i) => {
    const again = failed.indexOf(one);
    const { chapter, level, id, law, says } = one;
    if (again < 0) return { chapter, level, id, law, says, passed: true, attempts: 1 };
    return { chapter, level, id, law, says, ...second[again], attempts: 2 };
  });
}

function score(results) {
  const count = (list) => ({ passed: list.filter(({ passed }) => passed).length, total: list.length });
  return {
    all: count(results),
    ...Object.fromEntries(LEVELS.map((l) => [l, count(results.filter(({ level }) => level === l))])),
  };
}

function table(rows) {
  const cell = ({ passed, total }) => (total ? `${passed}/${total}` : "");
  const line = (cells) =>
    cells
      .map((text, i) => (i ? text.padStart(10) : text.padEnd(8)))
      .join("")
      .trimEnd();
  console.log(line(["", "all", ...LEVELS]));
  for (const [name, sums] of rows) console.log(line([name, ...["all", ...LEVELS].map((key) => cell(sums[key]))]));
}

function report(results, seconds) {
  for (const { chapter, level, id, law, says, why } of results.filter(({ passed }) => !passed)) {
    console.log(`${chapter} ${level.padEnd(6)} ${id}: ${says} (${law})\n    ${why}`);
  }
  const shaky = results.filter(({ passed, attempts }) => passed && attempts > 1).map(({ id }) => id);
  if (shaky.length) console.log(`\nOnly at the second attempt: ${shaky.join(", ")}`);
  const chapters = [...new Set(results.map(({ chapter }) => chapter))];
  console.log("\nScore per chapter");
  table([
    ...chapters.map((name) => [name, score(results.filter(({ chapter }) => chapter === name))]),
    ["total", score(results)],
  ]);
  console.log(`\n${results.length} cases in ${seconds.toFixed(1)} s`);
}

async function main() {
  const cases = selected(await allCases());
  if (options.list) {
    for (const { chapter, level, id, law, says } of cases)
      console.log(`${chapter} ${level.padEnd(6)} ${id}: ${says} (${law})`);
    return 0;
  }
  const origin = await Origin.start(Number(options["origin-port"]));
  let proxy;
  const stopped = new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
  });
  try {
    if (!options.proxy) proxy = await startProxy(origin.port);
    const base = options.proxy?.replace(/\/$/, "") ?? proxy.base;
    const started = performance.now();
    const measured = ready(base, origin, proxy).then(() =>
      measure(cases, { base, origin, settle: Number(options.settle) }),
    );
    const results = await Promise.race([measured, stopped]);
    const seconds = (performance.now() - started) / 1000;
    report(results, seconds);
    if (options.json) {
      const file = { proxy: options.proxy ?? "layercake", seconds, score: score(results), results };
      await writeFile(options.json, `${JSON.stringify(file, null, 2)}\n`);
    }
    return results.some(({ level, passed }) => level === "must" && !passed) ? 1 : 0;
  } finally {
    if (proxy) await stopProxy(proxy);
    disconnect();
    origin.stop();
  }
}

process.exit(
  await main().catch((error) => {
    console.error(`conformance: ${error.message}`);
    return 2;
  }),
);
