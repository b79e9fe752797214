// Values and errors that attack the code that inspects them.

//# getter_value
({ get a() { while (true); } })

//# thrown_getter
throw { get message() { while (true); } }

//# proxy_value
new Proxy({}, { get() { while (true); }, ownKeys() { while (true); } })

//# to_string
({ toString() { while (true); } })

//# deep_value
let deep = [];
for (let i = 0; i < 200000; i++) deep = [deep];
deep

//# wide_value
Array.from({ length: 1e6 }, (_, i) => i)

//# lone_surrogate
'\ud800'

//# cycle
const c = {};
c.c = c;
c

//# to_json
({ toJSON() { while (true); } })

//# to_json_of_itself
const wrapping = { toJSON() { return { wrapping: Object.create(wrapping) }; } };
wrapping

//# value_of
({ valueOf() { while (true); }, [Symbol.toPrimitive]() { while (true); } })

//# tag
({ get [Symbol.toStringTag]() { while (true); } })

//# tag_that_is_long
({ [Symbol.toStringTag]: 'x'.repeat(1e7) })

//# hooks_of_node
({ [Symbol.for('nodejs.util.inspect.custom')]() { while (true); }, inspect() { while (true); } })

//# constructor_on_the_prototype
Object.create({ get constructor() { while (true); } })

//# constructor_with_a_name
({ constructor: { get name() { while (true); } } })

//# proxy_as_prototype
Object.create(new Proxy({}, { get() { while (true); }, has() { while (true); }, getPrototypeOf() { while (true); }, getOwnPropertyDescriptor() { while (true); } }))

//# proxy_of_everything
const loop = () => { while (true); };
new Proxy(function () {}, new Proxy({}, { get: () => loop }))

//# proxy_of_a_proxy
let outer = [];
for (let i = 0; i < 100000; i++) outer = new Proxy(outer, {});
outer

//# revoked_proxy
const revocable = Proxy.revocable({}, {});
revocable.revoke();
[revocable.proxy, Object.create(revocable.proxy)]

//# thrown_revoked_proxy
const thrown = Proxy.revocable(new Error('x'), {});
thrown.revoke();
throw thrown.proxy

//# thrown_proxy
throw new Proxy(new Error('x'), { get() { while (true); }, has() { while (true); }, getPrototypeOf() { while (true); }, getOwnPropertyDescriptor() { while (true); } })

//# thrown_proxy_in_a_timer
setTimeout(() => { throw new Proxy({}, { get() { while (true); } }); }, 0)

//# rejection_with_a_proxy
Promise.reject(new Proxy({}, { get() { while (true); }, getPrototypeOf() { while (true); } }))

//# awaited_rejection_with_a_revoked_proxy
const rejected = Proxy.revocable({}, {});
rejected.revoke();
await Promise.reject(rejected.proxy)

//# then
({ get then() { while (true); } })

//# awaited_then
await { get then() { while (true); } }

//# thrown_stack
throw Object.defineProperty(new Error('x'), 'stack', { get() { while (true); } })

//# thrown_name
throw Object.defineProperty(new Error('x'), 'name', { get() { while (true); } })

//# thrown_message
throw Object.defineProperty(new Error('x'), 'message', { get() { while (true); } })

//# thrown_cause
throw Object.defineProperty(new Error('x'), 'cause', { get() { while (true); } })

//# thrown_errors
throw Object.defineProperty(new AggregateError([]), 'errors', { get() { while (true); } })

//# thrown_object_with_a_message
throw { name: { toString() { while (true); } }, message: { toString() { while (true); } }, stack: { toString() { while (true); } } }

//# thrown_class
throw class extends Error { static get name() { while (true); } }

//# thrown_error_of_a_class
throw new (class extends Error { get name() { while (true); } get message() { while (true); } })()

//# thrown_function
throw Object.assign(() => {}, { toString() { while (true); } })

//# thrown_symbol
throw Symbol('x'.repeat(1e7))

//# thrown_nothing
throw undefined

//# thrown_null_object
throw Object.create(null)

//# causes_in_a_ring
const one = new Error('one');
const two = new Error('two', { cause: one });
one.cause = two;
throw one

//# causes_without_end
let caused;
for (let i = 0; i < 100000; i++) caused = new Error('x', { cause: caused });
throw caused

//# many_errors
throw new AggregateError([new Proxy({}, { get() { while (true); } }), { get message() { while (true); } }, ...Array.from({ length: 1e4 }, (_, i) => new Error(`e${i}`))], 'many')

