//! What a template can name: engines, libraries, capability kinds, startup modes. Host modules are the runtime's to name
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

/// Where downloaded libraries are kept, below the daemon's working directory unless told otherwise.
pub const DEFAULT_LIBRARY_CACHE: &str = ".vm-cache/libraries";

/// Whether the name is one of JavaScript's own globals, in any case.
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
    /// A line that is added at the end of the file, or nothing.
    pub epilogue: &'static str,
}

impl Library {
    /// The name that templates and the cache use: `<id>-<version>`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.id, self.version)
    }

    /// A URL of its file, for whoever wants to look at it; downloads come from the registry.
    pub fn source(&self) -> String {
        format!(
            "https://cdn.jsdelivr.net/npm/{}@{}/{}",
            self.npm_package, self.version, self.npm_file
        )
    }
}

/// What is said of a library to people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// What people call it.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// The URL of its own page.
    pub homepage: &'static str,
}

/// What is said of a library that `libs download` knows, by its id.
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

/// Whether a library can have that name: the stem of a file name, never a path.
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
    fn there_is_something_to_say_of_every_library() {
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
