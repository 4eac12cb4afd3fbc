// Built Workers in the ordinary local runtime (miniflare), with its own simulators of the Cache API and KV.

import { readFileSync, readdirSync, statSync } from "node:fs";
import { resolve } from "node:path";

import { modules, start } from "../tools/local.mjs";
import { COMPATIBILITY_DATE, ROOT, bundle } from "./raw.mjs";

/** Processes that this one started, and theirs: `[{pid, name}]`. */
function descendants(of = process.pid) {
  const all = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const end = stat.lastIndexOf(")");
        return [{ pid: Number(pid), name: stat.slice(stat.indexOf("(") + 1, end), parent: Number(stat.slice(end + 4).split(" ")[0]) }];
      } catch {
        return []; // It has ended.
      }
    });
  const below = (parent) => all.filter((one) => one.parent === parent).flatMap((one) => [one, ...below(one.pid)]);
  return below(of);
}

const workerds = () => descendants().filter(({ name }) => name === "workerd").map(({ pid }) => pid);

/**
 * Starts one; options as for `startRaw`. CPU time is that of its workerd process, in which the simulators run as well. Start one after the
 * other: the process is found as the one that was not there before.
 */
export async function startLocal({ dir, vars = {}, compatibilityDate = COMPATIBILITY_DATE }) {
  const path = resolve(ROOT, dir);
  const script = statSync(path).isFile() && [{ type: "ESModule", path: "index.js", contents: bundle(path) }];
  const before = new Set(workerds());
  const mf = start({
    modules: script || (await modules(dir, ".")),
    compatibilityDate,
    bindings: vars,
    kvNamespaces: ["CACHE"],
    // What Workers log is no part of the table.
    handleStructuredLogs: () => {},
  });
  const { port } = new URL(await mf.ready);
  const [pid, ...others] = workerds().filter((pid) => !before.has(pid));
  if (!pid || others.length) throw new Error(`${dir}: which process is its runtime?`);
  return { port: Number(port), pid, output: () => "", stop: () => mf.dispose() };
}
