//! Libraries in sessions: they are loaded once for all sessions with the same ones, and work.

use std::fs;

use serde_json::json;
use vm_system_tests::{Daemon, Process, wait_for};

use crate::libraries::registry::downloaded_libraries;

/// Puts a library into the cache of the daemon.
fn add_to_cache(daemon: &Daemon, name: &str, code: &str) {
    daemon.write_library(&format!("{name}.js"), code);
}

fn zygotes(daemon: &Daemon) -> Vec<i32> {
    let all = Process::zygotes(daemon.pid());
    all.iter().map(|process| process.pid).collect()
}

#[test]
fn libraries_are_loaded_once_for_all_sessions_that_have_them() {
    let daemon = Daemon::start();
    add_to_cache(&daemon, "a-1.0", "var made = [Math.random()];");
    add_to_cache(&daemon, "b-1.0", "made.push(Math.random());");
    let both = daemon.template_with_libraries(&["a-1.0", "b-1.0"]);
    let same = daemon.template_with_libraries(&["a-1.0", "b-1.0"]);
    let one = daemon.template_with_libraries(&["a-1.0"]);
    let [first, second] = [&both, &same].map(|template| daemon.session_of(template));
    assert_eq!(first.eval("made.join()"), second.eval("made.join()"));
    assert_eq!(zygotes(&daemon).len(), 2, "one of them has no libraries");
    let third = daemon.session_of(&one);
    assert_eq!(third.eval("made.length"), "1");
    assert_eq!(zygotes(&daemon).len(), 3);
    first.eval("made = 'mine'");
    assert_eq!(second.eval("made.length"), "2");
    assert_eq!(daemon.session_of(&both).eval("made.length"), "2");
}

#[test]
fn a_library_reads_a_clock_like_that_of_a_session() {
    let daemon = Daemon::start();
    add_to_cache(
        &daemon,
        "a-1.0",
        "var read = [performance.timeOrigin, performance.now()];",
    );
    let session = daemon.session_of(&daemon.template_with_libraries(&["a-1.0"]));
    // The library was loaded after the engine was created, and before the session was.
    assert_eq!(
        session.eval("read[0] > 1e12 && read[0] + read[1] <= Date.now() + 1"),
        "true"
    );
}

#[test]
fn a_library_that_was_replaced_is_loaded_anew_and_old_sessions_keep_theirs() {
    let daemon = Daemon::start();
    add_to_cache(&daemon, "a-1.0", "var made = 'old';");
    let template = daemon.template_with_libraries(&["a-1.0"]);
    let old = daemon.session_of(&template);
    add_to_cache(&daemon, "a-1.0", "var made = 'newer';");
    assert_eq!(daemon.session_of(&template).eval("made"), "newer");
    assert_eq!(old.eval("made"), "old");
}

#[test]
fn zygotes_that_no_session_needs_are_ended() {
    let daemon = Daemon::start();
    let session_with = |n: usize| {
        let name = format!("l{n}-1.0");
        add_to_cache(&daemon, &name, &format!("var made = {n};"));
        daemon.session_of(&daemon.template_with_libraries(&[&name]))
    };
    let first = session_with(0);
    for n in 1..=10 {
        let session = session_with(n);
        assert_eq!(session.eval("made"), n.to_string());
        session.close();
    }
    // The zygote without libraries, the last eight that were used, and the first, which has a
    // session, remain.
    wait_for("zygotes to end", || {
        (zygotes(&daemon).len() == 10).then_some(())
    });
    assert_eq!(first.eval("made"), "0");
    first.close();
    wait_for("a zygote to end", || {
        (zygotes(&daemon).len() == 9).then_some(())
    });
}

#[test]
fn sessions_survive_their_zygote_with_libraries_and_others_are_not_affected() {
    let daemon = Daemon::start();
    add_to_cache(&daemon, "a-1.0", "var made = 1;");
    let template = daemon.template_with_libraries(&["a-1.0"]);
    let plain = daemon.session();
    let plain_zygote = daemon.zygote();
    let session = daemon.session_of(&template);
    let zygote = *zygotes(&daemon)
        .iter()
        .find(|zygote| **zygote != plain_zygote)
        .unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(zygote),
        nix::sys::signal::Signal::SIGKILL,
    )
    .unwrap();
    // Until then its session process could begin the run, which would be rolled back with it.
    wait_for("the zygote to end", || {
        (!zygotes(&daemon).contains(&zygote)).then_some(())
    });
    // Sessions of a library whose load is deterministic move to another zygote.
    assert_eq!(session.eval("made"), "1");
    assert_eq!(plain.eval("1 + 1"), "2");
    assert_eq!(daemon.session_of(&template).eval("made"), "1");
}

#[test]
fn a_library_that_fails_is_named_and_leaves_nothing_behind() {
    let daemon = Daemon::start();
    let failures = [
        ("throw new TypeError('no good')", "TypeError: no good"),
        ("var = 1", "SyntaxError"),
        ("await new Promise(() => {})", "can't happen any more"),
        (
            "for (let a = [];; a.push(new ArrayBuffer(1e8)));",
            "too much memory",
        ),
        (
            "for (;;) console.log('x'.repeat(1000));",
            "printed too much",
        ),
        ("require('fs').readFileSync('x')", "fs"),
        ("process.nope()", "TypeError"),
    ];
    for (number, (code, why)) in failures.into_iter().enumerate() {
        let name = format!("bad{number}-1.0");
        add_to_cache(&daemon, &name, code);
        let template = daemon.template_with_libraries(&[&name]);
        let error = daemon
            .request_session(&template)
            .expect_error(422, "LIBRARY_UNAVAILABLE");
        let error = error.json.to_string();
        assert!(error.contains(&name) && error.contains(why), "{error}");
    }
    let sessions = daemon
        .api
        .get("/sessions?status=crashed")
        .expect_status(200);
    assert_eq!(sessions.as_array().unwrap().len(), failures.len());
    wait_for("the processes to end", || {
        (zygotes(&daemon).len() == 1).then_some(())
    });
}

