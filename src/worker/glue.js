// Steps that are one crossing from WebAssembly here and would be five to seventeen there. Each crossing costs about as much
// as the call it makes.

// The property that tells an inner door that an outer one has the request in hand (IN_HAND in js.rs).
const HANDLED = "layercake in hand";

/** Takes the request in hand: its method and URL with a space between, or nothing when an outer door has it already. */
export function takeInHand(request) {
  if (request[HANDLED]) return "";
  request[HANDLED] = true;
  return `${request.method} ${request.url}`;
}

/** Which of up to 32 names are among the fields, one bit each. */
export function present(headers, names) {
  let bits = 0;
  for (let i = 0; i < names.length; i++) if (headers.has(names[i])) bits |= 1 << i;
  return bits;
}

/**
 * A match of the Cache API as a response whose fields can be changed: itself, its fields, what they had as `head`, and its
 * length as announced. The fields `head` and `status`, which are not the origin's, are gone from it.
 */
export function openMatch(match, head, status) {
  const response = new Response(match.body, match);
  const { headers } = response;
  const opened = [response, headers, headers.get(head), headers.get("content-length")];
  headers.delete(head);
  headers.delete(status);
  return opened;
}
