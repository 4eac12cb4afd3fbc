// Lists of items with parameters (RFC 9651), as far as Cache-Status needs them. Tokens come out as { token }.
const TOKEN = /^[A-Za-z*][!#$%&'*+.^_`|~\w:/-]*/;
const STRING = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"/;
const NUMBER = /^-?(?:\d{1,12}\.\d{1,3}|\d{1,15})(?![\d.])/;
const KEY = /^[a-z*][a-z0-9_.*-]*/;

class Reader {
  constructor(text) {
    this.rest = text.replace(/^ +| +$/g, "");
  }

  take(pattern) {
    const match = pattern.exec(this.rest);
    if (match) this.rest = this.rest.slice(match[0].length);
    return match;
  }

  need(pattern, what) {
    const match = this.take(pattern);
    if (!match) throw new SyntaxError(`no ${what} at "${this.rest}"`);
    return match;
  }

  value() {
    let match;
    if ((match = this.take(STRING))) return match[1].replace(/\\(.)/g, "$1");
    if ((match = this.take(/^\?([01])/))) return match[1] === "1";
    if ((match = this.take(NUMBER))) return Number(match[0]);
    if ((match = this.take(/^:([A-Za-z0-9+/=]*):/))) return { bytes: match[1] };
    return { token: this.need(TOKEN, "value")[0] };
  }

  member() {
    const item = { value: this.value(), params: {} };
    while (this.take(/^; */)) {
      const key = this.need(KEY, "parameter")[0];
      item.params[key] = this.take(/^=/) ? this.value() : true;
    }
    return item;
  }
}

/** The members of a list; throws SyntaxError when it is not one. */
export function parseList(text) {
  const reader = new Reader(text);
  const members = [];
  while (reader.rest) {
    members.push(reader.member());
    if (!reader.rest) break;
    reader.need(/^[ \t]*,[ \t]*/, "comma");
    if (!reader.rest) throw new SyntaxError("a comma at the end");
  }
  return members;
}
