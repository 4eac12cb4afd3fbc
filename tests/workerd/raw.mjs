// The fixture Worker on workerd itself, with the native stand-ins (tools/standin) in place of Cache API and KV, so that
// both can be made to fail. No simulator is between.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import http from "node:http";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import workerd from "workerd";
import { root, wranglerConfig } from "../../tools/local.mjs";
import { assertSameBytes, cacheStatus, CORE, exchange } from "./harness.mjs";

/** The first line that a stream brings. */
async function firstLine(stream) {
  for await (const line of createInterface({ input: stream })) return line;
  throw new Error("ended before it was ready");
}

const external = (name, port, style) => `(name = "${name}", external = (address = "127.0.0.1:${port}", http = (style = ${style})))`;

let started = 0;

/** `look` until it finds something. */
export async function eventually(look, patience = 10_000) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < deadline, `not within ${patience} ms: ${look}`);
    await sleep(20);
  }
}

/** The body that the origin of the stand-ins makes for `size=N`. */
export function letters(n) {
  return Buffer.alloc(n, "abcdefghijklmnopqrstuvwxyz");
}

/** An answer with all of this body. */
export function assertWhole(answer, body) {
  assert.equal(answer.status, 200);
  assert.ok(answer.complete, "complete");
  assertSameBytes(answer.body, body);
}

/** How many of the answers are the origin's own, shared with another request's, and from a tier. */
export function tally(answers) {
  const counts = { asked: 0, collapsed: 0, hit: 0 };
  for (const { cache } of answers) counts[cache?.hit ? "hit" : cache?.collapsed ? "collapsed" : "asked"]++;
  return counts;
}

export class RawFixture {
  /**
   * `origin`: the port of another origin than the stand-in; `flags`: compatibility flags; `beside`: another fixture, whose stand-ins
   * it shares, as another isolate of the same data centre would; `wakes`: how futures are continued, `microtasks` or `promises`.
   */
  static async start({ origin, flags = [], wakes = "microtasks", beside } = {}) {
    const fixture = new RawFixture();
    if (!beside) fixture.standin = spawn(path.join(root, "target/tools/standin"), { stdio: ["ignore", "pipe", "inherit"] });
    fixture.ports = beside?.ports ?? JSON.parse(await firstLine(fixture.standin.stdout));

    // Embedded files are named relative to the configuration.
    const dir = path.join(root, "target/test");
    const file = path.join(dir, `workerd-${process.pid}-${++started}.capnp`);
    const build = path.relative(dir, path.join(root, "tests/worker", CORE ?? "build"));
    const { compatibility_date } = await wranglerConfig("tests/worker");
    await mkdir(dir, { recursive: true });
    await writeFile(
      file,
      `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [
        (name = "index.js", esModule = embed "${build}/index.js"),
        (name = "index_bg.wasm", wasm = embed "${build}/index_bg.wasm"),
      ],
      compatibilityDate = "${compatibility_date}",
      compatibilityFlags = ${JSON.stringify(flags)},
      bindings = [(name = "CACHE", kvNamespace = "kv"), (name = "ORIGIN", text = "http://origin.test"), (name = "WAKES", text = "${wakes}")],
      cacheApiOutbound = "cache",
      globalOutbound = "origin",
    )),
    ${external("cache", fixture.ports.cache, "proxy")},
    ${external("kv", fixture.ports.kv, "host")},
    ${external("origin", origin ?? fixture.ports.origin, "proxy")},
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
`,
    );
    // --control-fd: there workerd tells which port it took.
    fixture.workerd = spawn(workerd.default, ["serve", file, "--control-fd=3"], {
      stdio: ["ignore", "ignore", process.env.VERBOSE ? "inherit" : "ignore", "pipe"],
    });
    const { port } = JSON.parse(await firstLine(fixture.workerd.stdio[3]));
    fixture.base = `http://127.0.0.1:${port}`;
    return fixture;
  }

  stop() {
    this.workerd.kill("SIGKILL"); // at once: SIGTERM would wait for idle connections
    this.standin?.kill();
  }

  /** Resident memory of workerd, in bytes. */
  async resident() {
    return 4096 * Number((await readFile(`/proc/${this.workerd.pid}/statm`, "utf8")).split(" ")[1]);
  }

  get(path, { table, headers = {}, ...rest } = {}) {
    return exchange(this.base + path, { ...rest, headers: { ...(table && { "x-test-table": table }), ...headers } });
  }

