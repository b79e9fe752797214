// Code that would never end.

//# loop
while (true) {}

//# map_loop
[1].map(() => { while (true) {} })

//# gen
function* g() { while (true) yield 1 }
for (const x of g());

//# getter
Object.defineProperty(globalThis, 'boom', { get() { while (true) {} } });
boom

//# promise_loop
(function f() { Promise.resolve().then(f) })()

//# symbol_bomb
while (true) Symbol('x'.repeat(100))

//# static_block
class Endless { static { while (true); } }

//# async_generator
async function* endless() { while (true) yield 1; }
for await (const each of endless());

//# timer_storm
for (let i = 0; i < 1000; i++) setInterval(() => {}, 0)

//# timer_chains
(function f() { setTimeout(f, 0); setTimeout(f, 0); })()

//# timer_far_away
setInterval(() => {}, 2 ** 30)

//# thenable_of_itself
const thenable = { then(resolve) { resolve(thenable); } };
await thenable

//# promise_of_itself
let settle;
const itself = new Promise((resolve) => { settle = resolve; });
settle(itself);
await itself

//# promise_that_never_settles
await new Promise(() => {})

//# async_recursion
(async function f() { await f(); })()

//# prototype_cycle
const ring = new Proxy({}, { getPrototypeOf: () => ring });
ring instanceof Object

//# iterator_that_never_ends
Array.from({ [Symbol.iterator]: () => ({ next: () => ({}) }) })

//# promise_all_of_an_endless_iterator
Promise.all((function* () { while (true) yield 1; })())

//# array_like_of_any_length
Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1)

//# sparse_array_walked
const sparse = [];
sparse[4294967294] = 1;
sparse.forEach(() => {})

//# sparse_array_sorted
new Array(4294967295).sort()

//# sparse_array_joined
new Array(4294967295).join()

//# array_in_itself_flattened
const nested = [];
nested.push(nested, nested);
nested.flat(Infinity)

//# comparator_that_loops
[3, 1, 2].sort(() => { while (true); })

//# comparator_that_changes_the_array
const changing = Array.from({ length: 1000 }, (_, i) => -i);
changing.sort((a, b) => { changing.length = 0; changing.push(1, 2, 3); return a - b; })

//# comparator_without_order
Array.from({ length: 20000 }, Math.random).sort(() => Math.random() - 0.5).length

//# species_that_loops
class Species extends Array { static get [Symbol.species]() { while (true); } }
new Species(1, 2).map((x) => x)

//# species_that_lies
const lying = [1, 2, 3];
lying.constructor = { [Symbol.species]: function () { return new Proxy([], { defineProperty() { lying.push(1); return true; } }); } };
lying.map((x) => { lying.length = 1; return x; })

//# to_primitive
`${{ [Symbol.toPrimitive]() { while (true); } }}`

//# regex_redos
/^(a+)+$/.test('a'.repeat(32) + 'b')

//# regex_alternatives
/^(a|aa)+$/.test('a'.repeat(64) + 'b')

//# regex_lookbehind
/(?<=^(a|a?)+)b$/.test('a'.repeat(40) + 'c')

//# regex_back_reference
/^(a*)*\1$/.test('a'.repeat(40) + 'b')

//# regex_replacing_nothing
'x'.repeat(1e4).replace(/(?:)/g, () => 'y'.repeat(1000)).length

//# regex_last_index
const sticky = /a/g;
Object.defineProperty(sticky, 'lastIndex', { get: () => 0, set() {} });
while (sticky.exec('aaa'));

//# regex_exec_that_never_gives_null
const matching = /a/g;
matching.exec = () => ['']; 
'aaa'.replace(matching, '')

//# finalizers
const registry = new FinalizationRegistry(() => { while (true); });
for (let i = 0; i < 20000; i++) registry.register({}, i);

//# waiting_for_memory
Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0)

//# waiting_for_memory_async
await Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(8)), 0, 0).value

//# events_in_events
const target = new EventTarget();
target.addEventListener('x', () => target.dispatchEvent(new Event('x')));
target.dispatchEvent(new Event('x'))

//# big_int_factorial
let factorial = 1n;
for (let i = 1n; ; i++) factorial *= i;
