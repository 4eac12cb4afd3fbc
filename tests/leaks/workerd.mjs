// A Worker on workerd itself, with the native stand-ins (tools/standin) for Cache API and KV. Whatever it fetches goes to the
// origin, under the host and the path that it names; which scheme it names, X-Forwarded-Proto tells, both ways.
import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { build } from "esbuild";
import workerd from "workerd";
import { modules, root, wranglerConfig } from "../../tools/local.mjs";
import { exchange } from "./client.mjs";
import { start } from "./process.mjs";

const DIR = path.join(root, "target/leaks");
const SCHEME = 'forwardedProtoHeader = "X-Forwarded-Proto"';

const external = (name, port, options) =>
  `(name = "${name}", external = (address = "127.0.0.1:${port}", http = (${options})))`;

/** The modules of a Worker that tools/build-worker.sh has built. */
export const rust = (dir) => () => modules(dir);

/** A Worker in JavaScript, with what it imports in one module. */
export const script = (file) => async () => {
  const entryPoints = [path.join(import.meta.dirname, file)];
  const { outputFiles } = await build({ entryPoints, bundle: true, format: "esm", write: false });
  return [{ type: "ESModule", path: "index.js", contents: outputFiles[0].contents }];
};

/**
 * Starts it. `vars` are text bindings; `emptied` names the store, cache or kv, that is emptied between two users; `answers` the
 * one that hits come from.
 */
export async function startWorker(originPort, worker, { vars = {}, emptied, answers } = {}) {
  const { compatibility_date } = await wranglerConfig("tests/leaks/worker");
  const dir = path.join(DIR, `workerd-${process.pid}-${Math.random().toString(36).slice(2)}`);
  await mkdir(dir, { recursive: true });
  const parts = await worker();
  for (const { path: name, contents } of parts) await writeFile(path.join(dir, name), contents);
  const listed = parts.map(
    ({ type, path: name }) => `(name = "${name}", ${type === "ESModule" ? "esModule" : "wasm"} = embed "${name}")`,
  );
  const texts = Object.entries(vars).map(([name, value]) => `(name = "${name}", text = "${value}")`);

  const standin = await start("target/tools/standin", []);
  const { cache, kv, control } = standin.said;
  await writeFile(
    path.join(dir, "config.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [${listed.join(", ")}],
      compatibilityDate = "${compatibility_date}",
      bindings = [${[`(name = "CACHE", kvNamespace = "kv")`, ...texts].join(", ")}],
      cacheApiOutbound = "cache",
      globalOutbound = "origin",
    )),
    ${external("cache", cache, "style = proxy")},
    ${external("kv", kv, "style = host")},
    ${external("origin", originPort, `style = host, ${SCHEME}`)},
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (style = host, ${SCHEME}), service = "main")],
);
`,
  );
  const runtime = await start(workerd.default, ["serve", path.join(dir, "config.capnp"), "--control-fd=3"], 3);
  const tell = (request) => exchange(`http://127.0.0.1:${control}`, { who: "the suite", ...request });
  return {
    base: `http://127.0.0.1:${runtime.said.port}`,
    between: emptied && (() => tell({ method: "POST", path: "/clear", body: JSON.stringify({ role: emptied }) })),
    /** Throws unless the store that should answer did so at least this often. */
    async check(times) {
      const { hit = 0 } = JSON.parse((await tell({ path: "/counters" })).text)[answers] ?? { hit: times };
      if (hit < times) throw new Error(`${answers} answered ${hit} times, not ${times}`);
    },
    async stop() {
      runtime.stop();
      standin.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
