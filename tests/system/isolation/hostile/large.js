// Values and code that are too large or too deep.

//# ab
new ArrayBuffer(8e9).byteLength

//# arr_len
Array.from({ length: 2 ** 53 - 1 })

//# bigpow
(2n ** (2n ** 26n)).toString().length

//# deep_expr
eval(new Array(50000).fill('1').join('+'))

//# deep_json
let a = [];
for (let i = 0; i < 200000; i++) a = [a];
JSON.stringify(a)

//# deep_parens
eval('('.repeat(200000) + '1' + ')'.repeat(200000))

//# fill
new Array(4294967295).fill(0)

//# grow
let all = [];
while (true) all.push(new Array(1000).fill(1))

//# linked
let h = null;
for (let i = 0; i < 3e6; i++) h = { n: h };
1

//# proxy_chain
let p = {};
for (let i = 0; i < 200000; i++) p = new Proxy(p, {});
p.x

//# recursion
function recursion() { return recursion() + 1 }
recursion()

//# repeat
'x'.repeat(2 ** 30).length

//# strconcat
let s = 'a';
for (;;) s += s

//# tpl
eval('`${'.repeat(10000) + '1' + '}`'.repeat(10000))

//# replace_all
'a'.repeat(1e4).replaceAll('a', 'b'.repeat(1e6)).length

//# replacement_pattern
'a'.repeat(1e5).replace(/a+/, "$&".repeat(1e5)).length

//# pad
'x'.padEnd(2 ** 30, 'y').length

//# normalize
'\ufdfa'.repeat(1e7).normalize('NFKD').length

//# join
new Array(1e6).join('x'.repeat(1e4)).length

//# split
'x'.repeat(2e7).split('').length

//# upper_case
'\u0390'.repeat(3e7).toUpperCase().length

//# raw_template
String.raw({ raw: { length: 2 ** 53 - 1 } }, 1)

//# from_code_points
String.fromCodePoint(...new Array(2e5).fill(0x1f600)).length

//# encode
encodeURIComponent('\u{1f600}'.repeat(1e7)).length

//# indentation
JSON.stringify([[[[[[new Array(1e6).fill(0)]]]]]], null, 10).length

//# json_parse_deep
JSON.parse('['.repeat(1e6) + ']'.repeat(1e6))

//# json_parse_deep_objects
JSON.parse('{"a":'.repeat(2e5) + '1' + '}'.repeat(2e5))

//# json_parse_wide
JSON.parse('[' + '0,'.repeat(5e6) + '0]').length

//# json_parse_long_number
JSON.parse('1'.repeat(1e6))

//# json_parse_reviver_that_grows
JSON.parse('[[1]]', function (key, value) { this[key + '0'] = [value, [value]]; return value; })

//# json_stringify_to_json_grows
JSON.stringify({ toJSON() { return { next: this }; }, get next() { return { ...this, toJSON: this.toJSON }; } })

//# json_stringify_shared
let shared = [];
for (let i = 0; i < 64; i++) shared = [shared, shared];
JSON.stringify(shared)

//# clone_deep
let deepClone = [];
for (let i = 0; i < 200000; i++) deepClone = [deepClone];
structuredClone(deepClone)

//# clone_wide
structuredClone(Array.from({ length: 1e5 }, (_, i) => [i])).length

//# clone_shared
let twice = [];
for (let i = 0; i < 64; i++) twice = [twice, twice];
structuredClone(twice).length

//# clone_cycle
const cyclic = { map: new Map(), set: new Set() };
cyclic.map.set(cyclic, cyclic.set);
cyclic.set.add(cyclic.map);
structuredClone(cyclic).map.size

//# clone_getter
structuredClone({ get a() { while (true); } })

//# clone_proxy
structuredClone(new Proxy({}, { ownKeys: () => Array.from({ length: 1e5 }, (_, i) => `k${i}`) }))

//# function_of_many_parameters
new Function('a,'.repeat(1e6) + 'b', 'return 1').length

//# function_of_deep_arrows
new Function('return ' + 'x=>'.repeat(1e5) + '1')

