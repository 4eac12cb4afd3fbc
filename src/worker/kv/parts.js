// Steps of the KV tier in JavaScript: values in parts.
//
// A part is a value of its own, `part:NAME:GENERATION:N`, whose metadata says its length. The entry's own name has the manifest: the
// metadata `p` and a head, whose first record `m` says generation, number of parts, length of the whole and of each part but the last,
// joined by commas; where that is too large for metadata, they are the word `parts` and the value holds it. It is written when all parts
// are there.

import { bytesOf, withFields } from "../glue.js";
import { fitsMetadata, headOf, MAX_VALUE, putInto, reading } from "./kv.js";

const PART = 24 * 1024 * 1024;

// Parts are there for so many seconds longer than their manifest, which is written up to five minutes after the first of them, and
// may be in a regional cache for a while.
const LONGER = 900;

// How many parts are open while the first is read; the others are looked for, let go, and opened when their turn comes.
const OPEN = 4;

export const isPart = (metadata) => typeof metadata === "string" && metadata.startsWith("part ");
export const isManifest = (metadata) => typeof metadata === "string" && metadata[0] === "p" && !isPart(metadata);

/** The names of parts; the entry's own may be as long as KV allows. */
function partNames(name, generation, count) {
  return Array.from({ length: count }, (_, n) => `part:${name.slice(0, 450)}:${generation}:${n}`);
}

const partMetadata = (size) => `part ${size}`;

/** What a manifest says; nothing when it cannot be read. */
export async function manifestOf(name, value, metadata) {
  let text = metadata;
  if (text === "parts") text = new TextDecoder().decode(await bytesOf(value));
  else value.cancel().catch(() => {});
  const [all, generation, ...numbers] = /^p1m\d+:([0-9a-f]+),(\d+),(\d+),(\d+)/.exec(text) ?? [];
  const [count, total, size] = numbers.map(Number);
  if (!all || !(total > 0) || count > 9999 || count !== Math.ceil(total / size)) return undefined;
  const sizes = Array.from({ length: count }, (_, n) => Math.min(size, total - n * size));
  return { head: text.slice(1), names: partNames(name, generation, count), sizes };
}

const letGo = (streams) => streams.forEach((stream) => stream?.cancel().catch(() => {}));

/** A body in parts, as one stream, and its head; no body when one of the parts is not there as it should be. */
export async function assembled(namespace, manifest, cacheTtl) {
  if (!manifest) return [undefined, ""];
  const { head, names, sizes } = manifest;
  let failure;
  const open = async (n) => {
    try {
      const { value, metadata } = await namespace.getWithMetadata(names[n], reading("stream", cacheTtl));
      if (metadata === partMetadata(sizes[n])) return value ?? undefined;
      letGo([value]);
    } catch (error) {
      failure = error;
    }
    return undefined;
  };
  let parts = [];
  // The first ones come last, and stay.
  for (let at = OPEN * Math.floor((names.length - 1) / OPEN); at >= 0; at -= OPEN) {
    parts = await Promise.all(names.slice(at, at + OPEN).map((_, n) => open(at + n)));
    const missing = parts.includes(undefined);
    if (missing || at > 0) letGo(parts);
    if (missing && failure) throw failure;
    if (missing) return [undefined, head];
  }
  let [at, left, reader] = [0, 0, undefined];
  const source = {
    async pull(controller) {
      try {
        for (;;) {
          if (!reader && at === names.length) return controller.close();
          if (!reader) {
            const part = parts[at] ?? (await open(at));
            if (!part) throw failure ?? new Error("a part of the body has gone");
            [reader, left, parts[at]] = [part.getReader(), sizes[at], undefined];
            at++;
          }
          const { done, value } = await reader.read();
          if (!done) left -= value.length;
          if (left < 0 || (done && left > 0)) throw new Error("a part of the body is not of its length");
          if (done) reader = undefined;
          else if (value.length > 0) return controller.enqueue(value);
        }
      } catch (error) {
        letGo([reader, ...parts]);
        throw error;
      }
    },
    cancel: () => letGo([reader, ...parts]),
  };
  return [new ReadableStream(source, { highWaterMark: 0 }), head];
}

/** The names of the parts of what is there now, as far as this place knows. Parts that are not known of expire. */
async function partsOf(namespace, name) {
  try {
    const { value, metadata } = await namespace.getWithMetadata(name, reading("stream", 30));
    if (isManifest(metadata)) return (await manifestOf(name, value, metadata))?.names ?? [];
    letGo([value]);
  } catch {}
  return [];
}

async function removeAll(namespace, names) {
  for (const name of names) await namespace.delete(name).catch(() => {});
}

