//! The checksums of libraries.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha512};

/// The checksum of bytes as npm and browsers write it: `sha512-` and the digest in base 64.
pub fn integrity_of(bytes: &[u8]) -> String {
    encoded(&Sha512::digest(bytes))
}

/// The checksum of everything that a reader yields, and the number of bytes.
pub(super) fn integrity_of_all(mut reader: impl Read) -> io::Result<(String, u64)> {
    let (mut digest, mut size_bytes) = (Sha512::new(), 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok((encoded(&digest.finalize()), size_bytes)),
            read => {
                digest.update(&buffer[..read]);
                size_bytes += read as u64;
            }
        }
    }
}

fn encoded(digest: &[u8]) -> String {
    format!("sha512-{}", STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_nothing_is_the_known_one() {
        // FIPS 180-4; `printf '' | openssl dgst -sha512 -binary | base64`.
        assert_eq!(
            integrity_of(b""),
            "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
        );
    }
}
