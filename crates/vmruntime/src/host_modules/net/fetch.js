// `fetch`, `Headers`, `Request` and `Response` over the call with which the daemon makes a request.
(host) => {
  const { define, errors } = host;

  class Headers {
    #map = new Map();
    constructor(init) {
      if (init === undefined || init === null) return;
      const pairs = typeof init[Symbol.iterator] === "function" ? init : Object.entries(init);
      for (const [name, value] of pairs) this.append(name, value);
    }
    static #name(name) {
      const text = String(name).toLowerCase();
      if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(text)) throw new TypeError(`Invalid header name: ${JSON.stringify(String(name))}`);
      return text;
    }
    static #value(value) {
      const text = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");
      if (/[\0\r\n]/.test(text)) throw new TypeError("Invalid header value");
      return text;
    }
    append(name, value) {
      const key = Headers.#name(name);
      this.#map.set(key, [...(this.#map.get(key) ?? []), Headers.#value(value)]);
    }
    set(name, value) { this.#map.set(Headers.#name(name), [Headers.#value(value)]); }
    delete(name) { this.#map.delete(Headers.#name(name)); }
    has(name) { return this.#map.has(Headers.#name(name)); }
    get(name) { return this.#map.get(Headers.#name(name))?.join(", ") ?? null; }
    getSetCookie() { return [...(this.#map.get("set-cookie") ?? [])]; }
    forEach(callback, self) { for (const [name, value] of this) callback.call(self, value, name, this); }
    *entries() {
      for (const name of [...this.#map.keys()].sort()) {
        if (name === "set-cookie") for (const value of this.#map.get(name)) yield [name, value];
        else yield [name, this.#map.get(name).join(", ")];
      }
    }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return "Headers"; }
  }

  const bodyOf = (body) => {
    if (body === null || body === undefined) return { data: null };
    if (body instanceof URLSearchParams) {
      return { data: String(body), type: "application/x-www-form-urlencoded;charset=UTF-8" };
    }
    if (body instanceof ArrayBuffer) return { data: new Uint8Array(body) };
    if (ArrayBuffer.isView(body)) return { data: new Uint8Array(body.buffer, body.byteOffset, body.byteLength) };
    return { data: String(body), type: "text/plain;charset=UTF-8" };
  };
  const bytesOf = (data) => (data === null ? new Uint8Array(0) : typeof data === "string" ? host.encode(data) : data);

  class Body {
    #data;
    #used = false;
    constructor(data) { this.#data = data; }
    get bodyUsed() { return this.#used; }
    async #take() {
      if (this.#used) throw new TypeError("Body is unusable: Body has already been read");
      this.#used = this.#data !== null;
      return bytesOf(this.#data);
    }
    async bytes() { return (await this.#take()).slice(); }
    async arrayBuffer() { return (await this.bytes()).buffer; }
    async text() { return host.decode(await this.#take()); }
    async json() { return JSON.parse(await this.text()); }
    static copy(from) {
      if (from.bodyUsed) throw new TypeError("Body has already been used");
      return from.#data;
    }
  }

  class Request extends Body {
    constructor(input, init = {}) {
      const from = input instanceof Request ? input : undefined;
      const { data, type } = init?.body !== undefined ? bodyOf(init.body) : { data: from ? Body.copy(from) : null };
      super(data);
      const url = new URL(from ? from.url : input);
      if (url.username || url.password) {
        throw new TypeError(`Request cannot be constructed from a URL that includes credentials: ${url.href}`);
      }
      const method = String(init?.method ?? from?.method ?? "GET");
      const upper = method.toUpperCase();
      const values = {
        url: url.href,
        method: ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"].includes(upper) ? upper : method,
        headers: new Headers(init?.headers ?? from?.headers),
        redirect: init?.redirect ?? from?.redirect ?? "follow",
        signal: init?.signal ?? from?.signal ?? new AbortController().signal,
      };
      if (data !== null && ["GET", "HEAD"].includes(values.method)) {
        throw new TypeError("Request with GET/HEAD method cannot have body.");
      }
      if (!["follow", "error", "manual"].includes(values.redirect)) {
        throw errors.value("redirect", values.redirect, "must be 'follow', 'error' or 'manual'");
      }
      if (type && !values.headers.has("content-type")) values.headers.set("content-type", type);
      for (const [name, value] of Object.entries(values)) Object.defineProperty(this, name, { value, enumerable: true });
    }
    clone() { return new Request(this); }
    get [Symbol.toStringTag]() { return "Request"; }
  }

  class Response extends Body {
    constructor(body = null, init = {}, more = {}) {
      const { data, type } = bodyOf(body);
      super(data);
      const status = init?.status ?? 200;
      if (!Number.isInteger(status) || status < 200 || status > 599) {
        if (!more.url) throw new RangeError(`init["status"] must be in the range of 200 to 599, inclusive.`);
      }
      const headers = new Headers(init?.headers);
      if (type && !headers.has("content-type") && !more.url) headers.set("content-type", type);
      const values = {
        status,
        statusText: String(init?.statusText ?? ""),
        ok: status >= 200 && status <= 299,
        headers,
        url: more.url ?? "",
        redirected: more.redirected ?? false,
        type: more.url ? "basic" : "default",
      };
      for (const [name, value] of Object.entries(values)) Object.defineProperty(this, name, { value, enumerable: true });
    }
    clone() {
      return new Response(Body.copy(this), this, { url: this.url, redirected: this.redirected });
    }
    static json(data, init = {}) {
      const headers = new Headers(init?.headers);
      if (!headers.has("content-type")) headers.set("content-type", "application/json");
      return new Response(JSON.stringify(data), { ...init, headers });
    }
    static error() { return new Response(null, { status: 200 }, { url: "", redirected: false }); }
    get [Symbol.toStringTag]() { return "Response"; }
  }

  async function fetch(input, init) {
    const request = new Request(input, init);
    request.signal.throwIfAborted();
    const call = {
      url: request.url,
      method: request.method,
      headers: [...request.headers],
      body: Body.copy(request),
      redirect: request.redirect,
    };
    const timeout = request.signal.timeoutMs;
    if (timeout !== undefined) call.timeout_ms = Math.max(1, Math.ceil(timeout));
    let answer;
    try {
      answer = host.call("net", "fetch", call);
    } catch (cause) {
      if (cause.code === "ETIMEDOUT" && timeout !== undefined) {
        throw new DOMException("The operation was aborted due to timeout", "TimeoutError");
      }
      throw Object.assign(new TypeError(`fetch failed: ${cause.message}`, { cause }), cause.code ? { code: cause.code } : {});
    }
    const { status, status_text: statusText, headers, body, url, redirected } = answer;
    return new Response(body?.length ? body : null, { status, statusText, headers }, { url, redirected });
  }
  define({ Headers, Request, Response, fetch });
}