//# eval_not
eval('!'.repeat(1e6) + '1')

//# eval_new
eval('new '.repeat(1e5) + 'Object')

//# eval_power
eval('2**'.repeat(1e5) + '1')

//# eval_if
eval('if(1)'.repeat(1e5) + ';')

//# eval_else
eval('if(0);else '.repeat(1e5) + ';')

//# eval_with
eval('with({})'.repeat(1e5) + ';')

//# eval_labels
eval(Array.from({ length: 1e5 }, (_, i) => `l${i}:`).join('') + ';')

//# eval_members
eval('({})' + '?.a'.repeat(3e5))

//# eval_calls
eval('(()=>1)' + '?.()'.repeat(1e5))

//# eval_conditions
eval('1?'.repeat(1e5) + '1' + ':1'.repeat(1e5))

//# eval_commas
eval('1,'.repeat(2e6) + '1')

//# eval_statements
eval('let a=1;{'.repeat(1e5) + '}'.repeat(1e5))

//# eval_variables
eval('var ' + Array.from({ length: 2e4 }, (_, i) => `v${i}=${i}`).join(',') + ';1')

//# eval_destructuring
eval('let ' + '['.repeat(1e5) + 'deep' + ']'.repeat(1e5) + '=1')

//# eval_destructuring_objects
eval('({a:'.repeat(1e5) + 'x' + '}={})'.repeat(1e5))

//# eval_classes
eval('class A extends '.repeat(1e5) + 'Object{}' + '{}'.repeat(1e5))

//# eval_functions
eval('(function(){'.repeat(1e5) + '})'.repeat(1e5))

//# eval_async_arrows
eval('async()=>'.repeat(1e5) + '1')

//# eval_await
await eval('(async()=>{' + 'await '.repeat(1e5) + '1})()')

//# eval_switch
eval('switch(1){case 1:'.repeat(1e5) + '}'.repeat(1e5))

//# eval_try
eval('try{'.repeat(1e5) + '}finally{}'.repeat(1e5))

//# eval_long_string
eval(`'${'x'.repeat(3e7)}'`).length

//# eval_in_eval
let inner = '1';
for (let i = 0; i < 24; i++) inner = `eval(${JSON.stringify(inner)})`;
eval(inner)

//# eval_unfinished
for (const start of ['(', '[', '{', '`', '/*', '"', '/', 'class', 'async', '<!--', '#!', '\\u', '@', '`${']) try { eval(start.repeat(500)) } catch {}

//# regex_deep_groups
new RegExp('('.repeat(1e5) + ')'.repeat(1e5))

//# regex_repetitions
new RegExp('((((a{1000}){1000}){1000}){1000}){1000}').test('a')

//# regex_many_alternatives
new RegExp(Array.from({ length: 5e3 }, (_, i) => `a${i}`).join('|')).test('a')

//# regex_many_groups
new RegExp(Array.from({ length: 5e3 }, (_, i) => `(?<g${i}>a)?`).join('')).exec('a').length

//# regex_deep_classes
new RegExp('['.repeat(1e5) + 'a' + ']'.repeat(1e5), 'v')

//# regex_deep_lookaheads
new RegExp('(?='.repeat(1e5) + ')'.repeat(1e5)).test('a')

//# big_int_shift
1n << (1n << 62n)

//# big_int_shift_by_much
(1n << 2n ** 31n) > 1n

//# big_int_of_a_long_text
BigInt('9'.repeat(3e5)) > 1n

//# big_int_as_wide_as_can_be
BigInt.asUintN(2 ** 53 - 1, -1n)

//# big_int_squared
let square = 3n;
for (let i = 0; i < 19; i++) square *= square;

//# array_like_for_apply
Reflect.apply(Math.max, null, { length: 2 ** 32 })

//# arguments_without_end
Math.max(...new Array(1e5).fill(0))

//# typed_array_of_an_array_like
new Uint8Array({ length: 2 ** 40 })

//# typed_array_of_any_length
new Float64Array(2 ** 53 - 1)

//# shared_buffer_of_any_length
new SharedArrayBuffer(2 ** 40)

