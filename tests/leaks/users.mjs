// Who asks. Alice and Bob are known to the origin by a session cookie or a bearer token; a stranger is not.

/** By what the origin knows a user: the fields of his requests. */
const cookie = (user) => ({ cookie: `session=${user}` });
const bearer = (user) => ({ authorization: `Bearer ${user}` });

export const alice = { who: "alice", headers: cookie("alice") };
export const bob = { who: "bob", headers: cookie("bob") };
export const stranger = { who: "the stranger", headers: {} };
export const aliceByToken = { who: "alice", headers: bearer("alice") };
export const bobByToken = { who: "bob", headers: bearer("bob") };

/** `user`, asking with more: `path` is appended to that of the case, `headers` are added to the user's own. */
export const asking = (user, { headers, ...rest }) => ({ ...user, ...rest, headers: { ...user.headers, ...headers } });

/** The stranger with these fields. */
export const having = (headers, rest = {}) => asking(stranger, { headers, ...rest });

/** Whose request it is, as an origin sees it that reads cookies the lenient way. */
export function owner(headers) {
  const known = `${headers.cookie ?? ""} ${headers.authorization ?? ""}`;
  return /(?:session=|Bearer |bearer )(\w+)/.exec(known)?.[1] ?? "a stranger";
}
