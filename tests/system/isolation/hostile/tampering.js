// Snippets that change the builtins on which later code of the session depends. Each is run twice:
// in a session of its own, which must go on, and in an execution that is rolled back, which must
// leave no trace.

//# object_prototype_setters
for (const name of ['status', 'value', 'get', 'set', 'writable', 'enumerable', 'configurable', 'done', 'next', 'message', 'stack', 'name', 'cause', 'type', 'preview', 'json', 'length', 'text', 'level', 'code', 'path', 'default', 'with', 'module', 'exports']) {
  Object.defineProperty(Object.prototype, name, { configurable: true, get() { while (true); }, set() { while (true); } });
}

//# object_prototype_values
for (const name of ['get', 'set', 'value', 'then', 'toJSON', 'inspect', 'constructor', 'encoding', 'named']) Object.prototype[name] = 'x'

//# object_prototype_then
Object.prototype.then = function () { while (true); }

//# object_prototype_to_json
Object.prototype.toJSON = function () { while (true); }

//# object_prototype_hooks
Object.prototype[Symbol.for('nodejs.util.inspect.custom')] = function () { while (true); };
Object.prototype[Symbol.toPrimitive] = function () { while (true); };
Object.defineProperty(Object.prototype, Symbol.toStringTag, { get() { while (true); } })

//# object_prototype_proto
Object.defineProperty(Object.prototype, '__proto__', { get() { while (true); }, set() { while (true); } })

//# object_prototype_frozen
for (const name of Reflect.ownKeys(Object.prototype)) delete Object.prototype[name];
Object.freeze(Object.prototype)

//# array_prototype_methods
for (const name of Reflect.ownKeys(Array.prototype)) if (name !== 'length') Array.prototype[name] = () => { while (true); }

//# array_prototype_indices
for (let i = 0; i < 10; i++) Object.defineProperty(Array.prototype, i, { get() { while (true); }, set() { while (true); } })

//# array_iterators
Array.prototype[Symbol.iterator] = function* () { while (true) yield 1; };
Object.getPrototypeOf([].keys()).next = () => ({ done: false, value: 1 })

//# array_without_prototype
Object.setPrototypeOf(Array.prototype, null)

//# promise_then
Promise.prototype.then = () => { while (true); }

//# promise_resolve
Promise.resolve = Promise.reject = Promise.all = Promise.prototype.finally = Promise.prototype.catch = () => { while (true); }

//# promise_species
Object.defineProperty(Promise, Symbol.species, { get() { while (true); } });
Object.defineProperty(Promise.prototype, 'constructor', { get() { while (true); } })

//# promise_gone
Promise = undefined

//# function_call
Function.prototype.call = Function.prototype.apply = Function.prototype.bind = function () { while (true); }

//# function_to_string
Function.prototype.toString = Function.prototype[Symbol.hasInstance] = () => { while (true); }

//# function_constructor
Object.defineProperty(Function.prototype, 'constructor', { get() { while (true); } });
Function = eval = () => { while (true); }

//# symbols
Symbol.for = Symbol.keyFor = () => { while (true); };
Object.defineProperty(Symbol.prototype, 'description', { get() { while (true); } });
Symbol = { iterator: 'x', asyncIterator: 'y', for: undefined }

//# errors
Error.prepareStackTrace = () => { while (true); };
Error.captureStackTrace = () => { while (true); };
Object.defineProperty(Error, 'stackTraceLimit', { get() { while (true); } });
throw new Error('x')

//# error_prototypes
for (const type of [Error, TypeError, RangeError, SyntaxError, ReferenceError, AggregateError]) {
  for (const name of ['name', 'message', 'stack', 'cause', 'toString', 'constructor', 'code']) {
    Object.defineProperty(type.prototype, name, { get() { while (true); }, set() { while (true); } });
  }
}
null.x

//# errors_gone
Error = TypeError = RangeError = SyntaxError = ReferenceError = undefined;
null.x

//# strings
for (const name of Object.getOwnPropertyNames(String.prototype)) if (name !== 'length') String.prototype[name] = () => { while (true); };
String.prototype[Symbol.iterator] = function* () { while (true) yield 'x'; }

//# numbers
Number.prototype.toString = BigInt.prototype.toString = Number.prototype.valueOf = Boolean.prototype.toString = () => { while (true); }

//# regular_expressions
RegExp.prototype.exec = RegExp.prototype[Symbol.replace] = RegExp.prototype[Symbol.split] = RegExp.prototype.test = () => { while (true); };
for (const name of ['source', 'flags', 'lastIndex']) Object.defineProperty(RegExp.prototype, name, { get() { while (true); } })

