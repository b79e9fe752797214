use std::fmt;
use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::Sha1;
use sha2::Sha512;
use sha2::digest::Digest;

/// The checksum of a package, as a registry gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    /// In base 64, as in `integrity`.
    Sha512(String),
    /// In hexadecimal digits, as in `shasum`. Old registries have nothing better.
    Sha1(String),
}

impl Checksum {
    /// The best one that is known here: SHA-512 of an `integrity`, which may hold several; SHA-1 only if there is no
    /// `integrity`.
    pub(crate) fn choose(integrity: Option<&str>, shasum: Option<&str>) -> Option<Self> {
        match integrity {
            Some(integrity) => integrity.split_whitespace().find_map(|one| {
                let digest = one.strip_prefix("sha512-")?;
                let digest = digest.split('?').next()?;
                Some(Self::Sha512(digest.to_owned()))
            }),
            None => shasum.map(|digest| Self::Sha1(digest.to_ascii_lowercase())),
        }
    }

    /// The checksum of the same kind of what can be read.
    pub(crate) fn of_same_kind(&self, reader: impl Read) -> io::Result<Self> {
        Ok(match self {
            Self::Sha512(_) => Self::Sha512(STANDARD.encode(digest::<Sha512>(reader)?)),
            Self::Sha1(_) => {
                let digits = digest::<Sha1>(reader)?;
                let hex = |text: String, byte| text + &format!("{byte:02x}");
                Self::Sha1(digits.into_iter().fold(String::new(), hex))
            }
        })
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha512(digest) => write!(f, "sha512-{digest}"),
            Self::Sha1(digest) => write!(f, "sha1-{digest}"),
        }
    }
}

fn digest<D: Digest>(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut digest = D::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(digest.finalize().to_vec()),
            read => digest.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_known_checksum_is_taken() {
        let choose = |integrity, shasum| {
            Checksum::choose(integrity, shasum).map(|checksum| checksum.to_string())
        };
        let sha512 = Some("sha512-QQ==".to_owned());
        assert_eq!(choose(Some("sha512-QQ=="), Some("ab")), sha512);
        assert_eq!(choose(Some("sha1-QQ== sha512-QQ==?x"), None), sha512);
        assert_eq!(choose(None, Some("AB")), Some("sha1-ab".into()));
        assert_eq!(choose(Some("md5-QQ=="), Some("ab")), None);
        assert_eq!(choose(None, None), None);
    }

    #[test]
    fn checksums_are_those_that_other_tools_compute() {
        // `printf abc | sha1sum`, and FIPS 180-4.
        let sha1 = Checksum::Sha1(String::new());
        assert_eq!(
            sha1.of_same_kind(&b"abc"[..]).unwrap().to_string(),
            "sha1-a9993e364706816aba3e25717850c26c9cd0d89d"
        );
        let sha512 = Checksum::Sha512(String::new());
        assert_eq!(
            sha512.of_same_kind(&b"abc"[..]).unwrap().to_string(),
            vmcontrol::library::integrity_of(b"abc")
        );
    }
}
