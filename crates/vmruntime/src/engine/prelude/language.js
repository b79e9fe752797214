// Functions that programs expect and that an engine may lack or implement in another way.
(host) => {
  const { define } = host;
  const { DOMException, atob, btoa, clearTimeout, setTimeout, structuredClone } = globalThis;

  // The native functions throw a text that begins with the name of a `DOMException`.
  const named = (name, function_) => (...args) => {
    try {
      return function_(...args);
    } catch (thrown) {
      const text = String(typeof thrown === "string" ? thrown : thrown?.message);
      throw text.startsWith(`${name}: `) ? new DOMException(text.slice(name.length + 2), name) : thrown;
    }
  };
  const decode = named("InvalidCharacterError", atob);
  const encode = named("InvalidCharacterError", btoa);
  const clone = named("DataCloneError", structuredClone);

  define({
    atob: function atob(data) {
      return decode(data);
    },
    btoa: function btoa(data) {
      return encode(data);
    },
    structuredClone: function structuredClone(value, options) {
      return clone(value, options);
    },
    setImmediate: function setImmediate(callback, ...args) {
      return setTimeout(callback, 0, ...args);
    },
    clearImmediate: function clearImmediate(timer) {
      clearTimeout(timer);
    },
  });

  const method = (object, name, value) =>
    Object.defineProperty(object, name, { value, writable: true, enumerable: false, configurable: true });

  // Errors have their stack from the start; other objects get one here.
  method(Error, "captureStackTrace", function captureStackTrace(target) {
    if (Error.isError?.(target) || target instanceof Error) return;
    const { name = "Error", message = "" } = target;
    const frames = new Error().stack.split("\n").slice(1);
    const headline = message === "" ? `${name}` : `${name}: ${message}`;
    method(target, "stack", [headline, ...frames].join("\n"));
  });

  if (!Array.fromAsync) {
    method(Array, "fromAsync", async function fromAsync(items, map, thisArg) {
      if (map !== undefined && typeof map !== "function") throw new TypeError(`${String(map)} is not a function`);
      const result = typeof this === "function" ? new this() : [];
      let index = 0;
      const add = async (item) => {
        const value = map ? await map.call(thisArg, item, index) : item;
        Object.defineProperty(result, index++, { value, writable: true, enumerable: true, configurable: true });
      };
      if (items[Symbol.asyncIterator] || items[Symbol.iterator]) {
        for await (const item of items) await add(item);
      } else {
        const { length } = items;
        while (index < length) await add(await items[index]);
      }
      result.length = index;
      return result;
    });
  }
}