//# errors_of_itself
const aggregate = new AggregateError([], 'itself');
aggregate.errors.push(aggregate, aggregate);
throw aggregate

//# errors_that_are_no_list
throw Object.assign(new AggregateError([]), { errors: { length: 2 ** 53 - 1 } })

//# suppressed_errors
try { throw new Error('first') } catch (error) { throw Object.assign(error, { error, suppressed: error, cause: { error } }) }

//# long_message
throw new Error('x'.repeat(1e7))

//# long_stack
throw Object.assign(new Error('x'), { stack: 'at x\n'.repeat(1e6) })

//# array_like_of_any_length
({ length: 2 ** 53 - 1, __proto__: Array.prototype })

//# sparse_array
const holes = [];
holes[4294967294] = 1;
holes

//# array_of_holes
new Array(4294967295)

//# wide_object
Object.fromEntries(Array.from({ length: 5e4 }, (_, i) => [`key${i}`, i]))

//# object_with_a_long_key
({ ['k'.repeat(1e7)]: 1 })

//# object_with_lone_surrogates
({ '\udc00': '\ud800', [Symbol('\udfff')]: '\ud800\ud800' })

//# prototypes_without_end
let prototypes = {};
for (let i = 0; i < 20000; i++) prototypes = Object.create(prototypes);
prototypes

//# array_with_a_hostile_prototype
Object.setPrototypeOf([1, 2], new Proxy([], { get() { while (true); }, getPrototypeOf() { while (true); } }))

//# collections_of_themselves
const map = new Map(), set = new Set();
map.set(map, set).set(set, map);
set.add(map).add(set);
[map, set]

//# collections_without_prototype
[Object.setPrototypeOf(new Map([[1, 2]]), null), Object.setPrototypeOf(new Set([1]), null), Object.setPrototypeOf([1], null), Object.setPrototypeOf(new Date(0), null), Object.setPrototypeOf(/a/, null), Object.setPrototypeOf(() => {}, null), Object.setPrototypeOf(new Error('x'), null)]

//# collection_with_an_iterator
Object.assign(new Set([1]), { [Symbol.iterator]: function* () { while (true) yield 1; }, size: Infinity, forEach() { while (true); } })

//# large_collection
new Map(Array.from({ length: 1e5 }, (_, i) => [{ i }, i]))

//# large_typed_array
new Uint8Array(3e7)

//# detached_buffer
const detached = new Uint8Array(8);
detached.buffer.transfer();
[detached, detached.buffer, new Proxy(detached, {})]

//# resized_buffer
const resized = new ArrayBuffer(64, { maxByteLength: 128 });
const view = new Float64Array(resized, 32), dataView = new DataView(resized, 32);
resized.resize(16);
[view, dataView, resized]

//# date
const date = new Date(NaN);
date.toISOString = date.getTime = () => { while (true); };
[date, new Date(8.64e15)]

//# regular_expression
Object.defineProperties(/a/, { source: { get() { while (true); } }, flags: { get() { while (true); } }, toString: { value() { while (true); } } })

//# boxed_values
[Object('x'), Object(1), Object(1n), Object(Symbol()), Object(true)].map((box) => Object.assign(box, { toString() { while (true); }, valueOf() { while (true); } }))

//# symbol_with_a_long_description
Symbol('x'.repeat(1e7))

//# long_string
'\u{1f600}\n\0\x1b[31m'.repeat(1e6)

//# large_big_int
2n ** 3000000n

//# class_with_a_name
(class { static get name() { while (true); } static get length() { while (true); } static toString() { while (true); } })

//# function_with_a_long_text
new Function(';'.repeat(3e6))

//# suspended_generator
(function* () { while (true) yield; })()

//# promise_of_a_proxy
[Promise.resolve(Object.freeze(new Proxy({}, { getPrototypeOf() { return null; } }))), new Promise(() => {})]

//# global_object
globalThis

//# module_namespace
await import('./namespace.mjs')

//# weak_things
[new WeakRef({}), new WeakMap([[{}, 1]]), new WeakSet([{}]), new FinalizationRegistry(() => {})]

//# arguments_object
(function () { return Object.defineProperty(arguments, 'length', { get() { while (true); } }); })(1, 2)

//# wide_and_deep
const leaf = Array.from({ length: 100 }, () => 'x'.repeat(100));
const branch = Array.from({ length: 100 }, () => leaf);
Array.from({ length: 100 }, () => branch)
