// Hostile imports.

//# specifiers
for (const specifier of ['', '.', './', '..', '/', '//', '\0', './\0', ' ', '\ud800', './\ud800', '%00', '?', '#', 'file://', 'file:///etc/passwd', 'http://localhost/', 'data:text/javascript,while(true);', 'blob:x', 'node:fs', 'node:', './.', './..', './folder', '__proto__', 'constructor']) {
  try { await import(specifier); } catch {}
  try { require(specifier); } catch {}
}

//# long_specifier
import('./' + 'x/'.repeat(1e6))

//# very_long_specifier
import('x'.repeat(5e7))

//# specifier_that_loops
import({ toString() { while (true); } })

//# specifier_that_is_a_symbol
import(Symbol())

//# options_that_loop
import('./namespace.mjs', { get with() { while (true); } })

//# attributes_without_end
import('./namespace.mjs', { with: Object.fromEntries(Array.from({ length: 1e4 }, (_, i) => [`a${i}`, 'x'])) })

//# many
await Promise.allSettled(Array.from({ length: 2000 }, (_, i) => import(`./missing${i}.mjs`)))

//# same_many_times
for (let i = 0; i < 20000; i++) import('./namespace.mjs')

//# one_that_loops
import('./loop.mjs')

//# one_that_awaits_itself
import('./awaits-itself.mjs')

//# one_that_imports_itself
import('./imports-itself.mjs')

//# ring
import('./ring-a.mjs')

//# one_that_throws_a_proxy
import('./throws.mjs')

//# one_that_exports_then
import('./then.mjs')

//# one_that_is_deep
import('./deep.mjs')

//# json_that_is_deep
import('./deep.json', { with: { type: 'json' } })

//# require_that_loops
require('./loop.cjs')

//# require_of_a_ring
require('./ring-a.cjs')

//# require_of_deep_json
require('./deep.json')

//# require_that_loops_as_text
require({ toString() { while (true); } })

//# chain
import('./chain-0.mjs')

//# declaration
import { missing } from './namespace.mjs';
missing

//# meta
new Function('return import.meta')
