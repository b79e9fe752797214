//! The environment of scripts that is written in JavaScript: the web APIs.
//!
//! Each part is an expression whose value is a function. An engine runs the parts in the order of
//! [`PARTS`] when it is built, and then the scripts of the host modules. It calls each function
//! with one object, `host`, which holds these native functions and values:
//!
//! - `call(module, function, ...args)` gives the answer of a host module, or throws its error.
//! - `modules` is the object in which host modules store what their specifiers give.
//! - `define(object)` makes the properties of the object globals that listings leave out.
//! - `errors` holds constructors of errors with the codes of Node. The first part defines it.
//! - `encode(text)` gives the bytes of a text in UTF-8.
//! - `decode(bytes, encoding, fatal)` gives the text; `undefined` if `fatal` is set and the bytes
//!   are malformed.
//! - `unfinished(bytes, encoding)` gives how many bytes at the end begin a character that is not
//!   complete.
//! - `parseUrl(input, base)` and `setUrl(href, name, value)` give the parts of a URL in the order
//!   of [`url_parts`](super::web::url_parts), or `undefined`.
//! - `parseQuery(text)` gives the pairs of a query, and `formatQuery(pairs)` the query.
//! - `later(callback, ms)` sets a timer that does not keep an execution going.
//! - `random(count)` gives random bytes, and `uuid()` a random UUID.
//! - `now()` gives the milliseconds since the session started, and `timeOrigin()` when it did, in
//!   milliseconds since 1970.
//! - `folder()` gives the path of the worktree, and `platform` is the name of the system.
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