#[test]
fn denied_globals_are_gone_after_the_libraries_have_used_them() {
    let daemon = Daemon::start();
    add_to_cache(
        &daemon,
        "a-1.0",
        "var kept = console; var sloppy = this === globalThis;",
    );
    let template = daemon.template_with_libraries(&["a-1.0"]);
    let settings = json!({"runtime": {"console": false, "strict": true}});
    let path = format!("/templates/{template}");
    daemon.api.patch(&path, &settings).expect_status(200);
    let session = daemon.session_of(&template);
    assert_eq!(
        session.eval("[typeof console, typeof kept.log, sloppy].join()"),
        "undefined,function,true"
    );
}

/// For each library of the catalogue, code that uses it, and the expected value.
const WORK: [(&str, &str, &str); 6] = [
    (
        "lodash-4.17.21",
        "JSON.stringify([
            _.groupBy([6.1, 4.2, 6.3], Math.floor),
            _.sortBy([{n: 'b', v: 2}, {n: 'a', v: 2}, {n: 'c', v: 1}], ['v', 'n']).map(_.property('n')),
            _.template('hello <%= user %>!')({user: 'fred'}),
            _.isEqual(_.cloneDeep({a: [1, new Map([[1, {b: 2}]])]}), {a: [1, new Map([[1, {b: 2}]])]}),
            _.chain([1, 2, 3, 4]).filter(n => n % 2).map(n => n * n).sum().value(),
            _.debounce(() => 1, 5)() === undefined,
        ])",
        r#"[{"4":[4.2],"6":[6.1,6.3]},["c","a","b"],"hello fred!",true,10,true]"#,
    ),
    (
        "moment-2.29.4",
        "[
            moment.utc('2024-02-29T12:30:00Z').add(1, 'year').format('YYYY-MM-DD HH:mm'),
            moment.utc('2024-01-31').add(1, 'month').format('dddd, MMMM Do YYYY'),
            moment.utc('2024-03-10').diff(moment.utc('2024-02-10'), 'days'),
            moment.duration(90, 'minutes').humanize(),
            moment('2024-13-01', 'YYYY-MM-DD', true).isValid(),
        ].join('|')",
        "2025-02-28 12:30|Thursday, February 29th 2024|29|2 hours|false",
    ),
    (
        "dayjs-1.11.10",
        "[
            dayjs('2024-01-31').add(1, 'month').format('YYYY-MM-DD'),
            dayjs('2024-03-10').diff('2024-02-10', 'day'),
            dayjs('2024-05-15').startOf('month').format('ddd D MMM'),
            dayjs('nonsense').isValid(),
        ].join('|')",
        "2024-02-29|29|Wed 1 May|false",
    ),
    (
        "ramda-0.29.0",
        "JSON.stringify([
            R.pipe(R.filter(R.propSatisfies(R.gt(R.__, 1), 'n')), R.pluck('n'), R.sum)([{n: 1}, {n: 2}, {n: 3}]),
            R.over(R.lensPath(['a', 0, 'b']), R.inc, {a: [{b: 41}]}),
            R.transduce(R.compose(R.map(R.multiply(2)), R.take(2)), R.flip(R.append), [], [1, 2, 3]),
            R.curry((a, b, c) => a + b + c)(1)(2, 3),
        ])",
        r#"[5,{"a":[{"b":42}]},[2,4],6]"#,
    ),
    (
        "zustand-4.4.7",
        "var store = zustandVanilla.createStore((set, get) => ({
            bears: 0, more: by => set({bears: get().bears + by}),
        }));
        var seen = [];
        var stop = store.subscribe((now, before) => seen.push([before.bears, now.bears]));
        store.getState().more(2); store.getState().more(3); stop(); store.setState({bears: 9});
        JSON.stringify([seen, store.getState().bears, store.getInitialState === undefined])",
        "[[[0,2],[2,5]],9,true]",
    ),
    (
        "axios-1.6.0",
        "var sent;
        var api = axios.create({
            baseURL: 'https://example.test/api/', headers: {'X-Key': 'k'},
            adapter: async config => {
                sent = config;
                return {data: '{\"answer\": 42}', status: 200, statusText: 'OK', headers: {}, config};
            },
        });
        api.interceptors.response.use(response => ({...response, seen: true}));
        var answer = await api.post('items', {a: 1}, {params: {q: 'a b'}});
        JSON.stringify([answer.data.answer, answer.seen, axios.getUri(sent), sent.data, sent.headers.get('x-key')])",
        r#"[42,true,"https://example.test/api/items?q=a+b","{\"a\":1}","k"]"#,
    ),
];

#[test]
fn the_libraries_of_the_catalogue_work() {
    let Some(downloaded) = downloaded_libraries() else {
        return;
    };
    let daemon = Daemon::start();
    let cache = daemon.library_cache();
    fs::create_dir_all(&cache).unwrap();
    for entry in fs::read_dir(downloaded).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), cache.join(entry.file_name())).unwrap();
    }
    for (name, code, expected) in WORK {
        let session = daemon.session_of(&daemon.template_with_libraries(&[name]));
        let execution = session.run(code);
        assert_eq!(
            execution["result"]["preview"], expected,
            "{name}: {execution}"
        );
    }
    let names = WORK.map(|(name, _, _)| name);
    let session = daemon.session_of(&daemon.template_with_libraries(&names));
    for (name, code, expected) in WORK {
        assert_eq!(session.eval(code), expected, "{name}");
    }
}
