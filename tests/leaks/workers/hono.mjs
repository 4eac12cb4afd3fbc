// hono/cache as its documentation begins: `cacheName` and `cacheControl`, with a minute. All else is its default.
import { Hono } from "hono";
import { cache } from "hono/cache";

const app = new Hono();
app.get("*", cache({ cacheName: "leaks", cacheControl: "max-age=60" }));
app.all("*", (c) => fetch(c.req.raw));

export default app;
