//! Inputs that must do no harm.

use vm_system_tests::{Daemon, Session};

/// Each once aborted, hung or starved a JavaScript service.
const SNIPPETS: &[(&str, &str)] = &[
    ("ab", "new ArrayBuffer(8e9).byteLength"),
    ("arr_len", "Array.from({length:2**53-1})"),
    ("bigpow", "(2n**(2n**26n)).toString().length"),
    ("deep_expr", "eval(new Array(50000).fill('1').join('+'))"),
    (
        "deep_json",
        "let a=[];for(let i=0;i<200000;i++)a=[a]; JSON.stringify(a)",
    ),
    (
        "deep_parens",
        "eval('('.repeat(200000)+'1'+')'.repeat(200000))",
    ),
    ("fill", "new Array(4294967295).fill(0)"),
    (
        "gen",
        "function*g(){while(true)yield 1}; for(const x of g());",
    ),
    (
        "getter",
        "Object.defineProperty(globalThis,'boom',{get(){while(true){}}}); boom",
    ),
    (
        "grow",
        "let a=[];while(true)a.push(new Array(1000).fill(1))",
    ),
    ("linked", "let h=null;for(let i=0;i<3e6;i++)h={n:h}; 1"),
    ("loop", "while(true){}"),
    ("map_loop", "[1].map(()=>{while(true){}})"),
    (
        "promise_loop",
        "(function f(){Promise.resolve().then(f)})()",
    ),
    (
        "proxy_chain",
        "let p={};for(let i=0;i<200000;i++)p=new Proxy(p,{}); p.x",
    ),
    ("recursion", "function f(){return f()+1}; f()"),
    ("regex_redos", "/^(a+)+$/.test('a'.repeat(32)+'b')"),
    ("repeat", "'x'.repeat(2**30).length"),
    ("strconcat", "let s='a';for(;;)s+=s"),
    ("symbol_bomb", "while(true)Symbol('x'.repeat(100))"),
    ("tpl", "eval('`${'.repeat(10000)+'1'+'}`'.repeat(10000))"),
];

/// Values whose looks run code, or never end.
const LOOKS: &[(&str, &str)] = &[
    ("getter_value", "({get a() { while (true); }})"),
    ("thrown_getter", "throw {get message() { while (true); }}"),
    (
        "proxy_value",
        "new Proxy({}, {get() { while (true); }, ownKeys() { while (true); }})",
    ),
    ("to_string", "({toString() { while (true); }})"),
    (
        "deep_value",
        "let deep=[];for(let i=0;i<200000;i++)deep=[deep]; deep",
    ),
    ("wide_value", "Array.from({length: 1e6}, (_, i) => i)"),
    ("lone_surrogate", "'\\ud800'"),
    ("cycle", "const c = {}; c.c = c; c"),
];

fn run_all(session: &Session, snippets: &[(&str, &str)]) {
    for (name, code) in snippets {
        let answer = session.try_run(code);
        let settled = match answer.status {
            201 => matches!(
                answer.json["status"].as_str(),
                Some("ok" | "error" | "timeout")
            ),
            422 => answer.code() == "OUTPUT_LIMIT_EXCEEDED",
            _ => false,
        };
        assert!(settled, "{name}: {}", answer.text);
        assert_eq!(session.eval("mark"), "7", "after {name}");
    }
}

#[test]
fn hostile_snippets_harm_neither_daemon_nor_session() {
    let daemon = Daemon::start();
    let (session, other) = (daemon.session(), daemon.session());
    session.eval("globalThis.mark = 7");
    other.eval("globalThis.mark = 7");
    let zygote = daemon.zygote();
    run_all(&session, SNIPPETS);
    run_all(&session, LOOKS);
    assert_eq!(other.eval("mark"), "7");
    assert_eq!(daemon.zygote(), zygote);
    let running: Vec<_> = session
        .executions()
        .into_iter()
        .filter(|execution| execution["status"] == "running")
        .collect();
    assert!(running.is_empty(), "{running:?}");
}
