//! Web objects in scripts: URL, events, encodings and others.

use vm_system_tests::Daemon;

/// Snippets, each with the preview of its value.
const CASES: &[(&str, &str)] = &[
    (
        "new URL('../c?x=1#y', 'http://User@A.example:80/b/d').href",
        "http://User@a.example/c?x=1#y",
    ),
    (
        "const u = new URL('http://a/b'); u.searchParams.append('q', 'ä b'); u.port = '8080'; String(u)",
        "http://a:8080/b?q=%C3%A4+b",
    ),
    (
        "const u = new URL('http://a/?x=0'); const p = u.searchParams; u.search = '?a=1'; p.append('b', 2); \
         [p.get('x'), p.get('a'), u.href, p === u.searchParams].join()",
        ",1,http://a/?a=1&b=2,true",
    ),
    (
        "const u = new URL('http://a/?x=0'); const p = u.searchParams; u.href = 'http://b/?c=3'; u.hash = 'h'; \
         p.append('d', 4); u.href + ' ' + (p === u.searchParams)",
        "http://b/?c=3&d=4#h true",
    ),
    ("URL.canParse('::')", "false"),
    (
        "try { new URL('nope') } catch (e) { e.code }",
        "ERR_INVALID_URL",
    ),
    (
        "[...new URLSearchParams('a=1&b=2&a=3').getAll('a')].join()",
        "1,3",
    ),
    (
        "new TextDecoder().decode(new TextEncoder().encode('häß€😀'))",
        "häß€😀",
    ),
    (
        "const d = new TextDecoder(); d.decode(new Uint8Array([0xe2, 0x82]), { stream: true }) + d.decode(new Uint8Array([0xac]))",
        "€",
    ),
    (
        "try { new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array([255])) } catch (e) { e.code }",
        "ERR_ENCODING_INVALID_ENCODED_DATA",
    ),
    (
        "structuredClone({ a: new Date(0), b: new Map([[1, { c: 2 }]]) }).b.get(1).c",
        "2",
    ),
    ("atob(btoa('abc'))", "abc"),
    (
        "const c = new AbortController(); let r; c.signal.addEventListener('abort', () => { r = c.signal.reason.name }); c.abort(); r",
        "AbortError",
    ),
    (
        "await new Promise((done) => AbortSignal.timeout(1).addEventListener('abort', (e) => done(e.type)))",
        "abort",
    ),
    (
        "let seen = []; const t = new EventTarget(); t.addEventListener('x', { handleEvent(e) { seen.push(e.type) } }); t.dispatchEvent(new Event('x')); seen",
        "[ 'x' ]",
    ),
    (
        "const t0 = performance.now(); await new Promise((done) => setTimeout(done, 2)); performance.now() - t0 >= 1",
        "true",
    ),
    ("crypto.getRandomValues(new Uint32Array(4)).length", "4"),
    (
        "/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab]/.test(crypto.randomUUID())",
        "true",
    ),
    (
        "new Set(Array.from({ length: 50 }, () => crypto.randomUUID())).size",
        "50",
    ),
    (
        "let order = []; setTimeout(() => order.push('timer')); queueMicrotask(() => order.push('micro')); await new Promise((d) => setTimeout(d, 2)); order.join()",
        "micro,timer",
    ),
    ("new Headers({ 'X-A': '1', 'x-a': '2' }).get('X-a')", "1, 2"),
    ("await new Response('{\"a\": 1}').json()", "{ a: 1 }"),
    (
        "new Request('http://a/', { method: 'post', body: 'x' }).headers.get('content-type')",
        "text/plain;charset=UTF-8",
    ),
    (
        "try { btoa('€') } catch (e) { [e.name, e.code, e instanceof DOMException] }",
        "[ 'InvalidCharacterError', 5, true ]",
    ),
    (
        "try { atob('*') } catch (e) { [e.name, [atob, btoa, structuredClone].map(f => f.length).join()] }",
        "[ 'InvalidCharacterError', '1,1,2' ]",
    ),
    (
        "try { structuredClone(() => {}) } catch (e) { e.name }",
        "DataCloneError",
    ),
    (
        "util = String(_ = new DOMException('m', 'AbortError')); util",
        "AbortError: m",
    ),
    (
        "await new Promise((done) => { clearImmediate(setImmediate(done, 1)); setImmediate(done, 2) })",
        "2",
    ),
    (
        "await Array.fromAsync([1, Promise.resolve(2)], (x) => x * 2)",
        "[ 2, 4 ]",
    ),
    (
        "await Array.fromAsync((async function* () { yield 1; yield 2 })())",
        "[ 1, 2 ]",
    ),
    (
        "const o = { name: 'N', message: 'm' }; Error.captureStackTrace(o); o.stack.split('\\n    at ')[0]",
        "N: m",
    ),
    (
        "class Own extends Error { constructor(m) { super(m); Error.captureStackTrace(this, Own) } } new Own('x').message",
        "x",
    ),
    ("Object.keys(process.env).length", "0"),
    ("Object.keys(globalThis).includes('fetch')", "false"),
];

#[test]
fn web_objects_behave_as_in_browsers_and_node() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for (code, expected) in CASES {
        assert_eq!(session.eval(code), *expected, "{code}");
    }
}

#[test]
fn random_bytes_differ_between_sessions() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let ids: std::collections::HashSet<String> = (0..8)
        .map(|_| daemon.session_of(&template).eval("crypto.randomUUID()"))
        .collect();
    assert_eq!(ids.len(), 8);
}

#[test]
fn web_errors_are_shown_with_their_names_and_aggregates_with_each_error() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let shown = session.eval("new DOMException('m', 'AbortError')");
    assert!(shown.starts_with("DOMException [AbortError]: m"), "{shown}");
    let execution = session.run("await Promise.any([Promise.reject(new Error('first'))])");
    let events = session.events(&execution);
    let stack = events.last().unwrap()["payload"]["stack"].as_str().unwrap();
    assert!(stack.starts_with("AggregateError: "), "{stack}");
    assert!(stack.contains("Error: first"), "{stack}");
}
