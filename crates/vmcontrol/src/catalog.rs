//! The names that a template can use: engines, libraries, capability kinds, startup modes. The
//! names of host modules are the runtime's
//! ([`Runtime::host_modules`](crate::runtime::Runtime::host_modules)).

/// The engine of templates that name none.
pub const DEFAULT_ENGINE: &str = "boa";

/// Another name for the default engine: scripts written for the Go service pass it.
pub const DEFAULT_ENGINE_ALIAS: &str = "goja";

/// The kinds that a capability can have.
pub const CAPABILITY_KINDS: &[&str] = &["module", "global", "fs", "net", "env"];

/// The modes that a startup file can have.
pub const STARTUP_MODES: &[&str] = &["eval", "import"];

/// JavaScript's own globals, which can't be configured as modules.
pub const BUILT_INS: &[&str] = &[
    "console", "math", "json", "date", "array", "string", "object", "promise",
];

/// The default directory of downloaded libraries, below the working directory of the process.
pub const DEFAULT_LIBRARY_CACHE: &str = ".vm-cache/libraries";

/// Whether the name is that of one of JavaScript's own globals, in upper or lower case.
pub fn is_built_in(name: &str) -> bool {
    BUILT_INS
        .iter()
        .any(|built_in| built_in.eq_ignore_ascii_case(name))
}

/// A library that `libs download` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Library {
    /// Its id, as in `lodash`.
    pub id: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The global that it defines.
    pub global: &'static str,
    /// The package that holds it.
    pub npm_package: &'static str,
    /// The file of the package that runs as a plain script.
    pub npm_file: &'static str,
    /// A line that is appended to the file; empty for most libraries.
    pub epilogue: &'static str,
}

impl Library {
    /// The name that templates and the cache use: `<id>-<version>`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.id, self.version)
    }

    /// A URL of its file, for people who want to read it. Downloads come from the registry.
    pub fn source(&self) -> String {
        format!(
            "https://cdn.jsdelivr.net/npm/{}@{}/{}",
            self.npm_package, self.version, self.npm_file
        )
    }
}

/// The description of a library for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// The name of the project.
    pub title: &'static str,
    /// Its purpose.
    pub description: &'static str,
    /// The URL of its own page.
    pub homepage: &'static str,
}

/// The description of the library with this id; `None` for one that `libs download` does not know.
pub fn about(id: &str) -> Option<About> {
    let (title, description, homepage) = match id {
        "lodash" => (
            "Lodash",
            "Functions for arrays, objects, strings and functions",
            "https://lodash.com/",
        ),
        "moment" => (
            "Moment.js",
            "Reads, checks, changes and writes dates and times",
            "https://momentjs.com/",
        ),
        "axios" => (
            "Axios",
            "An HTTP client with promises",
            "https://axios-http.com/",
        ),
        "ramda" => (
            "Ramda",
            "Functions to compose others of, which change no data",
            "https://ramdajs.com/",
        ),
        "dayjs" => (
            "Day.js",
            "Dates and times in 2 kB, with the interface of Moment.js",
            "https://day.js.org/",
        ),
        "zustand" => (
            "Zustand",
            "Keeps the state of a program in one store",
            "https://zustand.docs.pmnd.rs/",
        ),
        _ => return None,
    };
    Some(About {
        title,
        description,
        homepage,
    })
}

/// Every library that `libs download` knows.
pub const LIBRARIES: &[Library] = &[
    library("lodash", "4.17.21", "_", "lodash.min.js", ""),
    library("moment", "2.29.4", "moment", "min/moment.min.js", ""),
    library("axios", "1.6.0", "axios", "dist/axios.min.js", ""),
    library("ramda", "0.29.0", "R", "dist/ramda.min.js", ""),
    library("dayjs", "1.11.10", "dayjs", "dayjs.min.js", ""),
    library(
        "zustand",
        "4.4.7",
        "zustand",
        "umd/vanilla.production.js",
        "globalThis.zustand = globalThis.zustandVanilla;\n",
    ),
];

const fn library(
    id: &'static str,
    version: &'static str,
    global: &'static str,
    npm_file: &'static str,
    epilogue: &'static str,
) -> Library {
    Library {
        id,
        version,
        global,
        npm_package: id,
        npm_file,
        epilogue,
    }
}

/// Whether a library can have this name: the stem of a file name, never a path.
pub fn is_library_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 128
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_has_a_description() {
        for library in LIBRARIES {
            let about = about(library.id).unwrap();
            assert!(about.homepage.starts_with("https://"), "{}", library.id);
            assert!(!about.title.is_empty() && !about.description.is_empty());
        }
        assert_eq!(about("own"), None);
        let lodash = &LIBRARIES[0];
        assert_eq!(
            lodash.source(),
            "https://cdn.jsdelivr.net/npm/lodash@4.17.21/lodash.min.js"
        );
    }
}
