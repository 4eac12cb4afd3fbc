// Built Workers on raw workerd, with the stand-ins of tools/standin behind them: for benchmarks and fault tests.
// No simulator in between, so faults reach the Worker as the network would bring them and CPU times mean something.
//
//   const raw = await startRaw({ dir: "examples/shop/build" });
//   await raw.standin.fault({ role: "kv", status: 500 });
//   const answer = await fetch(`${raw.url}/api/products`);
//   await raw.stop();

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { buildSync } from "esbuild";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Compatibility date of every Worker started here, unless it asks for another. */
export const COMPATIBILITY_DATE = "2026-06-01";
const START_TIMEOUT_MS = 15_000;

const exists = (path) => path && existsSync(path);

function firstOf(what, hint, ...paths) {
  const found = paths.find(exists);
  if (!found) throw new Error(`${what} not found; ${hint}`);
  return found;
}

/** The native workerd (never its launcher script: CPU time and signals belong to the process itself). */
export function workerdPath() {
  const arch = process.arch === "x64" ? "64" : process.arch;
  return firstOf(
    "workerd",
    "run `npm ci` or set WORKERD",
    process.env.WORKERD,
    join(ROOT, `node_modules/@cloudflare/workerd-${process.platform}-${arch}/bin/workerd`),
    join(ROOT, "node_modules/.bin/workerd"),
  );
}

function tool(name, variable) {
  const target = process.env.CARGO_TARGET_DIR ? resolve(ROOT, process.env.CARGO_TARGET_DIR) : join(ROOT, "target");
  return firstOf(name, "run `cargo build --profile tools -p standin`", process.env[variable], join(target, "tools", name));
}

export const standinPath = () => tool("standin", "STANDIN");
export const loadPath = () => tool("load", "LOAD");
export const trafficPath = () => tool("traffic", "TRAFFIC");

// ---- processes ----------------------------------------------------------------------------------------------------

const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => process.exit(1));
}

function start(command, args, options) {
  const child = spawn(command, args, options);
  child.ended = new Promise((done) => {
    child.once("error", (error) => done(error));
    // Not at its exit: what it wrote last may still be on its way.
    child.once("close", (code, signal) => done(new Error(`${basename(command)} ended: ${signal ?? code}`)));
  });
  children.add(child);
  child.ended.then(() => children.delete(child));
  return child;
}

/** Ends a process by its pid. workerd drains on SIGTERM, so it is SIGKILL for all. */
async function end(child) {
  child.kill("SIGKILL");
  await child.ended;
}

/** The first line of a stream that `parse` makes something of; fails when the process ends before, or in time. */
async function firstLine(child, stream, parse, { output, timeoutMs = START_TIMEOUT_MS } = {}) {
  let timer;
  const timeout = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`nothing in ${timeoutMs} ms`)), timeoutMs);
  });
  const line = new Promise((done, fail) => {
    createInterface({ input: stream }).on("line", (text) => {
      try {
        const value = parse(text);
        if (value !== undefined) done(value);
      } catch {
        fail(new Error(`unexpected output: ${text}`));
      }
    });
  });
  try {
    return await Promise.race([line, timeout, child.ended.then((error) => Promise.reject(error))]);
  } catch (error) {
    await end(child);
    throw new Error(`${error.message}\n${output?.() ?? ""}`);
  } finally {
    clearTimeout(timer);
  }
}

// ---- stand-ins ----------------------------------------------------------------------------------------------------

