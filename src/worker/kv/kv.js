// The steps of the KV tier in JavaScript (see ../glue.js). Values in parts are in parts.js.

import { bytesOf, fit, joined, message, record, whole, withFields } from "../glue.js";
import { assembled, isManifest, isPart, manifestOf } from "./parts.js";

// The platform's limit, in bytes.
export const MAX_VALUE = 25 * 1024 * 1024;

// Room for a head in an envelope.
const MAX_HEAD = 256 * 1024;

// The metadata of a value that is an envelope.
const ENVELOPE = "envelope";

/**
 * The body of an entry and its head; nothing when there is none. A body of more than `small` bytes is a stream, another one a buffer, and one
 * that cannot be had is missing. In parts: see parts.js.
 */
export async function getFrom(namespace, name, cacheTtl, small) {
  const { value, metadata } = await namespace.getWithMetadata(name, reading("stream", cacheTtl));
  if (value === null) return undefined;
  if (isManifest(metadata)) return assembled(namespace, await manifestOf(name, value, metadata), cacheTtl);
  if (lengthIn(metadata) > small) return [value, metadata];
  try {
    return opened(await bytesOf(value), metadata);
  } catch {
    return [undefined, metadata];
  }
}

/** Body and head of a value whose bytes these are. */
function opened(bytes, metadata) {
  let head = metadata;
  if (head === ENVELOPE) {
    const front = new TextDecoder("latin1").decode(bytes.subarray(0, MAX_HEAD));
    const end = find(front, ".") + 1;
    [head, bytes] = [front.slice(0, end), bytes.subarray(end)];
  }
  return [String(head).startsWith(BASE64, 1) ? fromBase64(bytes) : bytes, head];
}

/** The body's length that a head says, if it does. */
function lengthIn(head) {
  const at = find(String(head), "n");
  return at < 0 ? undefined : parseInt(head.slice(head.indexOf(":", at) + 1));
}

/** Where the first record with this letter stands in a head, or its final mark; -1 when there is none (entry/wire.rs). */
function find(head, letter) {
  let at = 1;
  while (head[at] !== letter) {
    const colon = head.indexOf(":", at);
    const end = colon + 1 + Number(head.slice(at + 1, colon));
    if (colon < 0 || !(end > at)) return -1;
    at = end;
  }
  return at;
}

/**
 * The words of an error, and behind them what kind it is: e(xhausted), t(hrottled), r(efused) or f(ailed). KV tells its errors apart by their texts
 * alone: `KV PUT failed: 429 Too Many Requests`, `KV put() limit exceeded for the day.`, and `Too many subrequests.` from a request that has used
 * up its own. What the store says no to with another 4xx it will not say yes to later.
 */
export function failure(error) {
  const text = message(error);
  const status = / failed: (...)/.exec(text)?.[1];
  if (text.includes("limit exceeded")) return `${text}e`;
  if (status === "429") return `${text}t`;
  const refused = status ? /^4\d\d$/.test(status) && status !== "408" && status !== "425" : text.includes("Too many ");
  return text + (refused ? "r" : "f");
}

export function reading(type, cacheTtl) {
  return cacheTtl > 0 ? { type, cacheTtl } : { type };
}

/**
 * Stores a body with its head: in the metadata, where it fits the platform's 1,024 bytes, else in front of the body, and the
 * metadata is then the word `envelope`. A body of up to so many bytes is put so that a bulk read can give it back.
 */
export async function putInto(namespace, name, bare, headers, seconds, body, length, enforced, readable) {
  let head = headOf(bare, headers);
  if (length + head.length > MAX_VALUE) throw new Error("a KV value holds at most 25 MiB");
  let value = fit(body, length, enforced) ?? "";
  if (length >= 0 && length <= readable) {
    value = await bytesOf(value);
    if (!isPlain(value)) {
      value = new TextEncoder().encode(toBase64(value));
      head = `1${BASE64}${head.slice(1)}`;
    }
  }
  const beside = fitsMetadata(head);
  if (!beside) {
    const front = new TextEncoder().encode(head);
    const rest = await bytesOf(value);
    value = joined([front, rest]);
  }
  const options = { expirationTtl: seconds, metadata: beside ? head : ENVELOPE };
  // A deletion costs as much as a write: only of what may be there.
  const remove = () => (value.whole === false ? namespace.delete(name) : undefined);
  await whole(value, () => namespace.put(name, value, options), remove);
}

export function headOf(bare, headers) {
  return withFields(bare, Array.from(headers, ([field, value]) => record(field, value)));
}

export function fitsMetadata(text) {
  return JSON.stringify(text).length <= 1024;
}

// The record (entry/wire.rs) of a value that is kept as base64. It is the first one of its head.
const BASE64 = "x6:base64";

/** Whether a bulk read gives these bytes back: it knows text alone, and what it makes of other bytes is U+FFFD. */
function isPlain(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return !text.startsWith("\ufeff") && !text.includes("\ufffd");
  } catch {
    return false;
  }
}

function toBase64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

/** The bytes behind base64. */
function fromBase64(bytes) {
  return Uint8Array.from(atob(new TextDecoder().decode(bytes)), (c) => c.charCodeAt(0));
}

// How many keys one bulk read takes, and how many bulk reads are under way at a time: each may bring 25 MB.
const MAX_BULK = 100;
const BULKS = 2;

/**
 * For each name what KV has, in their order: nothing, an error, or body and head of an entry. The body is missing where the value has to
 * be read by itself: whatever is wrong with a text may be so because it is one.
 */
export async function getManyFrom(namespace, names, cacheTtl) {
  const found = new Map();
  const distinct = [...new Set(names)];
  const steps = [];
  for (let at = 0; at < distinct.length; at += MAX_BULK) steps.push(distinct.slice(at, at + MAX_BULK));
  const options = reading("text", cacheTtl);
  const encoder = new TextEncoder();
  const read = async (some) => {
    let entries;
    try {
      entries = await namespace.getWithMetadata(some, options);
    } catch (error) {
      if (!/ 413\b/.test(error.message)) for (const name of some) found.set(name, error);
      else if (some.length === 1) found.set(some[0], [undefined, ""]);
      else {
        const middle = some.length >> 1;
        await read(some.slice(0, middle));
        await read(some.slice(middle));
      }
      return;
    }
    for (const [name, entry] of entries) {
      if (typeof entry?.value !== "string") continue;
      const { value, metadata } = entry;
      found.set(name, [undefined, ""]);
      if (isManifest(metadata) || value.includes("\ufffd")) continue;
      try {
        found.set(name, opened(encoder.encode(value), metadata));
      } catch {}
    }
  };
  const worker = async () => {
    for (let some; (some = steps.shift()); ) await read(some);
  };
  await Promise.all(Array.from({ length: BULKS }, worker));
  return names.map((name) => found.get(name));
}

/** A page of the names with a prefix: the cursor of the next one, then name, expiration and metadata of each. */
export async function listFrom(namespace, prefix, cursor, limit) {
  const page = await namespace.list({ prefix, limit, ...(cursor && { cursor }) });
  const listed = [page.list_complete ? undefined : page.cursor];
  for (const { name, expiration, metadata } of page.keys) {
    if (!isPart(metadata)) listed.push(name, expiration, isManifest(metadata) ? metadata.slice(1) : metadata);
  }
  return listed;
}
