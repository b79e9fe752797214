// `TextEncoder`, `TextDecoder`, `performance` and `crypto` over native functions.
(host) => {
  const { define, errors } = host;

  const bytesOf = (data) => {
    if (data instanceof ArrayBuffer || (typeof SharedArrayBuffer === "function" && data instanceof SharedArrayBuffer)) {
      return new Uint8Array(data);
    }
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    throw errors.type("input", "an instance of ArrayBuffer or ArrayBufferView", data);
  };

  class TextEncoder {
    get encoding() { return "utf-8"; }
    encode(text = "") { return host.encode(String(text)); }
    encodeInto(text, target) {
      let read = 0;
      let written = 0;
      for (const character of String(text)) {
        const bytes = host.encode(character);
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += character.length;
      }
      return { read, written };
    }
  }

  const LABELS = { "utf-8": "utf-8", utf8: "utf-8", "unicode-1-1-utf-8": "utf-8", ascii: "latin1", latin1: "latin1", "iso-8859-1": "latin1", "utf-16le": "utf-16le", "utf-16": "utf-16le" };
  class TextDecoder {
    #encoding;
    #fatal;
    #ignoreBOM;
    #rest = new Uint8Array(0);
    constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
      this.#encoding = LABELS[String(label).trim().toLowerCase()];
      if (!this.#encoding) {
        throw errors.coded(RangeError, "ERR_ENCODING_NOT_SUPPORTED", `The "${label}" encoding is not supported`);
      }
      this.#fatal = Boolean(fatal);
      this.#ignoreBOM = Boolean(ignoreBOM);
    }
    get encoding() { return this.#encoding === "latin1" ? "windows-1252" : this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(input, { stream = false } = {}) {
      const fresh = input === undefined ? new Uint8Array(0) : bytesOf(input);
      const bytes = new Uint8Array(this.#rest.length + fresh.length);
      bytes.set(this.#rest);
      bytes.set(fresh, this.#rest.length);
      const keep = stream ? host.unfinished(bytes, this.#encoding) : 0;
      this.#rest = bytes.slice(bytes.length - keep);
      const text = host.decode(bytes.subarray(0, bytes.length - keep), this.#encoding, this.#fatal);
      if (text === undefined) {
        throw errors.coded(TypeError, "ERR_ENCODING_INVALID_ENCODED_DATA", `The encoded data was not valid for encoding ${this.encoding}`);
      }
      return !this.#ignoreBOM && text.startsWith("\uFEFF") ? text.slice(1) : text;
    }
  }

  const performance = {
    now: () => host.now(),
    get timeOrigin() { return host.timeOrigin(); },
    toJSON: () => ({ timeOrigin: host.timeOrigin() }),
  };

  const integers = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array];
  const crypto = {
    getRandomValues(array) {
      if (!integers.some((Class) => array instanceof Class)) {
        throw new DOMException("The data argument must be an integer-type TypedArray", "TypeMismatchError");
      }
      if (array.byteLength > 65536) {
        throw new DOMException(`The requested length exceeds 65,536 bytes: ${array.byteLength}`, "QuotaExceededError");
      }
      new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(host.random(array.byteLength));
      return array;
    },
    randomUUID: () => host.uuid(),
  };
  Object.defineProperty(crypto, Symbol.toStringTag, { value: "Crypto", configurable: true });
  Object.defineProperty(performance, Symbol.toStringTag, { value: "Performance", configurable: true });
  define({ TextEncoder, TextDecoder, performance, crypto });
}