/** Starts the stand-ins. The methods are the control port's requests; `standin --help` describes them. */
export async function startStandin() {
  const child = start(standinPath(), [], { stdio: ["ignore", "pipe", "inherit"] });
  const ports = await firstLine(child, child.stdout, JSON.parse);
  const request = async (method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${ports.control}${path}`, {
      method,
      body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer.json();
  };
  return {
    ports,
    pid: child.pid,
    /** `{role, ...}` or a list of them; replaces the faults of the roles named. */
    fault: (faults) => request("POST", "/fault", faults),
    /** Puts an entry around all checks. */
    raw: (entry) => request("POST", "/raw", entry),
    /** Forgets what a role stores, or all of them. */
    clear: (role) => request("POST", "/clear", { role: role ?? "all" }),
    /** Moves the clock of the stores forward (not the Worker's). */
    advance: (ms) => request("POST", "/clock", { advance_ms: ms }),
    reset: () => request("POST", "/reset"),
    resetCounters: () => request("POST", "/counters/reset"),
    counters: () => request("GET", "/counters"),
    log: (role) => request("GET", `/log?role=${role}`),
    dump: (role, values = false) => request("GET", `/dump?role=${role}${values ? "&values=1" : ""}`),
    stop: () => end(child),
  };
}

// ---- workerd ------------------------------------------------------------------------------------------------------

const text = (value) => JSON.stringify(String(value));

/** One module of a JavaScript file and all that it imports: its text. */
export function bundle(file) {
  const [{ text }] = buildSync({ entryPoints: [file], bundle: true, format: "esm", conditions: ["workerd"], write: false }).outputFiles;
  return text;
}

/** The modules of a Worker: a directory that worker-build wrote, or one JavaScript file, bundled into `scratch`. */
function modules(dir, scratch) {
  const path = resolve(ROOT, dir);
  if (!exists(path)) throw new Error(`no built Worker at ${dir}`);
  if (statSync(path).isFile()) {
    const bundled = join(scratch, "index.js");
    writeFileSync(bundled, bundle(path));
    return `(name = "index.js", esModule = embed ${text(bundled)})`;
  }
  return [
    `(name = "index.js", esModule = embed ${text(join(path, "index.js"))})`,
    `(name = "index_bg.wasm", wasm = embed ${text(join(path, "index_bg.wasm"))})`,
  ].join(",\n    ");
}

/**
 * The text of a workerd configuration: one Worker, its stores on the stand-ins, its `fetch` to their origin.
 *
 * @param {object} options
 * @param {string} options.dir built Worker (directory) or JavaScript module (file), relative to the repository
 * @param {object} options.ports of the stand-ins
 * @param {string[]} [options.kv] names of the KV bindings (all on the same namespace)
 * @param {Record<string, unknown>} [options.vars] text bindings; anything but a string is bound as JSON
 * @param {boolean} [options.cache] whether there is a Cache API
 * @param {string} [options.compatibilityDate]
 * @param {string[]} [options.compatibilityFlags]
 * @param {string} scratch a directory for what has to be made first
 */
export function config(options, scratch) {
  const { dir, ports, kv = ["CACHE"], vars = {}, cache = true } = options;
  const { compatibilityDate = COMPATIBILITY_DATE, compatibilityFlags = [] } = options;
  const external = (name, style) =>
    `(name = ${text(name)}, external = (address = "127.0.0.1:${ports[name]}", http = (style = ${style})))`;
  const bindings = [
    ...kv.map((name) => `(name = ${text(name)}, kvNamespace = "kv")`),
    ...Object.entries(vars).map(([name, value]) =>
      typeof value === "string"
        ? `(name = ${text(name)}, text = ${text(value)})`
        : `(name = ${text(name)}, json = ${text(JSON.stringify(value))})`,
    ),
  ];
  return `using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    ${external("cache", "proxy")},
    ${external("kv", "host")},
    ${external("origin", "proxy")},
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const worker :Workerd.Worker = (
  modules = [
    ${modules(dir, scratch)}
  ],
  compatibilityDate = ${text(compatibilityDate)},
  compatibilityFlags = [${compatibilityFlags.map(text).join(", ")}],
  ${cache ? 'cacheApiOutbound = "cache",' : ""}
  globalOutbound = "origin",
  bindings = [${bindings.join(", ")}],
);
`;
}

/** Starts workerd for one Worker; options as for `config`. `output()` is what it wrote to standard error so far. */
export async function startWorkerd(options) {
  const scratch = mkdtempSync(join(tmpdir(), "workerd-"));
  const file = join(scratch, "config.capnp");
  writeFileSync(file, config(options, scratch));
  // The import path makes absolute `embed` paths resolve; descriptor 3 reports the port.
  const args = ["serve", file, "--import-path=/", "--control-fd=3"];
  if (options.verbose) args.push("--verbose");
  const child = start(workerdPath(), args, { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk) => {
      output = (output + chunk).slice(-100_000);
    });
  }
  try {
    const port = await firstLine(
      child,
      child.stdio[3],
      (line) => {
        const message = JSON.parse(line);
        return message.event === "listen" && message.socket === "http" ? message.port : undefined;
      },
      { output: () => output },
    );
    return {
      port,
      url: `http://127.0.0.1:${port}`,
      pid: child.pid,
      output: () => output,
      /** Resolves, to an error that says how, when the process ends. */
      ended: child.ended,
      stop: () => end(child),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Stand-ins and workerd together. `standin` may be passed in to share one set between Workers. */
export async function startRaw(options) {
  const standin = options.standin ?? (await startStandin());
  const owned = !options.standin;
  try {
    const worker = await startWorkerd({ ...options, ports: standin.ports });
    return {
      ...worker,
      standin,
      stop: async () => {
        await worker.stop();
        if (owned) await standin.stop();
      },
    };
  } catch (error) {
    if (owned) await standin.stop();
    throw error;
  }
}

// ---- helpers ------------------------------------------------------------------------------------------------------

/** Waits until `check` gives something true, for what a Worker does after its answer. */
export async function until(check, what = "condition", timeoutMs = 5000) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`${what}: not in ${timeoutMs} ms`);
    await new Promise((done) => setTimeout(done, 10));
  }
}

/** The line of JSON that a client of tools/standin prints before it ends by itself. */
function client(path, options, timeoutMs) {
  const args = Object.entries(options)
    .filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [value].flat().flatMap((one) => [`--${name}`, String(one)]));
  const child = start(path, args, { stdio: ["ignore", "pipe", "inherit"] });
  return firstLine(child, child.stdout, JSON.parse, { timeoutMs });
}

/** Runs the load client; options as its flags (`expect`, `header`, ...), plus `port`, `path` and `pid`. */
export function load(options) {
  // The last answers may take a while.
  return client(loadPath(), options, (options.seconds ?? 2) * 1000 + START_TIMEOUT_MS);
}

/** Runs the client `traffic`; options as its flags. What it notes is found in each sample under its name. */
export async function traffic({ note = [], ...options }) {
  const timeoutMs = (options.seconds ?? 0) * 1000 + (options.timeout ?? 10_000) + START_TIMEOUT_MS;
  const { samples, ...said } = await client(trafficPath(), { ...options, note }, timeoutMs);
  const read = ([n, sent, took, wrong, ...notes]) => {
    const noted = Object.fromEntries(note.map((name, i) => [name, notes[i]]));
    return { n, sent_ms: sent / 1000, took_ms: took / 1000, wrong, noted };
  };
  return { ...said, samples: samples.map(read) };
}

/** CPU time of a process in seconds: user plus system. */
export function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
