//! Dot commands: lines that are addressed to the console itself, like `.help`.

/// A parsed dot command, with its argument.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DotCommand<'a> {
    Help,
    Exit,
    Cancel,
    Timing,
    Load(&'a str),
    Save(&'a str),
    Inspect(&'a str),
    Type(&'a str),
    /// An unknown command, or a known one with a wrong number of arguments; its name.
    Unknown(&'a str),
}

/// All dot commands with their argument and their help text, in the order of the help.
pub(crate) const ALL: [(&str, &str, &str); 8] = [
    (".help", "", "show this"),
    (".exit", "", "leave; so does Ctrl-D"),
    (".cancel", "", "cancel the running code"),
    (
        ".inspect",
        "EXPRESSION",
        "show a value in depth, changing nothing",
    ),
    (
        ".type",
        "EXPRESSION",
        "show the type of a value, changing nothing",
    ),
    (".load", "FILE", "run a file of this machine"),
    (".save", "FILE", "write the code that ran here to a file"),
    (".timing", "", "start or stop printing execution times"),
];

/// Parses a line; `None` if it is code.
pub(crate) fn parse(line: &str) -> Option<DotCommand<'_>> {
    let line = line.trim();
    let is_command = line
        .strip_prefix('.')?
        .starts_with(|c: char| c.is_ascii_lowercase());
    if !is_command {
        return None;
    }
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    Some(match (word, argument.is_empty()) {
        (".help", true) => DotCommand::Help,
        (".exit", true) => DotCommand::Exit,
        (".cancel", true) => DotCommand::Cancel,
        (".timing", true) => DotCommand::Timing,
        (".load", false) => DotCommand::Load(argument),
        (".save", false) => DotCommand::Save(argument),
        (".inspect", false) => DotCommand::Inspect(argument),
        (".type", false) => DotCommand::Type(argument),
        _ => DotCommand::Unknown(word),
    })
}

/// The error message for an invalid dot command.
pub(crate) fn error_message(word: &str) -> String {
    match ALL.iter().find(|(name, ..)| *name == word) {
        Some((name, "", _)) => format!("{name} takes nothing"),
        Some((name, argument, _)) => format!("{name} takes {argument}"),
        None => format!("there is no {word}: .help lists what there is"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_with_a_dot_and_a_word_are_dot_commands() {
        assert_eq!(parse(".5 + 1"), None);
        assert_eq!(parse("a.help"), None);
        assert_eq!(parse(" .help "), Some(DotCommand::Help));
        assert_eq!(parse(".load  a b.js"), Some(DotCommand::Load("a b.js")));
    }

    #[test]
    fn invalid_dot_commands_have_an_error_message() {
        assert_eq!(parse(".load"), Some(DotCommand::Unknown(".load")));
        assert_eq!(error_message(".load"), ".load takes FILE");
        assert_eq!(parse(".exit now"), Some(DotCommand::Unknown(".exit")));
        assert_eq!(error_message(".exit"), ".exit takes nothing");
        assert_eq!(
            error_message(".quit"),
            "there is no .quit: .help lists what there is"
        );
    }

    #[test]
    fn all_dot_commands_are_parsed() {
        for (name, argument, _) in ALL {
            let parsed = parse(&format!("{name} {argument}")).map(|found| format!("{found:?}"));
            assert!(!parsed.unwrap().starts_with("Unknown"), "{name}");
        }
    }
}