//# collections
for (const type of [Map, Set, WeakMap, WeakSet]) {
  for (const name of Object.getOwnPropertyNames(type.prototype)) Object.defineProperty(type.prototype, name, { get() { while (true); } });
}
Map.prototype[Symbol.iterator] = Set.prototype[Symbol.iterator] = function* () { while (true) yield [1, 1]; }

//# typed_arrays
const typed = Object.getPrototypeOf(Uint8Array.prototype);
for (const name of Object.getOwnPropertyNames(typed)) Object.defineProperty(typed, name, { get() { while (true); } });
Object.defineProperty(typed, Symbol.toStringTag, { get() { while (true); } });
Object.defineProperty(ArrayBuffer.prototype, 'byteLength', { get() { while (true); } })

//# dates
Date.now = Date.prototype.toISOString = Date.prototype.toJSON = Date.prototype.valueOf = Date.prototype.getTime = Date.prototype[Symbol.toPrimitive] = () => { while (true); }

//# generators
const generator = Object.getPrototypeOf(function* () {}).prototype;
const asyncGenerator = Object.getPrototypeOf(async function* () {}).prototype;
generator.next = generator.return = asyncGenerator.next = asyncGenerator.return = () => { while (true); }

//# object_functions
for (const name of Object.getOwnPropertyNames(Object)) if (typeof Object[name] === 'function') Object[name] = () => { while (true); }

//# reflection
for (const name of Object.getOwnPropertyNames(Reflect)) Reflect[name] = () => { while (true); };
Proxy = Reflect = undefined

//# json
JSON.stringify = JSON.parse = () => { while (true); };
JSON = new Proxy({}, { get() { while (true); } })

//# console
for (const name of Object.getOwnPropertyNames(console)) console[name] = () => { while (true); };
console = new Proxy({}, { get() { while (true); } })

//# timers
setTimeout = setInterval = clearTimeout = clearInterval = queueMicrotask = structuredClone = () => { while (true); }

//# timers_that_leave_one_behind
clearInterval = clearTimeout = () => {};
setTimeout(() => { globalThis.setTimeout = undefined; }, 0)

//# web
for (const type of [URL, URLSearchParams, TextEncoder, TextDecoder, EventTarget, Event, AbortSignal, Headers, Request, Response]) {
  for (const name of Object.getOwnPropertyNames(type.prototype)) Object.defineProperty(type.prototype, name, { get() { while (true); } });
}

//# modules
require = () => { while (true); };
globalThis.module = globalThis.exports = globalThis.process = new Proxy({}, { get() { while (true); } })

//# global_frozen
Object.freeze(globalThis)

//# global_sealed_with_everything
for (const name of Object.getOwnPropertyNames(globalThis)) {
  const value = globalThis[name];
  if (value?.prototype) Object.freeze(value.prototype);
  if (typeof value === 'function' || (typeof value === 'object' && value)) Object.freeze(value);
}
Object.preventExtensions(globalThis)

//# global_deleted
for (const name of Reflect.ownKeys(globalThis)) delete globalThis[name]

//# global_prototype
Object.setPrototypeOf(globalThis, new Proxy({}, { get() { while (true); }, has() { while (true); }, set() { while (true); } }))

//# global_this
Object.defineProperty(globalThis, 'globalThis', { get() { while (true); } })

//# global_getters
for (const name of Object.getOwnPropertyNames(globalThis)) {
  try { Object.defineProperty(globalThis, name, { get() { while (true); }, set() { while (true); } }); } catch {}
}

//# global_names_of_later
for (const name of ['_', '$', 'x', 'result', 'exports', 'module', '__ARGS__', '__ENV__', '__result', 'arguments', 'await']) {
  Object.defineProperty(globalThis, name, { configurable: false, get() { while (true); }, set() { while (true); } });
}

//# mark
Object.defineProperty(globalThis, 'mark', { get() { while (true); } })

//# everything
const seen = new Set(), pending = [globalThis];
const { ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
while (pending.length) {
  const object = pending.pop();
  if (seen.has(object)) continue;
  seen.add(object);
  for (const name of ownKeys(object)) {
    const value = getOwnPropertyDescriptor(object, name).value;
    if ((typeof value === 'object' && value) || typeof value === 'function') pending.push(value);
  }
}
for (const object of seen) {
  if (object === seen) continue;
  for (const name of ownKeys(object)) defineProperty(object, name, { value: () => { while (true); } });
}
