// The caches that are measured here. Each has been told the most ordinary thing: every path for a minute. What else was said,
// and why, is at the head of its program.
import path from "node:path";
import { root } from "../../tools/local.mjs";
import { run, start } from "./process.mjs";
import { rust, script, startWorker } from "./workerd.mjs";

const WORKSPACE = "tests/leaks/rivals/Cargo.toml";
const TARGET = "target/leaks";

const standins = () => run("cargo", "build", "--quiet", "--profile", "tools", "-p", "standin");

/** layercake on Workers. */
const onWorkers = (options) => ({
  ours: true,
  build() {
    standins();
    run("tools/build-worker.sh", "tests/leaks/worker");
  },
  start: (originPort) => startWorker(originPort, rust("tests/leaks/worker"), options),
});

/** A Worker in JavaScript. */
const inScript = (file) => ({
  build: standins,
  start: (originPort) => startWorker(originPort, script(file)),
});

/** A server of the workspace in rivals/. */
const native = (name, ...args) => ({
  build: () => run("cargo", "build", "--quiet", "--manifest-path", WORKSPACE, "--target-dir", TARGET, "-p", name),
  async start(originPort) {
    const { said, stop } = await start(path.join(root, TARGET, "debug", name), [String(originPort), ...args]);
    return { base: `http://127.0.0.1:${said.port}`, stop };
  },
});

/** Not a rival: it shows which cases can fail. */
const sieve = {
  apart: true,
  async start(originPort) {
    const { said, stop } = await start(process.execPath, ["tests/leaks/sieve.mjs", String(originPort)]);
    return { base: `http://127.0.0.1:${said.port}`, stop };
  },
};

export const caches = {
  // Through each tier: the isolate's memory, the Cache API, and KV once the Cache API has been emptied.
  "layercake-hot": onWorkers({ vars: { HOT: "on" } }),
  "layercake-l1": onWorkers({ vars: { HOT: "off" }, answers: "cache" }),
  "layercake-l2": onWorkers({ vars: { HOT: "off" }, answers: "kv", emptied: "cache" }),
  "layercake-tower": { ...native("behind-layercake"), ours: true },
  "tower-http-cache": native("behind-tower-http-cache"),
  "http-cache-tower-server": native("behind-http-cache-tower-server"),
  "http-cache-tower-server-query": native("behind-http-cache-tower-server", "query"),
  "hono-cache": inScript("workers/hono.mjs"),
  "cache-api-by-hand": inScript("workers/hand.mjs"),
  sieve,
};
