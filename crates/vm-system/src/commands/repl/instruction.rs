//! What is said to the console itself: lines that begin with a point and a word.

/// An instruction.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instruction<'a> {
    Help,
    Exit,
    Cancel,
    Timing,
    Load(&'a str),
    Save(&'a str),
    Inspect(&'a str),
    Type(&'a str),
    /// Something else, which is wrong.
    Unknown(&'a str),
}

/// Each with what it takes and what it does, in the order of the help.
pub(crate) const ALL: [(&str, &str, &str); 8] = [
    (".help", "", "show this"),
    (".exit", "", "leave; so does Ctrl-D"),
    (".cancel", "", "cancel what runs in the session"),
    (
        ".inspect",
        "EXPRESSION",
        "show a value in depth, changing nothing",
    ),
    (
        ".type",
        "EXPRESSION",
        "say what kind of value it is, changing nothing",
    ),
    (".load", "FILE", "run a file of this machine"),
    (".save", "FILE", "write what was run here into a file"),
    (".timing", "", "say how long things took, or stop saying it"),
];

/// What a line says to the console; nothing if it is code.
pub(crate) fn parse(line: &str) -> Option<Instruction<'_>> {
    let line = line.trim();
    let is_one = line
        .strip_prefix('.')?
        .starts_with(|c: char| c.is_ascii_lowercase());
    if !is_one {
        return None;
    }
    let (word, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let argument = argument.trim();
    Some(match (word, argument.is_empty()) {
        (".help", true) => Instruction::Help,
        (".exit", true) => Instruction::Exit,
        (".cancel", true) => Instruction::Cancel,
        (".timing", true) => Instruction::Timing,
        (".load", false) => Instruction::Load(argument),
        (".save", false) => Instruction::Save(argument),
        (".inspect", false) => Instruction::Inspect(argument),
        (".type", false) => Instruction::Type(argument),
        _ => Instruction::Unknown(word),
    })
}

/// What is said of an instruction that is none.
pub(crate) fn correction(word: &str) -> String {
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
    fn lines_that_begin_with_a_point_and_a_word_are_no_code() {
        assert_eq!(parse(".5 + 1"), None);
        assert_eq!(parse("a.help"), None);
        assert_eq!(parse(" .help "), Some(Instruction::Help));
        assert_eq!(parse(".load  a b.js"), Some(Instruction::Load("a b.js")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse(".load"), Some(Instruction::Unknown(".load")));
        assert_eq!(correction(".load"), ".load takes FILE");
        assert_eq!(parse(".exit now"), Some(Instruction::Unknown(".exit")));
        assert_eq!(correction(".exit"), ".exit takes nothing");
        assert_eq!(
            correction(".quit"),
            "there is no .quit: .help lists what there is"
        );
    }

    #[test]
    fn all_are_understood() {
        for (name, argument, _) in ALL {
            let parsed = parse(&format!("{name} {argument}")).map(|found| format!("{found:?}"));
            assert!(!parsed.unwrap().starts_with("Unknown"), "{name}");
        }
    }
}
