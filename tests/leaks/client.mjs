// The client: one HTTP/1.1 exchange as it is on the wire. Nothing is decoded, followed or put in other words.
import http from "node:http";

const PATIENCE = 15_000;

/** An answer as it arrived, or what became of the request instead (`status` 0). */
export class Answer {
  constructor(who, { status = 0, raw = [], body = Buffer.alloc(0), complete = false, error } = {}) {
    Object.assign(this, { who, status, raw, body, complete, error });
  }

  /** The field as one value, or undefined. */
  get(name) {
    const lines = this.raw.filter((_, i, raw) => i % 2 === 1 && raw[i - 1].toLowerCase() === name);
    return lines.length ? lines.join(", ") : undefined;
  }

  get text() {
    return this.body.toString("latin1");
  }

  /** All of it: what may leak. */
  get everything() {
    return `${this.raw.join("\n")}\n\n${this.text}`;
  }

  /** The origin's marks in it. */
  get marks() {
    return [...new Set(this.everything.match(/mark~[a-z0-9.-]+~\d+\./g) ?? [])];
  }

  toString() {
    const said = this.get("cache-status") ?? this.get("x-cache");
    const parts = [this.error ?? `status ${this.status}`, ...(said ? [said] : [])];
    return parts.join(", ");
  }
}

/**
 * Sends one request. A header value may be a list, for several lines. With `leaveAfter` the client goes away after that
 * many bytes of the body.
 */
export function exchange(base, { who, method = "GET", path, headers = {}, body, leaveAfter }) {
  const { hostname, port, host } = new URL(base);
  const own = { host, connection: "close", ...(body !== undefined && { "content-length": Buffer.byteLength(body) }) };
  const fields = { ...own, ...headers };
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().flatMap((line) => [name, String(line)]),
  );
  return new Promise((resolve) => {
    const failed = (error) => resolve(new Answer(who, { error: error.code ?? error.message }));
    const request = http.request({ hostname, port, method, path, headers: lines, agent: false }, (message) => {
      const chunks = [];
      let length = 0;
      const done = (complete) =>
        resolve(
          new Answer(who, {
            status: message.statusCode,
            raw: message.rawHeaders,
            body: Buffer.concat(chunks),
            complete,
          }),
        );
      message.on("data", (chunk) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= leaveAfter) request.destroy();
      });
      message.on("end", () => done(message.complete));
      message.on("error", () => done(false));
      message.on("close", () => done(message.complete));
    });
    request.on("error", failed);
    request.setTimeout(PATIENCE, () => request.destroy(new Error(`no answer within ${PATIENCE} ms`)));
    request.end(body);
  });
}
