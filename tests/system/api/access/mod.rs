//! Which requests are accepted: tokens, sockets, hosts and origins.

mod daemons;
mod origins;
mod request_matrix;
mod sockets;
mod tokens;
