// The fixture Worker on workerd itself, with the native stand-ins (tools/standin) in place of Cache API and KV, so that
// both can be made to fail. No simulator is between.
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import workerd from "workerd";
import { root, wranglerConfig } from "../../tools/local.mjs";
import { exchange } from "./harness.mjs";

/** The first line that a stream brings. */
async function firstLine(stream) {
  for await (const line of createInterface({ input: stream })) return line;
  throw new Error("ended before it was ready");
}

const external = (name, port, style) => `(name = "${name}", external = (address = "127.0.0.1:${port}", http = (style = ${style})))`;

export class RawFixture {
  static async start() {
    const fixture = new RawFixture();
    fixture.standin = spawn(path.join(root, "target/tools/standin"), { stdio: ["ignore", "pipe", "inherit"] });
    fixture.ports = JSON.parse(await firstLine(fixture.standin.stdout));

    // Embedded files are named relative to the configuration.
    const dir = path.join(root, "target/test");
    const file = path.join(dir, `workerd-${process.pid}.capnp`);
    const build = path.relative(dir, path.join(root, "tests/worker/build"));
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
      bindings = [(name = "CACHE", kvNamespace = "kv"), (name = "ORIGIN", text = "http://origin.test")],
      cacheApiOutbound = "cache",
      globalOutbound = "origin",
    )),
    ${external("cache", fixture.ports.cache, "proxy")},
    ${external("kv", fixture.ports.kv, "host")},
    ${external("origin", fixture.ports.origin, "proxy")},
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
    this.standin.kill();
  }

  get(path, { table, headers = {}, ...rest } = {}) {
    return exchange(this.base + path, { ...rest, headers: { ...(table && { "x-test-table": table }), ...headers } });
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

  async stats(table) {
    return JSON.parse((await this.get("/__admin/stats", { table })).text);
  }

  async runs(path) {
    return JSON.parse((await this.get("/__admin/runs")).text)[path] ?? 0;
  }
}