  /** `n` requests at once. */
  herd(n, path, options) {
    return Promise.all(Array.from({ length: n }, (_, i) => this.get(path, typeof options === "function" ? options(i) : options)));
  }

  /**
   * A request whose answer is taken as it comes: `head` is there with the head of the response, `size` is how much of the body has come,
   * `whole` ends with the body, and `leave` resets the connection at any time (one that is only closed
   * may still be reading, and workerd goes on).
   */
  open(path, { table, headers = {} } = {}) {
    const agent = new http.Agent();
    const request = http.request(this.base + path, { agent, headers: { ...(table && { "x-test-table": table }), ...headers } });
    const opened = { size: 0, leave: () => request.socket?.resetAndDestroy() };
    opened.head = new Promise((resolve) => {
      request.on("response", (response) => {
        opened.pause = () => response.pause();
        opened.whole = new Promise((resolve) => {
          response.on("end", () => resolve(response.complete));
          response.on("error", () => resolve(false));
          response.on("close", () => resolve(response.complete));
        });
        response.on("data", (chunk) => (opened.size += chunk.length));
        resolve({ status: response.statusCode, headers: response.headers, cache: cacheStatus(response.headers["cache-status"]) });
      });
      // Whoever leaves before there is a head learns nothing.
      request.on("error", () => resolve(undefined));
    });
    request.end();
    return opened;
  }

  /** The requests to the origin for this path and query. */
  async calls(path) {
    return (await this.counters()).origin.paths[path] ?? 0;
  }

  async #control(path, body) {
    const answer = await exchange(`http://127.0.0.1:${this.ports.control}${path}`, {
      method: body === undefined ? "GET" : "POST",
      body: body && JSON.stringify(body),
    });
    if (answer.status >= 300) throw new Error(`stand-in: ${path}: ${answer.status} ${answer.text}`);
    return answer.headers["content-type"]?.includes("json") ? JSON.parse(answer.text) : answer.text;
  }

  /** Makes the stand-in of `role` (cache, kv or origin) fail; without `how` it works again. See `standin --help`. */
  fault(role, how = {}) {
    return this.#control("/fault", { role, ...how });
  }

  /** Forgets what the stand-in of `role` stores. */
  clear(role) {
    return this.#control("/clear", { role });
  }

  /** Stores empty, nothing fails. */
  reset() {
    return this.#control("/reset", {});
  }

  /** Moves the clock of the stores forward. */
  advance(ms) {
    return this.#control("/clock", { advance_ms: ms });
  }

  /** Puts an entry into a store, around all checks. */
  raw(entry) {
    return this.#control("/raw", entry);
  }

  /** What the stand-in of `role` holds. */
  dump(role) {
    return this.#control(`/dump?role=${role}`);
  }

  counters() {
    return this.#control("/counters");
  }

  /** Counters are as at the start; what is stored stays. */
  forgetCounters() {
    return this.#control("/counters/reset", {});
  }

  /** Waits for what runs behind the responses: until nothing was heard for a while of either store or of the origin. */
  async settled(_table, quiet = 100) {
    for (let before, since, i = 0; i < 500; i++) {
      const now = JSON.stringify(await this.counters());
      if (now !== before) [before, since] = [now, Date.now()];
      else if (Date.now() - since >= quiet) return;
      await sleep(15);
    }
    throw new Error("the Worker does not come to rest");
  }

  /** `get`, then `settled`. */
  async ask(path, options) {
    const answer = await this.get(path, options);
    await this.settled();
    return answer;
  }

  emptyL1() {
    return this.clear("cache");
  }

  emptyL2() {
    return this.clear("kv");
  }

  /** What one `ask` costs: the requests to either store, by kind. */
  async costs(path, options) {
    await this.settled();
    await this.forgetCounters();
    const answer = await this.ask(path, options);
    const { cache, kv } = await this.counters();
    const of = (counted) => Object.fromEntries(["get", "put", "delete"].flatMap((op) => (counted[op] ? [[op, counted[op]]] : [])));
    return { answer, l1: of(cache), l2: of(kv) };
  }

  async stats(table) {
    return JSON.parse((await this.get("/__admin/stats", { table })).text);
  }

  async runs(path) {
    return JSON.parse((await this.get("/__admin/runs")).text)[path] ?? 0;
  }
}
