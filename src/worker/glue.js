// Steps that are one crossing from WebAssembly here and would be five to twenty there. Each crossing costs about as much as
// the call it makes, and each kind of call some bytes of the Worker.

// The property that tells an inner door that an outer one has the request in hand.
const HANDLED = "layercake in hand";

/** Takes the request in hand: its method and URL with a space between, or nothing when an outer door has it already. */
export function takeInHand(request) {
  if (request[HANDLED]) return "";
  request[HANDLED] = true;
  return `${request.method} ${request.url}`;
}

/**
 * The request as the handler gets to see it; nothing where that is the client's own. `whole`: a GET without content; `off`: the fields taken off (`named`); `everything`: all but Host are; `client`: what the platform knows of the client is; `set`: names and values of
 * fields, each on a line; `target`: another path and query.
 */
export function masked(request, whole, off, everything, client, set, target) {
  const { headers, method } = request;
  const gone = named(off).filter((name) => headers.has(name));
  const anew = client || (whole && (headers.has("content-length") || headers.has("transfer-encoding")));
  const same = (method === "GET" || !whole) && !anew && gone.length === 0 && set === "" && target === undefined;
  if (same) return undefined;
  const shown = new Headers(everything ? Array.from(headers).filter(([name]) => name === "host") : headers);
  for (const name of gone) shown.delete(name);
  const lines = set.split("\n");
  for (let at = 0; at + 1 < lines.length; at += 2) shown.set(lines[at], lines[at + 1]);
  const init = { method: whole ? "GET" : method, headers: shown, redirect: "manual" };
  // Behind the second slash comes the authority.
  const url = target === undefined ? request.url : request.url.match(/^[^/]*\/\/[^/?#]*/)[0] + target;
  let made;
  if (anew) {
    // Made from the URL alone, it has neither `cf` nor content.
    if (!client) init.cf = request.cf;
    made = new Request(url, init);
  } else {
    made = new Request(target === undefined ? request : new Request(url, request), init);
  }
  takeInHand(made);
  return made;
}

/** The words of an error, or of whatever was thrown. */
export function message(error) {
  return String(error?.message ?? error);
}

/** Which of up to 32 names are among the fields of a request, one bit each. */
export function present({ headers }, names) {
  let bits = 0;
  for (let i = 0; i < names.length; i++) if (headers.has(names[i])) bits |= 1 << i;
  return bits;
}

/**
 * A promise of the request under way, and what resolves it from within another request. Not `new Promise(...)`: once V8 has
 * optimised that, the promise may have lost the mark of its request, and goes on within the one that resolves it.
 */
export function signal() {
  const { promise, resolve } = Promise.withResolvers();
  return [promise, resolve];
}

/** Names that have a space behind each. */
const named = (names) => names.split(" ").filter((name) => name !== "");

/** Removes fields of these names (`named`). */
export function removeAll(headers, names) {
  // To look is cheaper than to delete what is not there.
  for (const name of named(names)) if (headers.has(name)) headers.delete(name);
}

/** Puts Age, unless it is negative, and a member of Cache-Status, unless it is empty, among the fields. */
export function stamp(headers, age, status) {
  if (age >= 0) headers.set("age", age);
  if (status !== "") headers.append("cache-status", status);
}

/**
 * A response with these fields, or as `init` wants it; `applied` is whether the body is in the coding already that they name. What is said of it:
 * see `stamp`.
 */
export function respond(body, status, headers, applied, init, age, cacheStatus) {
  init ??= applied && headers.has("content-encoding") ? { status, headers, encodeBody: "manual" } : { status, headers };
  const response = new Response(body, init);
  stamp(response.headers, age, cacheStatus);
  return response;
}

/** Whether these are the fields of this response, the very same. */
export function areOf(headers, response) {
  return response.headers === headers;
}

// ---- Futures

/** Puts a function of the same effect in place of `queueMicrotask`; see wakes.rs. */
export function wakeByPromises() {
  globalThis.queueMicrotask = (task) => {
    if (typeof task !== "function") throw new TypeError("queueMicrotask: the argument is no function");
    // A new promise each time, which belongs to the request at hand.
    Promise.resolve().then(() => {
      try {
        task();
      } catch (error) {
        reportError(error);
      }
    });
  };
}

// ---- Bodies

/** Cancels a stream, or the body of a response, that nobody will read. */
export function cancel(source) {
  const stream = source instanceof Response ? source.body : source;
  // A locked or failed stream rejects; nobody is left to care.
  stream?.cancel().catch(() => {});
}

/** All the bytes of a response, of a stream, or of no body. */
export async function bytesOf(source) {
  const response = source instanceof Response ? source : new Response(source);
  return new Uint8Array(await response.arrayBuffer());
}

/** One buffer of several. */
export function joined(chunks) {
  const bytes = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// How far a store may lag behind a stream, in bytes, because what it has not taken yet is in memory; and how long in all, in
// milliseconds, the stream is held up for one that does.
const LAG = 8 << 20;
const PATIENCE = 5000;

/**
 * The bytes of a stream that ends within so many; of a longer one a stream of all its bytes. That fails above `most`, and when
 * its reader lags too far behind; it is read without waiting for its reader, because what is not read of one branch of a `tee()` the
 * other piles up in memory.
 */
export async function gather(stream, within, most) {
  if (stream.atOnce && within === most) {
    const bytes = await bytesOf(stream);
    if (bytes.length > most) throw new Error(`the body is larger than ${most} bytes`);
    return bytes;
  }
  const reader = stream.getReader();
  const chunks = [];
  let size = 0;
  // A body that fails at once is to fail behind the head of the response, as it would without a copy. One that a coder makes is
  // no response's (`coded`).
  if (!stream.prompt) await sleep(0);
  const next = async () => {
    const { done, value } = await reader.read();
    if (done) return undefined;
    size += value.length;
    if (size > most) {
      const error = new Error(`the body is larger than ${most} bytes`);
      reader.cancel(error).catch(() => {});
      throw error;
    }
    return value;
  };
  const pump = async (controller) => {
    try {
      let held = 0;
      for (const chunk of chunks) controller.enqueue(chunk);
      for (let chunk; (chunk = await next()); ) {
        controller.enqueue(chunk);
        for (; -controller.desiredSize > LAG; held += 10) {
          if (held >= PATIENCE) throw new Error("the store does not keep up with the body");
          await sleep(10);
        }
      }
      controller.close();
    } catch (error) {
      reader.cancel(error).catch(() => {});
      controller.error(error);
    }
  };
  for (let chunk; (chunk = await next()); ) {
    chunks.push(chunk);
    if (size <= within) continue;
    const source = { start: (controller) => void pump(controller), cancel: (reason) => reader.cancel(reason) };
    return new ReadableStream(source, { highWaterMark: 0, size: (chunk) => chunk.length });
  }
  return joined(chunks);
}

/** The stream, made to fail when it is not of this length. */
export function fixed(stream, length) {
  return stream.pipeThrough(new FixedLengthStream(length));
}

/**
 * A part of a stream: as many bytes as length says, from the place first on. A stream of so many bytes is read whole, by the runtime's
 * own hands, and not piece by piece; of an infinite one what lies behind the part is not read.
 */
export function slice(stream, first, length, of) {
  if (of === Infinity) return passed(stream, first, length);
  const { readable, writable } = new FixedLengthStream(length);
  const writer = writable.getWriter();
  const copy = async () => {
    try {
      const bytes = await bytesOf(stream);
      if (bytes.length !== of) throw new Error("the body is not of its length");
      await writer.write(bytes.subarray(first, first + length));
      await writer.close();
    } catch (error) {
      await writer.abort(error);
    }
  };
  copy().catch(() => {});
  return readable;
}

/**
 * The bytes of a stream from the place first on, as many as length says. With an infinite length it is all of it, and its
 * property `whole` says whether the end was seen.
 */
function passed(stream, first, length) {
  const reader = stream.getReader();
  let [skip, left] = [first, length];
  const part = new ReadableStream({
    async pull(controller) {
      for (;;) {
        const { done, value } = await reader.read();
        if (done && left === Infinity) {
          part.whole = true;
          return controller.close();
        }
        if (done) throw new Error("the body ended before the range did");
        const bytes = value.subarray(skip, skip + left);
        skip = Math.max(0, skip - value.length);
        if (bytes.length === 0) continue;
        left -= bytes.length;
        controller.enqueue(bytes);
        if (left === 0) {
          controller.close();
          reader.cancel().catch(() => {});
        }
        return;
      }
    },
    cancel: (reason) => reader.cancel(reason),
  });
  part.whole = false;
  return length === Infinity ? part : fixed(part, length);
}

/**
 * Whether the stream is one of the runtime's own (a fetched body, an identity transform) rather than one fed by code. They
 * fail by themselves when they break off, and cannot be piped into another of their kind. They are byte streams; those
 * fed by Rust are not.
 */
function isInternal(stream) {
  try {
    stream.getReader({ mode: "byob" }).releaseLock();
    return true;
  } catch {
    return false;
  }
}

/**
 * The body for a store: a stream is made to fail when it is not of its length (negative: not known). Where the runtime's own
 * streams break off, `whole` says so: the local simulators take a stream that fails for one that ends.
 */
export function fit(body, length, enforced) {
  if (enforced || !(body instanceof ReadableStream)) return body;
  if (!isInternal(body)) return length < 0 ? passed(body, 0, Infinity) : fixed(body, length);
  const watched = passed(body, 0, Infinity);
  if (length < 0) return watched;
  return Object.defineProperty(fixed(watched, length), "whole", { get: () => watched.whole });
}

/** Does `put`; what a body that broke off has left behind must go. The local simulators commit it a moment later. */
export async function whole(body, put, remove) {
  try {
    await put();
    if (body?.whole === false) throw new Error("the body broke off");
  } catch (error) {
    for (const wait of body instanceof ReadableStream ? [0, 250] : []) {
      await sleep(wait);
      await remove();
    }
    throw error;
  }
}

// How many bytes a decoder is given before it is seen to have nothing more to say: deflate makes at most 1,032 of one.
const MORSEL = 16 << 10;

// How many bytes are taken from a coder at once; left to itself it hands over 4,096.
const HELPING = 64 << 10;

/**
 * What a coder (`CompressionStream`, `DecompressionStream`) makes of a buffer or a stream, as a stream. A coder takes what it is given
 * without waiting for a reader: every `morsel` it is given no more until what it has made of it is read.
 */
function coded(source, coder, morsel) {
  const input = source instanceof Uint8Array ? undefined : source.getReader();
  const writer = coder.writable.getWriter();
  const reader = coder.readable.getReader({ mode: "byob" });
  const silent = (promise) => void promise?.catch(() => {});
  for (const promise of [writer.closed, writer.ready, reader.closed]) silent(promise);
  let [bytes, at, room, ended] = [input ? new Uint8Array(0) : source, 0, morsel, false];
  // The step under way: some bytes into the coder, or its end.
  let step;
  const feed = async () => {
    while (input && at >= bytes.length) {
      const { done, value } = await input.read();
      if (done) break;
      [bytes, at] = [value, 0];
    }
    if (at >= bytes.length) {
      await writer.close();
      ended = true;
      return;
    }
    const slice = bytes.subarray(at, at + room);
    at += slice.length;
    room -= slice.length;
    await writer.write(slice);
  };
  const fed = () => {
    step ??= feed().finally(() => (step = undefined));
    silent(step);
    return step;
  };
  const leave = (reason) => {
    silent(input?.cancel(reason));
    silent(writer.abort(reason));
    silent(reader.cancel(reason));
  };
  const pull = async (controller) => {
    let answer;
    const read = reader.read(new Uint8Array(HELPING)).then((result) => (answer = result));
    silent(read);
    try {
      while (!answer && !ended) {
        if (room === 0) {
          await Promise.race([read, sleep(0)]);
          if (answer) break;
          room = morsel;
        }
        await Promise.race([read, fed()]);
      }
      const { done, value } = await read;
      if (!done) return controller.enqueue(value);
      // What follows the end of the data is an error too.
      while (!ended) {
        room = morsel;
        await fed();
      }
      controller.close();
    } catch (error) {
      leave(error);
      throw error;
    }
  };
  return Object.assign(new ReadableStream({ pull, cancel: leave }, { highWaterMark: 0 }), { prompt: true });
}

/** What a coder makes of a buffer, when that cannot become too much: by the runtime's own hands, and to be read at once. */
function codedAtOnce(bytes, coder) {
  return Object.assign(new Response(bytes).body.pipeThrough(coder), { atOnce: true });
}

/** The bytes of a buffer or a stream as gzip. */
export function compressed(source) {
  const coder = new CompressionStream("gzip");
  return source instanceof Uint8Array ? codedAtOnce(source, coder) : coded(source, coder, Infinity);
}

/** The bytes of gzip. It fails when they break off or are followed by others (compatibility date 2023-08-01 or later). */
export function decompressed(source) {
  const coder = new DecompressionStream("gzip");
  return source.length <= MORSEL ? codedAtOnce(source, coder) : coded(source, coder, MORSEL);
}

// ---- The header fields that travel in a head: its last records, `h` and `i` (entry/wire.rs)

/** The records of a field. */
export function record(name, value) {
  // Visible ASCII and spaces stand for themselves; "%" and the bytes of all else are escaped.
  const [n, v] = [name, value].map((text) => text.replace(/[^ -$&-~]/gu, encodeURIComponent));
  return `h${n.length}:${n}i${v.length}:${v}`;
}

/** The head with the fields behind what it has. */
export function withFields(head, records) {
  return `${head.slice(0, -1)}${records.join("")}.`;
}

/**
 * Puts the fields of a head among the others, in place of those of their names. Whether the rest of the head can be read
 * is for others to say.
 */
function restore(headers, head) {
  let [at, name, last] = [1, "", undefined];
  while (at < head.length && head[at] !== ".") {
    const colon = head.indexOf(":", at);
    const end = colon + 1 + Number(head.slice(at + 1, colon));
    if (colon < 0 || !(end > at)) return headers;
    const text = head.slice(colon + 1, end);
    if (head[at] === "h") name = decodeURIComponent(text);
    if (head[at] === "i") {
      headers[name === last ? "append" : "set"](name, decodeURIComponent(text));
      last = name;
    }
    at = end;
  }
  return headers;
}

/** The fields of a head. */
export function fieldsOf(head) {
  return restore(new Headers(), head);
}

// ---- The edge cache. The default one belongs to no request.

function cacheOf(name) {
  if (name !== undefined) return caches.open(name);
  const cache = globalThis.caches?.default;
  if (!cache) throw new Error("there is no Cache API here");
  return cache;
}

// The private field an entry's head rides in.
const HEAD = "x-layercake";

// What is said anew of each answer, or by the cache itself.
const OTHERS = "age cf-cache-status";

// The records of a content coding and of Cache-Control among those of a head.
const CODED = "h16:content-encoding";
const CONTROLLED = "h13:cache-control";

// The fields that the Cache API acts on or overwrites; they travel in the head. Content codings too: what the local
// simulator and the runtime make of them on a hit differs.
const DISPLACED = [
  "cache-control",
  "cdn-cache-control",
  "cloudflare-cdn-cache-control",
  "expires",
  "pragma",
  "date",
  "vary",
  "set-cookie",
  "content-encoding",
  "cache-tag",
  "content-range",
];

// Look-ups under way, of all requests.
const lookUps = new Set();

/** Ends look-ups that have been under way for more than so many milliseconds. */
export function endOverdue(limit) {
  const latest = Date.now() - limit;
  for (const { since, end } of lookUps) if (since <= latest) end(new Error("no answer in time"));
}

/**
 * What the cache has: a response whose fields can be changed, its fields, its head, its length as announced, and whether its
 * body is in a content coding.
 */
export async function matchIn(name, url) {
  const cache = name === undefined ? cacheOf() : await cacheOf(name);
  const { promise, resolve, reject } = Promise.withResolvers();
  const lookUp = { since: Date.now(), end: reject };
  lookUps.add(lookUp);
  let match;
  try {
    cache.match(url).then(resolve, reject);
    match = await promise;
  } finally {
    lookUps.delete(lookUp);
  }
  if (!match) return undefined;
  const response = new Response(match.body, match);
  const { headers } = response;
  const head = headers.get(HEAD) ?? "";
  const found = [response, headers, head, headers.get("content-length") ?? "", head.includes(CODED)];
  // `Age` is said anew of each answer, and what is put back need not be taken off.
  headers.delete(HEAD);
  headers.delete("cf-cache-status");
  if (!head.includes(CONTROLLED)) headers.delete("cache-control");
  restore(headers, head);
  return found;
}

/** Stores a response of these fields and this body, with its head, for so many seconds, whole or not at all. */
export async function putIn(name, url, head, headers, seconds, body, length, enforced) {
  const cache = await cacheOf(name);
  const records = [];
  for (const field of DISPLACED) {
    if (!headers.has(field)) continue;
    // The one field whose lines cannot be joined (RFC 9110 section 5.3).
    const lines = field === "set-cookie" ? headers.getSetCookie() : [headers.get(field)];
    for (const line of lines) records.push(record(field, line));
    headers.delete(field);
  }
  removeAll(headers, OTHERS);
  headers.set(HEAD, withFields(head, records));
  headers.set("cache-control", `max-age=${seconds}`);
  const fitted = fit(body, length, enforced);
  await whole(
    fitted,
    () => cache.put(url, new Response(fitted, { headers })),
    () => cache.delete(url),
  );
}

export async function deleteIn(name, url) {
  await (await cacheOf(name)).delete(url);
}
