//! The work of the web APIs that needs no value of an engine: texts in bytes, URLs and queries.

use std::borrow::Cow;

use url::{Url, quirks};

/// How many random bytes one call gives at most: what the web allows.
pub(crate) const MAX_RANDOM_BYTES: usize = 65_536;

/// A decoded text.
#[derive(Debug, PartialEq)]
pub(crate) enum Decoded<'a> {
    Text(Cow<'a, str>),
    /// The bytes are malformed, and the caller wants no replacement characters.
    Malformed,
}

/// The text of bytes in `latin1`, `utf-16le` or, for every other name, UTF-8. Malformed parts
/// become replacement characters unless `fatal` is set.
pub(crate) fn decode<'a>(bytes: &'a [u8], encoding: &str, fatal: bool) -> Decoded<'a> {
    let text = match encoding {
        "latin1" => bytes.iter().map(|byte| char::from(*byte)).collect(),
        "utf-16le" => {
            let unit = |unit: &[u8]| match unit {
                [low, high] => u16::from_le_bytes([*low, *high]),
                _ => 0xFFFD,
            };
            let units: Vec<u16> = bytes.chunks(2).map(unit).collect();
            if fatal && String::from_utf16(&units).is_err() {
                return Decoded::Malformed;
            }
            String::from_utf16_lossy(&units).into()
        }
        _ => match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) if fatal => return Decoded::Malformed,
            Err(_) => String::from_utf8_lossy(bytes),
        },
    };
    Decoded::Text(text)
}

/// How many bytes at the end begin a character that is not complete.
pub(crate) fn unfinished(bytes: &[u8], encoding: &str) -> usize {
    match encoding {
        "utf-16le" => bytes.len() % 2,
        "utf-8" => match std::str::from_utf8(bytes) {
            Err(error) if error.error_len().is_none() => bytes.len() - error.valid_up_to(),
            // An earlier error hides the end of the text.
            Err(_) => unfinished_tail(bytes),
            Ok(_) => 0,
        },
        _ => 0,
    }
}

fn unfinished_tail(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    (from..bytes.len())
        .find(|at| {
            std::str::from_utf8(&bytes[*at..])
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .map_or(0, |at| bytes.len() - at)
}

/// The parts of a URL, in the order in which `url.js` names them.
pub(crate) fn url_parts(url: &Url) -> [String; 11] {
    [
        quirks::href(url).to_owned(),
        quirks::origin(url),
        quirks::protocol(url).to_owned(),
        quirks::username(url).to_owned(),
        quirks::password(url).to_owned(),
        quirks::host(url).to_owned(),
        quirks::hostname(url).to_owned(),
        quirks::port(url).to_owned(),
        quirks::pathname(url).to_owned(),
        quirks::search(url).to_owned(),
        quirks::hash(url).to_owned(),
    ]
}

/// The URL of a text, relative to `base` if there is one; `None` if one of the two is no URL.
pub(crate) fn parse_url(input: &str, base: Option<&str>) -> Option<Url> {
    let base = base.map(Url::parse).transpose().ok()?;
    let options = Url::options().base_url(base.as_ref());
    options.parse(input).ok()
}

/// The URL with one part changed; `None` if the change can't be made.
pub(crate) fn with_url_part(href: &str, name: &str, value: &str) -> Option<Url> {
    let mut url = Url::parse(href).ok()?;
    match name {
        "href" => quirks::set_href(&mut url, value).ok()?,
        "protocol" => quirks::set_protocol(&mut url, value).ok()?,
        "username" => quirks::set_username(&mut url, value).ok()?,
        "password" => quirks::set_password(&mut url, value).ok()?,
        "host" => quirks::set_host(&mut url, value).ok()?,
        "hostname" => quirks::set_hostname(&mut url, value).ok()?,
        "port" => quirks::set_port(&mut url, value).ok()?,
        "pathname" => quirks::set_pathname(&mut url, value),
        "search" => quirks::set_search(&mut url, value),
        "hash" => quirks::set_hash(&mut url, value),
        "query" => url.set_query((!value.is_empty()).then_some(value)),
        _ => return None,
    }
    Some(url)
}

/// The names and values of a query.
pub(crate) fn parse_query(query: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect()
}

/// The query of these names and values.
pub(crate) fn format_query(pairs: impl IntoIterator<Item = (String, String)>) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

/// A random UUID of these random bytes.
pub(crate) fn uuid(random: [u8; 16]) -> String {
    let uuid = uuid::Builder::from_random_bytes(random).into_uuid();
    uuid.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_that_is_not_complete_is_counted_after_malformed_bytes_too() {
        assert_eq!(unfinished("a\u{20ac}".as_bytes(), "utf-8"), 0);
        assert_eq!(unfinished(b"a\xe2\x82", "utf-8"), 2);
        assert_eq!(unfinished(b"\xff a\xe2\x82", "utf-8"), 2);
        assert_eq!(unfinished(b"abc", "utf-16le"), 1);
        assert_eq!(unfinished(b"\xe2", "latin1"), 0);
    }

    #[test]
    fn malformed_bytes_are_replaced_or_refused() {
        for (bytes, encoding) in [(&b"a\xff"[..], "utf-8"), (b"\x00\xd8", "utf-16le")] {
            assert_eq!(decode(bytes, encoding, true), Decoded::Malformed);
            let Decoded::Text(text) = decode(bytes, encoding, false) else {
                panic!("{encoding}");
            };
            assert!(text.ends_with('\u{fffd}'), "{text:?}");
        }
        assert_eq!(
            decode(b"\xe4", "latin1", true),
            Decoded::Text("\u{e4}".into())
        );
    }

    #[test]
    fn a_part_of_a_url_is_changed_unless_it_is_malformed() {
        let href = "https://a.b/c?d#e";
        let changed = |name, value| with_url_part(href, name, value).map(String::from);
        assert_eq!(
            changed("port", "8080").as_deref(),
            Some("https://a.b:8080/c?d#e")
        );
        assert_eq!(changed("query", "").as_deref(), Some("https://a.b/c#e"));
        assert_eq!(changed("port", "x"), None);
        assert_eq!(changed("origin", "https://c.d"), None);
    }
}