//# buffer_that_may_grow
const roomy = new ArrayBuffer(8, { maxByteLength: 2 ** 33 });
roomy.resize(2 ** 33)

//# buffer_that_shrinks_as_it_is_filled
const shrinking = new ArrayBuffer(1 << 16, { maxByteLength: 1 << 17 });
new Uint8Array(shrinking).fill({ valueOf() { shrinking.resize(0); return 1; } }).length

//# buffer_that_shrinks_as_it_is_copied
const copied = new ArrayBuffer(1 << 16, { maxByteLength: 1 << 17 });
new Uint8Array(copied).copyWithin(0, { valueOf() { copied.resize(8); return 1024; } }).length

//# buffer_that_is_gone_as_it_is_sorted
const sorted = new Uint8Array(4096);
sorted.sort(() => { try { sorted.buffer.transfer(); } catch {} return 1; }).length

//# buffer_that_is_gone_as_it_is_written
const written = new ArrayBuffer(64);
new DataView(written).setUint8(32, { valueOf() { written.transfer(); return 1; } })

//# buffer_that_is_gone_as_it_is_set
const setInto = new Uint8Array(64);
setInto.set({ length: 64, get 5() { setInto.buffer.transfer(); return 1; } })

//# random_numbers
crypto.getRandomValues(new Uint8Array(1e8))

//# url
new URL('http://' + 'a.'.repeat(1e4) + 'example/' + '../'.repeat(1e4)).href.length

//# base64
atob('QUFB'.repeat(1e7)).length

//# text_decoder
new TextDecoder().decode(new Uint8Array(3e6).fill(0xff)).length

//# abort_signals
let signal = AbortSignal.abort();
for (let i = 0; i < 5000; i++) signal = AbortSignal.any([signal]);
signal.aborted

//# keys_of_a_proxy
Object.keys(new Proxy({}, { ownKeys: () => Array.from({ length: 1e5 }, (_, i) => `k${i}`) })).length

//# bound_functions
let bound = () => 1;
for (let i = 0; i < 200000; i++) bound = bound.bind(null);
bound()

//# getter_recursion
({ get a() { return this.a; } }).a

//# setter_recursion
({ set a(value) { this.a = value; } }).a = 1

//# proxy_recursion
new Proxy({}, { get: (target, key, receiver) => receiver[key] }).x

//# to_string_recursion
const echo = { toString() { return `${this}`; } };
`${echo}`

//# array_in_itself_as_text
const own = [];
for (let i = 0; i < 1e5; i++) own.push(own);
`${own}`.length

//# arrays_in_arrays_as_text
let texts = [];
for (let i = 0; i < 200000; i++) texts = [texts];
`${texts}`

//# generator_in_itself
function* itself() { yield* itself(); }
itself().next()

//# generator_that_calls_itself
const running = (function* () { running.next(); })();
running.next()

//# constructor_recursion
class Recursive { field = new Recursive(); }
new Recursive()

//# promises_in_a_chain
let chained = Promise.resolve();
for (let i = 0; i < 3e4; i++) chained = chained.then(() => {});
await chained

//# rejections
for (let i = 0; i < 2e4; i++) Promise.reject(new Error(`rejected ${i}`))

//# rejections_without_end
(function f() { Promise.reject(f); queueMicrotask(f); })()

//# rejections_of_proxies
for (let i = 0; i < 1000; i++) Promise.reject(new Proxy({}, { get() { while (true); } }))

//# timers_by_the_thousand
for (let i = 0; i < 1e4; i++) setTimeout(() => {}, i % 10)

//# weak_references
const weak = [];
for (let i = 0; i < 2e5; i++) weak.push(new WeakRef({ i }));
weak.length

//# weak_map_chain
const chainOfKeys = new WeakMap();
let key = {};
for (let i = 0; i < 2e5; i++) { const next = {}; chainOfKeys.set(key, next); key = next; }

//# symbols_in_the_registry
for (let i = 0; ; i++) Symbol.for('x'.repeat(1000) + i)

//# global_variables
for (let i = 0; i < 1e5; i++) globalThis[`global${i}`] = i;
throw new Error('enough')
