// The origin: it answers by script, and marks every answer, so that it is known again wherever it turns up.
//
// Which script is meant says the request's target, wherever in it the script's name stands, because caches may put the
// rest in other words. A script is a function from a request and its number to a reply, or one reply for all:
//   status    200
//   headers   { name: value }; a list is several lines
//   body      "MARK for WHO by METHOD TARGET"; with a function, its value for the mark
//   chunked   without its length
//   delay     milliseconds before the header
//   cut       close the connection after so many bytes of the body
//   close     close the connection instead of answering
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { owner } from "./users.mjs";

export class Origin {
  #scripts = new Map();

  static async start(port = 0) {
    const origin = new Origin();
    // Connections are never closed for idleness, which a proxy could run into.
    const options = { keepAliveTimeout: 0, insecureHTTPParser: true, maxHeaderSize: 64 * 1024 };
    origin.server = http.createServer(options, (message, response) =>
      origin.#handle(message, response).catch(() => response.socket?.destroy()),
    );
    await new Promise((resolve, reject) => origin.server.once("error", reject).listen(port, "127.0.0.1", resolve));
    origin.port = origin.server.address().port;
    return origin;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** From now on targets with `name` in them are answered by `script`. */
  script(name, script) {
    this.#scripts.set(name, { script, seen: [] });
  }

  /** What was asked of `name`, in order. */
  seen(name) {
    return this.#scripts.get(name)?.seen ?? [];
  }

  async #handle(message, response) {
    const chunks = [];
    for await (const chunk of message) chunks.push(chunk);
    const name = /~[a-z0-9.-]+~/.exec(message.url)?.[0];
    const entry = this.#scripts.get(name);
    if (!entry) return response.writeHead(404, { "cache-control": "no-store" }).end("no such script");
    const { method, url, headers, rawHeaders: raw } = message;
    const request = { method, url, headers, raw, user: owner(headers), body: Buffer.concat(chunks).toString() };
    const n = entry.seen.push(request);
    const reply = typeof entry.script === "function" ? entry.script(request, n) : entry.script;
    await this.#send(response, request, `mark${name}${n}.`, reply ?? {});
  }

  async #send(response, { method, url, user }, mark, reply) {
    const { status = 200, headers = {}, chunked, delay, cut, close } = reply;
    const text = typeof reply.body === "function" ? reply.body(mark) : reply.body;
    const bodiless = status === 204 || status === 304;
    const body = Buffer.from(bodiless ? "" : (text ?? `${mark} for ${user} by ${method} ${url}\n`));
    if (delay) await sleep(delay);
    if (close) return response.socket.destroy();
    const fields = {
      "content-type": "text/plain",
      "x-mark": mark,
      ...(!bodiless && !chunked && { "content-length": String(body.length) }),
      ...headers,
    };
    const lines = Object.entries(fields).flatMap(([name, value]) => [value].flat().map((line) => [name, line]));
    response.writeHead(status, lines.flat());
    if (method === "HEAD" || bodiless) return response.end();
    if (cut === undefined) return response.end(body);
    response.write(body.subarray(0, cut));
    await sleep(50);
    response.socket.destroy();
  }
}
