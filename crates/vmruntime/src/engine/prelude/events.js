// `Event`, `EventTarget`, `AbortController`, `AbortSignal`, `DOMException`.
(host) => {
  const { define } = host;

  class DOMException extends Error {
    constructor(message = "", options = "Error") {
      super(message);
      const name = String(typeof options === "object" ? options.name ?? "Error" : options);
      // An own property is found by an inspection, which runs no code.
      Object.defineProperty(this, "name", { value: name, configurable: true });
      if (typeof options === "object" && "cause" in options) this.cause = options.cause;
    }
    get code() { return { AbortError: 20, TimeoutError: 23, DataCloneError: 25, InvalidCharacterError: 5 }[this.name] ?? 0; }
  }

  class Event {
    #type;
    #init;
    #prevented = false;
    stopped = false;
    constructor(type, init = {}) {
      this.#type = String(type);
      this.#init = init ?? {};
      Object.defineProperty(this, "stopped", { enumerable: false, writable: true });
      for (const name of ["target", "currentTarget"]) Object.defineProperty(this, name, { value: null, writable: true });
      Object.defineProperty(this, "timeStamp", { value: host.now() });
    }
    get type() { return this.#type; }
    get bubbles() { return Boolean(this.#init.bubbles); }
    get cancelable() { return Boolean(this.#init.cancelable); }
    get defaultPrevented() { return this.#prevented; }
    preventDefault() { if (this.cancelable) this.#prevented = true; }
    stopPropagation() {}
    stopImmediatePropagation() { this.stopped = true; }
  }

  class CustomEvent extends Event {
    #detail;
    constructor(type, init = {}) {
      super(type, init);
      this.#detail = init?.detail ?? null;
    }
    get detail() { return this.#detail; }
  }

  class EventTarget {
    #listeners = new Map();
    addEventListener(type, listener, options) {
      if (listener === null || listener === undefined) return;
      const { once = false, signal } = typeof options === "object" && options !== null ? options : {};
      if (signal?.aborted) return;
      const known = this.#listeners.get(String(type)) ?? [];
      if (known.some((entry) => entry.listener === listener)) return;
      this.#listeners.set(String(type), [...known, { listener, once }]);
      signal?.addEventListener("abort", () => this.removeEventListener(type, listener), { once: true });
    }
    removeEventListener(type, listener) {
      const known = this.#listeners.get(String(type)) ?? [];
      this.#listeners.set(String(type), known.filter((entry) => entry.listener !== listener));
    }
    dispatchEvent(event) {
      event.target = event.currentTarget = this;
      const handler = this[`on${event.type}`];
      if (typeof handler === "function") handler.call(this, event);
      for (const { listener, once } of this.#listeners.get(event.type) ?? []) {
        if (event.stopped) break;
        if (once) this.removeEventListener(event.type, listener);
        if (typeof listener === "function") listener.call(this, event);
        else listener.handleEvent(event);
      }
      return !event.defaultPrevented;
    }
  }

  const make = Symbol("make");
  const abort = Symbol("abort");
  class AbortSignal extends EventTarget {
    #aborted = false;
    #reason;
    onabort = null;
    constructor(key) {
      if (key !== make) throw new TypeError("Illegal constructor");
      super();
      Object.defineProperty(this, "onabort", { enumerable: false });
    }
    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }
    [abort](reason = new DOMException("This operation was aborted", "AbortError")) {
      if (this.#aborted) return;
      this.#aborted = true;
      this.#reason = reason;
      this.dispatchEvent(new Event("abort"));
    }
    static abort(reason) {
      const signal = new AbortSignal(make);
      signal[abort](reason);
      return signal;
    }
    static timeout(ms) {
      const signal = new AbortSignal(make);
      Object.defineProperty(signal, "timeoutMs", { value: Number(ms) });
      host.later(() => signal[abort](new DOMException("The operation was aborted due to timeout", "TimeoutError")), signal.timeoutMs);
      return signal;
    }
    static any(signals) {
      const any = new AbortSignal(make);
      for (const signal of signals) {
        if (signal.aborted) {
          any[abort](signal.reason);
          break;
        }
        signal.addEventListener("abort", () => any[abort](signal.reason), { once: true });
      }
      return any;
    }
  }
  class AbortController {
    #signal = new AbortSignal(make);
    get signal() { return this.#signal; }
    abort(reason) { this.#signal[abort](reason); }
  }
  define({ DOMException, Event, CustomEvent, EventTarget, AbortSignal, AbortController });
}
