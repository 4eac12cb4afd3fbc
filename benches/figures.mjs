// What the benchmarks share: settings from the environment, figures, tables, and the report beside them.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";

import { ROOT } from "./raw.mjs";

export const words = (name) => (process.env[name] ?? "").split(/[\s,]+/).filter(Boolean);
export const number = (name, otherwise) => Number(process.env[name] ?? otherwise);

const sorted = (values) => [...values].sort((a, b) => a - b);

export function median(values) {
  const list = sorted(values);
  const middle = list.length >> 1;
  return list.length % 2 ? list[middle] : (list[middle - 1] + list[middle]) / 2;
}

/** The value that a share `q` of all lies below; nothing of nothing. */
export function quantile(values, q) {
  const list = sorted(values);
  return list.length ? list[Math.min(list.length - 1, Math.floor(list.length * q))] : undefined;
}

/** A number as text; what there is no number for as a dash. */
export const fixed = (value, digits = 0) => (value === undefined || Number.isNaN(value) ? "-" : value.toFixed(digits));

/** Prints rows of texts, the first one being the head. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    console.log("  " + row.map((c, i) => (i ? c.padStart(widths[i]) : c.padEnd(widths[i]))).join("  "));
  }
}

/** Of the runtime and of what is measured in it. */
export function versions() {
  const npm = (name) => [name, JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8")).version];
  const lock = readFileSync(join(ROOT, "Cargo.lock"), "utf8");
  const crate = (name) => [name, new RegExp(`name = "${name}"\nversion = "([^"]+)"`).exec(lock)?.[1]];
  return Object.fromEntries([
    ...["workerd", "miniflare", "hono", "@unkey/cache"].map(npm),
    ...["layercake", "worker", "axum"].map(crate),
  ]);
}

/** Writes target/NAME.json. */
export function report(name, contents) {
  const where = { date: new Date().toISOString(), cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
  mkdirSync(join(ROOT, "target"), { recursive: true });
  writeFileSync(join(ROOT, `target/${name}.json`), `${JSON.stringify({ ...where, ...contents }, null, 2)}\n`);
}
