// Hostile arguments of console methods.

//# hostile_values
console.log(new Proxy({}, { get() { while (true); }, ownKeys() { while (true); } }), { get a() { while (true); }, toString() { while (true); } }, Object.create(new Proxy({}, { getPrototypeOf() { while (true); } })))

//# hostile_errors
const bad = new Error('x');
for (const name of ['name', 'message', 'stack', 'cause']) Object.defineProperty(bad, name, { get() { while (true); } });
console.error(bad, new AggregateError([bad, bad]))

//# format_text
console.log('%s', { toString() { while (true); } })

//# format_object
console.log('%o %O %c', globalThis, new Proxy(function () {}, { get() { while (true); } }), { toString() { while (true); } })

//# format_without_end
console.log('%s'.repeat(1e6), 1, 2, 3)

//# format_of_signs
console.log('%'.repeat(5e6))

//# table_of_proxies
console.table(new Proxy([], { get() { while (true); }, ownKeys() { while (true); } }))

//# table_of_hostile_rows
console.table([new Proxy({}, { ownKeys() { while (true); } }), { get a() { while (true); } }, Proxy.revocable({}, {}).proxy])

//# table_that_is_wide
console.table(Array.from({ length: 300 }, (_, i) => ({ [`column${i}`]: 'x'.repeat(300) })))

//# table_that_is_long
console.table(new Array(1e6).fill([1]))

//# table_with_hostile_columns
console.table([{ a: 1 }], new Proxy(['a'], { get() { while (true); } }))

//# table_of_itself
const table = [];
table.push(table, { table });
console.table(table)

//# deep_directory
let folder = {};
for (let i = 0; i < 200000; i++) folder = { folder };
console.dir(folder, { depth: Infinity })

//# hostile_options
console.dir({ a: 1 }, { get depth() { while (true); } })

//# groups_without_end
for (;;) console.group()

//# groups_that_indent
for (let i = 0; i < 20000; i++) console.group('x')

//# hostile_labels
console.count({ toString() { while (true); } })

//# labels_without_end
for (let i = 0; i < 1e6; i++) console.time(`label ${i}`)

//# lines_without_end
console.log('\n'.repeat(1e7))

//# output_without_end
while (true) console.log('x')

//# output_of_timers
setInterval(() => { for (let i = 0; i < 100; i++) console.log('x'.repeat(100)); }, 0)

//# console_in_a_getter
console.log({ get a() { console.log(this); return 1; }, toString() { console.log(`${this}`); } });
console.log('%s', { toString() { console.log('%s', this); return ''; } })

//# many_arguments
console.log(...new Array(1e5).fill('x'))

//# wide_values
console.log(Array.from({ length: 1e5 }, (_, i) => ({ i })), 'x'.repeat(1e8))

//# shared_values
let twin = [];
for (let i = 0; i < 64; i++) twin = [twin, twin];
console.dir(twin, { depth: null })
