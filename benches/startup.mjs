// How long a fresh isolate takes to its first answer: N starts of workerd in turn, and of each the CPU time and the latency of the first
// request, on a process that has been idle since it said that it listens. Adds `startup` to target/bench.json.
//
// STARTS  of each candidate (15)

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { fixed, median, number, quantile, report, table } from "./figures.mjs";
import { ROOT, load, startRaw, startStandin } from "./raw.mjs";

const STARTS = number("STARTS", 15);

const CANDIDATES = {
  "js-hand": { dir: "benches/js/hand.mjs" },
  hono: { dir: "benches/js/hono.mjs" },
  bare: { dir: "benches/worker/build-bare-scenes" },
  layercake: { dir: "benches/worker/build-layercake-scenes", vars: { MODE: "cold" } },
  "bare-axum": { dir: "benches/worker/build-bare-axum" },
  "layercake-axum": { dir: "benches/worker/build-layercake-axum" },
};

const standin = await startStandin();

async function first(options) {
  await standin.reset();
  const raw = await startRaw({ ...options, standin });
  try {
    const said = await load({ port: raw.port, pid: raw.pid, path: "/item/1024", connections: 1, requests: 1, length: 1024 });
    if (said.errors) throw new Error(`${options.dir}: ${said.first_error}\n${raw.output()}`);
    return { latency_ms: said.p50_us / 1000, cpu_ms: said.cpu_us / 1000 };
  } finally {
    await raw.stop();
  }
}

const measured = new Map(Object.keys(CANDIDATES).map((name) => [name, []]));
// The first of each has to read its files from the disk.
for (let round = 0; round <= STARTS; round++) {
  for (const [name, options] of Object.entries(CANDIDATES)) {
    const one = await first(options);
    if (round) measured.get(name).push(one);
  }
}
await standin.stop();

const startup = {};
const rows = [["", "CPU ms", "quartiles", "latency ms", "quartiles"]];
for (const [name, all] of measured) {
  const of = (field) => all.map((one) => one[field]);
  const told = (values) => [
    fixed(median(values), 1),
    `${fixed(quantile(values, 0.25), 1)}-${fixed(quantile(values, 0.75), 1)}`,
  ];
  rows.push([name, ...told(of("cpu_ms")), ...told(of("latency_ms"))]);
  startup[name] = { cpu_ms: median(of("cpu_ms")), latency_ms: median(of("latency_ms")), starts: all };
}
console.log(`\nThe first request of a fresh isolate, a miss of 1 KB; medians of ${STARTS} starts`);
table(rows);

const file = join(ROOT, "target/bench.json");
if (existsSync(file)) {
  writeFileSync(file, `${JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), startup }, null, 2)}\n`);
} else {
  report("bench", { startup });
}
