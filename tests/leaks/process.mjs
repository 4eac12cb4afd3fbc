// A program that runs beside the suite, from its first line of output until it is stopped.
import { execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { root } from "../../tools/local.mjs";

/** Runs a command of the repository to its end; it says what it has to say on standard error. */
export function run(command, ...args) {
  execFileSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
}

/** Starts a program whose first line, on the output number `fd`, is JSON that says where it listens. */
export async function start(command, args, fd = 1) {
  const quiet = process.env.VERBOSE ? "inherit" : "ignore";
  const stdio = ["ignore", quiet, quiet, "ignore"];
  stdio[fd] = "pipe";
  const child = spawn(command, args, { cwd: root, stdio });
  const failed = new Promise((_, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`${command} ended with ${signal ?? code}`)));
  });
  failed.catch(() => {});
  const line = (async () => {
    for await (const first of createInterface({ input: child.stdio[fd] })) return JSON.parse(first);
    throw new Error(`${command} did not say where it listens`);
  })();
  const said = await Promise.race([line, failed]);
  // At once: on SIGTERM workerd would wait for idle connections.
  return { said, stop: () => child.kill("SIGKILL") };
}
