// The origin: it answers each path by that path's script, and remembers what it was asked.
//
// A script is a list of replies, the last of which is repeated. A reply, or a function from the request to one:
//   status    200
//   headers   { name: value }; a list is several lines, a function is called when the reply is sent, null leaves out a
//             default (`date`: now; `content-length`: that of the body; `x-served`: the number of the request)
//   body      "answer N of PATH"
//   chunked   send the body without its length
//   delay     milliseconds before the header
//   pause     milliseconds between the first half of the body and the second
//   cut       close the connection after so many bytes of the body
//   close     close the connection instead of answering
//   early     a 103 first
import http from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

export class Origin {
  #scripts = new Map();
  #seen = new Map();

  static async start(port = 0) {
    const origin = new Origin();
    // Connections are never closed for idleness, which a proxy could run into.
    origin.server = http.createServer({ keepAliveTimeout: 0, insecureHTTPParser: true }, (request, response) =>
      origin.#handle(request, response).catch(() => response.socket?.destroy()),
    );
    await new Promise((resolve, reject) => origin.server.once("error", reject).listen(port, "127.0.0.1", resolve));
    origin.port = origin.server.address().port;
    return origin;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
  }

  script(path, replies) {
    this.#scripts.set(path, replies);
    this.#seen.set(path, []);
  }

  seen(path) {
    return this.#seen.get(path) ?? [];
  }

  async #handle(message, response) {
    const chunks = [];
    for await (const chunk of message) chunks.push(chunk);
    const path = message.url;
    const request = { method: message.method, path, headers: message.headers, body: Buffer.concat(chunks).toString() };
    const seen = this.seen(path);
    seen.push(request);
    const n = seen.length;
    const script = this.#scripts.get(path) ?? [{ status: 404, headers: { "cache-control": "no-store" } }];
    const next = script[Math.min(n, script.length) - 1];
    await this.#send(response, request, n, typeof next === "function" ? next(request, n) : next);
  }

  async #send(response, { method, path }, n, reply) {
    const { status = 200, headers = {}, chunked, delay, pause, cut, close, early } = reply;
    const bodiless = status === 204 || status === 304;
    const body = bodiless ? "" : Buffer.from(reply.body ?? `answer ${n} of ${path}\n`, "latin1");
    if (delay) await sleep(delay);
    if (close) return response.socket.destroy();
    if (early) response.writeEarlyHints({ link: "</style.css>; rel=preload" });

    // A 304 and the answer to a HEAD update what is stored, and must not change its number.
    const fields = {
      date: now(),
      ...(!bodiless && method !== "HEAD" && { "x-served": String(n) }),
      ...(!bodiless && !chunked && { "content-length": String(body.length) }),
      ...headers,
    };
    const lines = Object.entries(fields).flatMap(([name, value]) =>
      [typeof value === "function" ? value() : value]
        .flat()
        .filter((line) => line !== null)
        .map((line) => [name, line]),
    );
    response.sendDate = false;
    response.writeHead(status, lines.flat());
    if (method === "HEAD" || bodiless) return response.end();
    if (cut !== undefined) {
      response.write(body.subarray(0, cut));
      await sleep(100);
      return response.socket.destroy();
    }
    if (pause) {
      response.write(body.subarray(0, body.length / 2));
      await sleep(pause);
      return response.end(body.subarray(body.length / 2));
    }
    response.end(body);
  }
}

/** An HTTP-date so many seconds from now. */
export const httpDate = (seconds) => new Date(Date.now() + seconds * 1000).toUTCString();

/** Dates as of the moment when the reply is sent. */
export const now = () => httpDate(0);
export const ago = (seconds) => () => httpDate(-seconds);
export const ahead = (seconds) => () => httpDate(seconds);

/** The same moment in the two obsolete forms of an HTTP-date. */
export function rfc850(date) {
  const [, day, month, year, time] = date.match(/, (\d\d) (\w+) (\d+) (\S+)/);
  const weekday = new Date(date).toLocaleDateString("en-US", { weekday: "long", timeZone: "UTC" });
  return `${weekday}, ${day}-${month}-${year.slice(2)} ${time} GMT`;
}
export function asctime(date) {
  const [, weekday, day, month, year, time] = date.match(/(\w+), (\d\d) (\w+) (\d+) (\S+)/);
  return `${weekday} ${month} ${String(Number(day)).padStart(2)} ${time} ${year}`;
}

const tags = (list) => list?.match(/(?:W\/)?"[^"]*"|\*/g) ?? [];
const opaque = (tag) => tag.replace(/^W\//, "");

/** `reply`, or a 304 with its validators and `fields` for a request that already has it. */
export function validating(reply, fields = {}) {
  const { etag, "last-modified": modified } = reply.headers;
  return ({ headers }) => {
    const listed = headers["if-none-match"];
    const same =
      listed !== undefined
        ? etag && tags(listed).some((tag) => tag === "*" || opaque(tag) === opaque(etag))
        : modified && headers["if-modified-since"] === modified;
    const kept = { ...(etag && { etag }), ...(modified && { "last-modified": modified }) };
    return same ? { status: 304, headers: { ...kept, ...fields } } : reply;
  };
}

/** An origin that knows ranges (one per request) and If-Range, for `body` with `headers`. */
export function ranging(body, headers) {
  return (request) => {
    const whole = { headers: { "accept-ranges": "bytes", ...headers }, body };
    const judged = validating(whole)(request);
    if (judged.status === 304) return judged;
    const range = /^bytes=(\d*)-(\d*)$/.exec(request.headers.range ?? "");
    const condition = request.headers["if-range"];
    const strong = headers.etag && !headers.etag.startsWith("W/");
    const same =
      condition === undefined || (strong && condition === headers.etag) || condition === headers["last-modified"];
    if (request.method !== "GET" || !range || (range[1] === "" && range[2] === "") || !same) return whole;
    const first = range[1] === "" ? Math.max(0, body.length - Number(range[2])) : Number(range[1]);
    const last = range[1] === "" || range[2] === "" ? body.length - 1 : Math.min(Number(range[2]), body.length - 1);
    if (first >= body.length) return { status: 416, headers: { "content-range": `bytes */${body.length}` }, body: "" };
    if (last < first) return whole;
    const fields = { ...whole.headers, "content-range": `bytes ${first}-${last}/${body.length}` };
    return { status: 206, headers: fields, body: body.slice(first, last + 1) };
  };
}
