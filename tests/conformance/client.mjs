// The client: one HTTP/1.1 exchange as it is on the wire. Nothing is decoded, followed or added.
import http from "node:http";

const PATIENCE = 15_000;
const agent = new http.Agent({ keepAlive: true });

/** An answer as it arrived. `served` is the origin's number of it, `took` the milliseconds until its header. */
export class Answer {
  constructor(message, body, complete, took) {
    this.status = message.statusCode;
    this.raw = message.rawHeaders;
    this.body = body;
    this.complete = complete;
    this.took = took;
  }

  /** The values of all lines of a field, in order. */
  all(name) {
    return this.raw.filter((_, i, raw) => i % 2 === 1 && raw[i - 1].toLowerCase() === name);
  }

  /** The field as one value, or undefined. */
  get(name) {
    const lines = this.all(name);
    return lines.length ? lines.join(", ") : undefined;
  }

  /** A field that is one non-negative integer; otherwise NaN. */
  number(name) {
    const value = this.get(name);
    return /^\d+$/.test(value ?? "") ? Number(value) : NaN;
  }

  get served() {
    return this.number("x-served");
  }

  get text() {
    return this.body.toString("latin1");
  }
}

/**
 * Sends one request. A header value may be a list, for several lines. With `leaveAfter` the client goes away after that
 * many bytes of the body.
 */
export function exchange(url, { method = "GET", headers = {}, body, leaveAfter } = {}) {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const request = http.request(url, { method, headers, agent }, (message) => {
      const took = performance.now() - started;
      const chunks = [];
      let length = 0;
      const done = (complete) => resolve(new Answer(message, Buffer.concat(chunks), complete, took));
      message.on("data", (chunk) => {
        chunks.push(chunk);
        length += chunk.length;
        if (length >= leaveAfter) request.destroy();
      });
      message.on("end", () => done(message.complete));
      message.on("error", () => done(false));
      message.on("close", () => done(message.complete));
    });
    request.on("error", (error) => {
      // The server closed a kept connection at the moment it was taken up again.
      if (request.reusedSocket && error.code === "ECONNRESET" && method === "GET") {
        exchange(url, { method, headers, body, leaveAfter }).then(resolve, reject);
      } else {
        reject(error);
      }
    });
    request.setTimeout(PATIENCE, () => request.destroy(new Error(`no answer within ${PATIENCE} ms`)));
    request.end(body);
  });
}

export const disconnect = () => agent.destroy();
