//! Which requests are let in: tokens, sockets, hosts and origins.

mod origins;
mod tokens;
