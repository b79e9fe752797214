//! The environment of scripts that is written in JavaScript: the web APIs.
//!
//! Each part is an expression whose value is a function. An engine runs the parts in the order of
//! [`PARTS`] when it is built, and then the scripts of the host modules. It calls each function
//! with one object, `host`, which holds these native functions and values:
//!
//! | name | gives |
//! |---|---|
//! | `call(module, function, ...args)` | the answer of a host module; throws its error |
//! | `define(object)` | nothing; the properties of the object become globals that listings leave out |
//! | `modules` | the object in which host modules store what their specifiers give |
//! | `errors` | constructors of errors with Node's codes; the first part defines it |
//! | `encode(text)` | the bytes of a text in UTF-8 |
//! | `decode(bytes, encoding, fatal)` | the text; `undefined` if `fatal` is set and the bytes are malformed |
//! | `unfinished(bytes, encoding)` | how many bytes at the end begin a character that is not complete |
//! | `parseUrl(input, base)`, `setUrl(href, name, value)` | the parts of a URL ([`url_parts`](super::web::url_parts)), or `undefined` |
//! | `parseQuery(text)`, `formatQuery(pairs)` | the pairs of a query, and back |
//! | `later(callback, ms)` | nothing; a timer that does not keep an execution going |
//! | `random(count)`, `uuid()` | random bytes, a random UUID |
//! | `now()`, `timeOrigin()` | milliseconds since the session started, and since 1970 when it did |
//! | `folder()`, `platform` | the path of the worktree, the name of the system |
//!
//! Time and randomness must come from [`HostLink::record_input`](super::HostLink::record_input).

/// The parts by name, in an order in which each finds the globals that it uses.
pub(crate) const PARTS: &[(&str, &str)] = &[
    ("errors", include_str!("errors.js")),
    ("events", include_str!("events.js")),
    ("url", include_str!("url.js")),
    ("encoding", include_str!("encoding.js")),
    ("language", include_str!("language.js")),
    ("process", include_str!("process.js")),
];
