// A built Worker in the local Workers runtime (miniflare): shared by tools/serve.mjs and the tests.
import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import path from "node:path";
import { convertV4MiniflareOptions, Miniflare } from "miniflare";

export const root = path.resolve(import.meta.dirname, "..");

/** JSON with comments and trailing commas, as wrangler.jsonc may have them. */
export function parseJsonc(text) {
  const token = /"(?:\\.|[^"\\])*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|,(?=\s*(?:(?:\/\/[^\n]*\n|\/\*[\s\S]*?\*\/)\s*)*[\]}])/g;
  return JSON.parse(text.replace(token, (match) => (match[0] === '"' ? match : "")));
}

/** The configuration a Worker package would be deployed with. */
export async function wranglerConfig(dir) {
  return parseJsonc(await readFile(path.join(root, dir, "wrangler.jsonc"), "utf8"));
}

/** The modules that worker-build left in DIR/OUT, the entry first. */
export async function modules(dir, out = "build") {
  const file = (name) => path.join(root, dir, out, name);
  return [
    { type: "ESModule", path: "index.js", contents: await readFile(file("index.js"), "utf8") },
    { type: "CompiledWasm", path: "index_bg.wasm", contents: await readFile(file("index_bg.wasm")) },
  ];
}

/** Options of one Worker: code, and the bindings its wrangler.jsonc declares. Namespaces live in memory. */
export async function workerOptions(dir, { out, vars = {} } = {}) {
  const config = await wranglerConfig(dir);
  return {
    name: config.name,
    modules: await modules(dir, out),
    compatibilityDate: config.compatibility_date,
    compatibilityFlags: config.compatibility_flags ?? [],
    bindings: { ...config.vars, ...vars },
    kvNamespaces: (config.kv_namespaces ?? []).map(({ binding }) => binding),
    d1Databases: (config.d1_databases ?? []).map(({ binding }) => binding),
    // What the cron triggers do, at a request for /cdn-cgi/local/scheduled.
    unsafeTriggerHandlers: config.triggers?.crons !== undefined,
  };
}

/** Starts the runtime. `cf: false` keeps it from asking the internet what `request.cf` should look like. */
export function start(options) {
  return new Miniflare(runtimeOptions(options));
}

/** The same on a port that nobody hears at before the database is there. */
export async function startSeeded(options, dir, port) {
  const mf = start(options);
  try {
    await mf.ready;
    await seedDatabase(mf, dir);
    await mf.setOptions(runtimeOptions({ ...options, port }));
    await mf.ready;
  } catch (error) {
    await mf.dispose();
    throw error;
  }
  return mf;
}

function runtimeOptions(options) {
  return convertV4MiniflareOptions({ host: "127.0.0.1", port: 0, cf: false, ...options });
}

/** Runs DIR/schema.sql and DIR/seed.sql on the first D1 database of the Worker, where there are any. */
export async function seedDatabase(mf, dir) {
  const [database] = (await wranglerConfig(dir)).d1_databases ?? [];
  if (!database) return;
  const db = await mf.getD1Database(database.binding);
  for (const name of ["schema.sql", "seed.sql"]) {
    const file = path.join(root, dir, name);
    if (!existsSync(file)) continue;
    const statements = (await readFile(file, "utf8")).split(/;\s*(?:\n|$)/).filter((sql) => sql.trim());
    await db.batch(statements.map((sql) => db.prepare(sql)));
  }
}
