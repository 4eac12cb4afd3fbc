// What the handlers of benches/worker answer, for the candidates in JavaScript.

const NAMES = [..."abcdefghijklmnopqrst"].map((letter) => `x-${letter}`);

export const DAY = "public, max-age=86400";

/** How long what /stale answers is fresh. */
export const BRIEF_MS = 1000;

export function bytes(size, cacheControl, more = []) {
  const body = new Uint8Array(size);
  for (let i = 0; i < size; i++) body[i] = 97 + (i % 26);
  const headers = [
    ["content-type", "application/octet-stream"],
    ["cache-control", cacheControl],
    ["etag", `"${size}"`],
    ["x-content-type-options", "nosniff"],
    ...more,
  ];
  return new Response(body, { headers });
}

/** Twenty fields, 4 KB. */
export const heads = (size) => bytes(size, DAY, NAMES.map((name) => [name, "v".repeat(196)]));

/** Lifetimes of what comes from the origin, by the first part of its path. */
const SECONDS = { day: 86400, brief: 2, behind: 2 };

export async function fromOrigin({ pathname, search }) {
  const response = await fetch(`http://origin.example${pathname}${search}`);
  if (!response.ok || response.headers.has("cache-control")) return response;
  const seconds = SECONDS[pathname.split("/")[2]] ?? 5;
  return new Response(response.body, { headers: [...response.headers, ["cache-control", `public, max-age=${seconds}`]] });
}

/** A router's work by one expression, as short as it gets. */
export function route(url) {
  const path = url.pathname;
  if (path.startsWith("/origin/")) return fromOrigin(url);
  const [, kind, size] = /^\/(item|bypass|stale|heads)\/(\d+)$/.exec(path) ?? [];
  if (kind === "heads") return heads(Number(size));
  if (kind === "stale") return bytes(Number(size), "public, max-age=1, stale-while-revalidate=86400");
  if (kind) return bytes(Number(size), kind === "item" ? DAY : "no-store");
  return path === "/" ? new Response("hello") : new Response("Not Found", { status: 404 });
}