/** Puts what may be in parts, or replace something that is, if `split` says so. */
export function put(split, ...entry) {
  return (split ? putSplit : putInto)(...entry);
}

/**
 * As `putInto`, for bodies of any length, known or not: what is no value of KV is put in parts. The parts of what was there
 * before are deleted.
 */
async function putSplit(namespace, name, bare, headers, seconds, body, length, enforced, readable) {
  const replaced = partsOf(namespace, name);
  const putWhole = async (bare, body, length, enforced) => {
    await replaced;
    await putInto(namespace, name, bare, headers, seconds, body, length, enforced, readable);
  };
  if (length >= 0 && length + headOf(bare, headers).length <= MAX_VALUE) await putWhole(bare, body, length, enforced);
  else {
    const stream = body instanceof ReadableStream ? body : new Response(body).body;
    const generation = Array.from(crypto.getRandomValues(new Uint8Array(12)), (n) => n.toString(16).padStart(2, "0")).join("");
    const begun = [];
    const options = (size) => ({ expirationTtl: seconds + LONGER, metadata: partMetadata(size) });
    const put = (value, size) => {
      begun.push(partNames(name, generation, begun.length + 1).pop());
      return namespace.put(begun.at(-1), value, options(size));
    };
    const bytes = byteReader(stream);
    try {
      const short = length < 0 ? await putGathered(bytes, put) : await putPieces(bytes, length, put);
      const total = bytes.taken();
      bare = length < 0 ? withFields(bare, [`n${String(total).length}:${total}`]) : bare;
      if (short) await putWhole(bare, short, total, true);
      else {
        await replaced;
        const said = [generation, begun.length, total, PART].join(",");
        const manifest = `p1m${said.length}:${said}${headOf(bare, headers).slice(1)}`;
        const beside = fitsMetadata(manifest);
        const options = { expirationTtl: seconds, metadata: beside ? manifest : "parts" };
        await namespace.put(name, beside ? "" : manifest, options);
      }
    } catch (error) {
      bytes.cancel(error);
      await removeAll(namespace, begun);
      throw error;
    }
  }
  await removeAll(namespace, await replaced);
}

/** Reads a stream in pieces of at most so many bytes; `more` says whether there are any. */
function byteReader(stream) {
  const reader = stream.getReader();
  let [rest, taken] = [new Uint8Array(0), 0];
  const more = async () => {
    for (let next; rest.length === 0; rest = next.value) {
      next = await reader.read();
      if (next.done) return false;
    }
    return true;
  };
  const next = async (most) => {
    if (!(await more())) return undefined;
    const bytes = rest.subarray(0, most);
    rest = rest.subarray(bytes.length);
    taken += bytes.length;
    return bytes;
  };
  return { more, next, taken: () => taken, cancel: (reason) => void reader.cancel(reason).catch(() => {}) };
}

/** Puts a body of known length in parts, each of which streams. */
async function putPieces(bytes, length, put) {
  for (let at = 0; at < length; at += PART) {
    const size = Math.min(PART, length - at);
    const { readable, writable } = new FixedLengthStream(size);
    const writer = writable.getWriter();
    const done = put(readable, size);
    // A put that fails may leave its stream unread.
    const failed = done.then(() => new Promise(() => {}));
    failed.catch(() => {});
    try {
      for (let left = size; left > 0; ) {
        const piece = await bytes.next(left);
        if (!piece) throw new Error("the body is shorter than announced");
        await Promise.race([writer.write(piece), failed]);
        left -= piece.length;
      }
      await Promise.race([writer.close(), failed]);
      await done;
    } catch (error) {
      writer.abort(error).catch(() => {});
      await done.catch(() => {});
      throw error;
    }
  }
  if (await bytes.more()) throw new Error("the body is longer than announced");
}

/**
 * Puts a body of unknown length in parts, each of which is gathered while the one before is put: the stream is not to wait long.
 * One that ends within the first part is not put but returned.
 */
async function putGathered(bytes, put) {
  let done;
  try {
    for (let first = true; first || (await bytes.more()); first = false) {
      const part = new Uint8Array(PART);
      let size = 0;
      for (let piece; size < PART && (piece = await bytes.next(PART - size)); size += piece.length) part.set(piece, size);
      if (first && !(await bytes.more())) return part.slice(0, size);
      await done;
      done = put(part.subarray(0, size), size);
      done.catch(() => {});
    }
  } catch (error) {
    await done?.catch(() => {});
    throw error;
  }
  await done;
  return undefined;
}

/** Deletes what is there; if `split` says so, with its parts where it is in parts. */
export async function remove(split, namespace, name) {
  const parts = split ? await partsOf(namespace, name) : [];
  await namespace.delete(name);
  await removeAll(namespace, parts);
}
