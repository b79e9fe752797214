// `URL` and `URLSearchParams` over native functions that parse.
(host) => {
  const { define, errors } = host;
  const PARTS = ["href", "origin", "protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];

  const pairsOf = (query) => host.parseQuery(query.replace(/^\?/, ""));

  let refill;
  class URLSearchParams {
    #pairs = [];
    #changed;
    static {
      refill = (params, query) => { params.#pairs = pairsOf(query); };
    }
    constructor(init = "", changed) {
      this.#changed = changed;
      if (typeof init === "object" && init !== null) {
        const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
        for (const pair of pairs) {
          const [name, value, ...rest] = pair;
          if (value === undefined || rest.length > 0) {
            throw errors.coded(TypeError, "ERR_INVALID_TUPLE", "Each query pair must be an iterable [name, value] tuple");
          }
          this.#pairs.push([String(name), String(value)]);
        }
      } else {
        this.#pairs = pairsOf(String(init));
      }
    }
    #change(pairs) {
      this.#pairs = pairs;
      this.#changed?.(this.toString());
    }
    get size() { return this.#pairs.length; }
    append(name, value) { this.#change([...this.#pairs, [String(name), String(value)]]); }
    delete(name, value) {
      this.#change(this.#pairs.filter(([n, v]) => n !== String(name) || (value !== undefined && v !== String(value))));
    }
    get(name) { return this.#pairs.find(([n]) => n === String(name))?.[1] ?? null; }
    getAll(name) { return this.#pairs.filter(([n]) => n === String(name)).map(([, v]) => v); }
    has(name, value) {
      return this.#pairs.some(([n, v]) => n === String(name) && (value === undefined || v === String(value)));
    }
    set(name, value) {
      const at = this.#pairs.findIndex(([n]) => n === String(name));
      if (at < 0) return this.append(name, value);
      const others = this.#pairs.filter(([n], index) => n !== String(name) || index === at);
      this.#change(others.map((pair, index) => (index === at ? [pair[0], String(value)] : pair)));
    }
    sort() { this.#change([...this.#pairs].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))); }
    forEach(callback, self) { for (const [name, value] of this.#pairs) callback.call(self, value, name, this); }
    *entries() { yield* this.#pairs.map((pair) => [...pair]); }
    *keys() { for (const [name] of this.#pairs) yield name; }
    *values() { for (const [, value] of this.#pairs) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return host.formatQuery(this.#pairs); }
    get [Symbol.toStringTag]() { return "URLSearchParams"; }
  }

  class URL {
    #parts;
    #params;
    constructor(input, base) {
      const parts = host.parseUrl(String(input), base === undefined ? undefined : String(base));
      if (!parts) throw Object.assign(errors.coded(TypeError, "ERR_INVALID_URL", "Invalid URL"), { input: String(input) });
      this.#parts = parts;
    }
    #set(name, value) {
      const parts = host.setUrl(this.#parts[0], name, String(value));
      if (parts) this.#parts = parts;
      else if (name === "href") throw errors.coded(TypeError, "ERR_INVALID_URL", "Invalid URL");
      // A URL has one `searchParams` object for its whole life, which scripts may hold.
      if (this.#params && (name === "href" || name === "search")) refill(this.#params, this.#parts[PARTS.indexOf("search")]);
    }
    static {
      PARTS.forEach((name, index) => {
        const accessor = {
          get [name]() { return this.#parts[index]; },
          set [name](value) { this.#set(name, value); },
        };
        const { get, set } = Object.getOwnPropertyDescriptor(accessor, name);
        const property = { get, configurable: true, enumerable: true };
        if (name !== "origin") property.set = set;
        Object.defineProperty(this.prototype, name, property);
      });
    }
    get searchParams() {
      this.#params ??= new URLSearchParams(this.search, (query) => this.#set("query", query));
      return this.#params;
    }
    toString() { return this.#parts[0]; }
    toJSON() { return this.#parts[0]; }
    get [Symbol.toStringTag]() { return "URL"; }
    static canParse(input, base) { return Boolean(host.parseUrl(String(input), base === undefined ? undefined : String(base))); }
    static parse(input, base) { return URL.canParse(input, base) ? new URL(input, base) : null; }
  }
  define({ URL, URLSearchParams });
}
