// node tools/serve.mjs DIR [--port N] [--out DIR] [--var NAME=VALUE]...
// Serves a Worker built by tools/build-worker.sh on 127.0.0.1 until it is interrupted, with the bindings of its
// wrangler.jsonc: a KV namespace in memory, D1 with schema.sql and seed.sql. Each start begins with an empty cache.
import { readFile } from "node:fs/promises";
import path from "node:path";
import { parseArgs } from "node:util";
import { root, startSeeded, workerOptions } from "./local.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    port: { type: "string", default: "8787" },
    out: { type: "string", default: "build" },
    var: { type: "string", multiple: true, default: [] },
  },
});
const dir = positionals[0];
if (!dir) {
  console.error("usage: node tools/serve.mjs DIR [--port N] [--out DIR] [--var NAME=VALUE]...");
  process.exit(2);
}
const vars = Object.fromEntries(
  values.var.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
);

// Miniflare stops its runtime on these signals, and exits as if it had been killed; to be stopped is no failure here.
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => process.on("exit", () => (process.exitCode = 0)));
}

try {
  await startSeeded(await workerOptions(dir, { out: values.out, vars }), dir, Number(values.port));
} catch (error) {
  console.error(`serve: ${error.message}`);
  process.exit(1);
}

// DIR/TRY.txt: what to try, with {base} for the address of this server.
const base = `http://127.0.0.1:${values.port}`;
const hints = await readFile(path.join(root, dir, "TRY.txt"), "utf8").catch(() => "");
console.log(`${path.basename(dir)} is at ${base} (Ctrl-C stops it).\n\n${hints.replaceAll("{base}", base)}`);
