//! The nondeterministic inputs of scripts: the time and random numbers, each of which goes through
//! [`HostLink::record_input`], so that a replay gives it again.

use super::HostLink;
use crate::clock::{monotonic, since_epoch};

/// The time of the monotonic clock, in nanoseconds.
pub(crate) fn monotonic_nanoseconds(link: &dyn HostLink) -> u64 {
    link.record_input(&|| monotonic().as_nanos().try_into().unwrap_or(u64::MAX))
}

/// The time of day, in milliseconds since 1970.
pub(crate) fn epoch_milliseconds(link: &dyn HostLink) -> i64 {
    let now = || since_epoch().as_millis().try_into().unwrap_or(u64::MAX);
    link.record_input(&now).try_into().unwrap_or(i64::MAX)
}

/// A random number of at least 0 and less than 1. Without a link, which an engine has from its
/// first script on, it is not recorded.
pub(crate) fn random_fraction(link: Option<&dyn HostLink>) -> f64 {
    f64::from_bits(random_bits(link, &|| rand::random::<f64>().to_bits()))
}

/// Fills `bytes` with random numbers. Without a link they are not recorded.
pub(crate) fn fill_randomly(bytes: &mut [u8], link: Option<&dyn HostLink>) {
    for part in bytes.chunks_mut(size_of::<u64>()) {
        let bits = random_bits(link, &rand::random).to_le_bytes();
        part.copy_from_slice(&bits[..part.len()]);
    }
}

fn random_bits(link: Option<&dyn HostLink>, source: &dyn Fn() -> u64) -> u64 {
    match link {
        Some(link) => link.record_input(source),
        None => source(),
    }
}
