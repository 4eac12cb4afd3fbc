// @unkey/cache with its Cloudflare store. It is a cache for values, so the Worker keeps an answer's headers and its body, as text, under
// the URL, and lets `swr` look it up, load it and refresh it.
import { Namespace, createCache } from "@unkey/cache";
import { CloudflareStore } from "@unkey/cache/stores";
import { BRIEF_MS, route } from "./pages.mjs";

const DAY_MS = 86_400_000;
const stores = [new CloudflareStore({ cloudflareApiKey: "none", zoneId: "none", domain: "bench.example" })];

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (request.method !== "GET" || !/^\/(item|heads|stale|origin)\//.test(url.pathname)) return route(url);
    const cache = createCache({
      day: new Namespace(ctx, { stores, fresh: DAY_MS, stale: DAY_MS }),
      brief: new Namespace(ctx, { stores, fresh: BRIEF_MS, stale: DAY_MS }),
    });
    let asked = false;
    let made;
    const kept = url.pathname.startsWith("/stale/") ? cache.brief : cache.day;
    const { val, err } = await kept.swr(url.pathname.slice(1) + url.search, async () => {
      asked = true;
      const response = await route(url);
      return (made = { headers: [...response.headers], body: await response.text() });
    });
    if (err) throw err;
    const response = new Response(val.body, { headers: val.headers });
    response.headers.set("x-cache", !asked ? "HIT" : val === made ? "MISS" : "STALE");
    return response;
  },
};
