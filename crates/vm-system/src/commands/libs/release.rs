//! The description of a download.

use reqwest::Url;

use super::checksum::Checksum;
use super::entry_file::EntryFields;

/// A version of a library that can be downloaded.
#[derive(Debug)]
pub(crate) struct Release {
    /// The exact version.
    pub version: String,
    /// The URL of the download.
    pub url: Url,
    /// The kind of content behind the URL.
    pub content: Content,
}

/// The content of a download.
#[derive(Debug)]
pub(crate) enum Content {
    /// A package, which contains the library's file.
    Package {
        /// The checksum of the package.
        checksum: Checksum,
        /// The entry files that the package names.
        entry_fields: EntryFields,
    },
    /// The library's file itself.
    File {
        /// The path of the file in its package.
        path: String,
    },
}
