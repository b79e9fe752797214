//! The words, the terms that replace them, and how often each word is tolerated.

use Scope::{Code, Everywhere};

/// A word that is replaced by a term.
pub(super) struct Word {
    /// The regular expression that finds the word; only ASCII letters are part of a word.
    pub(super) pattern: &'static str,
    /// The term of the field.
    pub(super) term: &'static str,
    pub(super) scope: Scope,
    /// The number of lines that may contain the word. It may only become smaller; 0 is the rule.
    pub(super) tolerated: usize,
    /// The beginnings of the paths of files in which the word is right.
    pub(super) allowed: &'static [&'static str],
}

/// Where a word is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// In names, comments, texts, documents and scripts.
    Everywhere,
    /// In Rust code outside comments and literals: an English word that is wrong as a name.
    Code,
}

const fn word(
    tolerated: usize,
    pattern: &'static str,
    term: &'static str,
    scope: Scope,
    allowed: &'static [&'static str],
) -> Word {
    Word {
        pattern,
        term,
        scope,
        tolerated,
        allowed,
    }
}

pub(super) const WORDS: &[Word] = &[
    word(
        0,
        r"(?i)took[ _-]?over|tak(e|es|ing)[ _-]over|takeover|\btaken_over",
        "promote, `Promoted`: a checkpoint becomes the session process; failover",
        Everywhere,
        &[],
    ),
    word(
        0,
        r"\bredo\b|redo_|_redo\b|\bRedo|\bREDO",
        "replay, `replay_log`",
        Everywhere,
        &[],
    ),
    word(0, r"(?i)once[ _]more", "again, or replay", Everywhere, &[]),
    word(
        0,
        r"(?i)comes?[ _]to[ _]the[ _]same",
        "is equivalent, is deterministic",
        Everywhere,
        &[],
    ),
    word(0, r"\bLogged\b", "`LoggedRun`", Code, &[]),
    word(0, r"\bRecording\b", "`Trace`", Code, &[]),
    word(
        0,
        r"(?i)unrepeatable",
        "`mark_nondeterministic`",
        Everywhere,
        &[],
    ),
    word(0, r"\bDiffers\b", "`ReplayDiverged`", Code, &[]),
    word(
        0,
        r"\b[Ll]ooks?\b|LookError|FromLook",
        "query, `Query`, `QueryClient`; of a check: inspect",
        Code,
        &[],
    ),
    word(0, r"\bSight\b", "`QueryResult`", Code, &[]),
    word(
        0,
        r"(?i)stand[_-]?ins?\b|\bstands in for\b",
        "query process",
        Everywhere,
        &[],
    ),
    word(
        0,
        r"\bOrigin\b",
        "`SessionSeed`",
        Code,
        &["crates/vmruntime/src/engine/", "crates/vm-system/"],
    ),
    word(0, r"\bAgain\b|\bAGAIN_", "`Respawn`", Code, &[]),
    word(0, r"\bNews\b", "`ProcessEvent`", Code, &[]),
    word(0, r"\bWoken\b", "`Promoted`", Code, &[]),
    word(
        0,
        r"\bfn (hear|obey|learn|tell|settle)\b",
        "`on_message`, `on_command`, `on_process_event`, `record_input`, `send`, `finish_run`",
        Code,
        &[],
    ),
    word(0, r"\bOver\b", "`EndReason`", Code, &[]),
    word(
        0,
        r"\bPlaces?\b",
        "what it is: `Permit`, `Label`, `Position`, `Cursor`",
        Code,
        &[],
    ),
    word(
        0,
        r"\bPages?\b",
        "`PostMortemPage`: shared memory that outlives the process",
        Code,
        &[
            "crates/vm-system/",
            "crates/vmapi-types/",
            "crates/vmclient/",
            "crates/vmcontrol/",
            "crates/vmstore-sqlite/",
            "crates/vmtransport-http/",
            "crates/bench/",
            "tests/",
        ],
    ),
    word(
        0,
        r"(?i)carr(y|ies|ied|ying)\b[^.;]{0,30}\bover\b|carr(y|ied)_over",
        "checkpoint the WAL",
        Everywhere,
        &[],
    ),
    word(0, r"\bFamilies\b|\bfamilies\b", "process groups", Code, &[]),
    word(
        0,
        r"(?i)patience|\bPatient\b",
        "idle timeout, write timeout",
        Everywhere,
        &[],
    ),
    word(
        0,
        r"\bmod unread\b|\bunread::|\bunread(_bodies)?\.rs",
        "drain the body",
        Everywhere,
        &[],
    ),
    word(
        0,
        r"\bLive[A-Z]\w*",
        "running: `RunningExecution`",
        Code,
        &[],
    ),
    word(
        0,
        r"(?i)\bfeeds?\b|\w*Feed\b|\bFeed\w+",
        "follow, follower",
        Code,
        &[],
    ),
    word(0, r"(?i)upkeep", "maintenance", Everywhere, &[]),
    word(
        0,
        r"\bmod outside\b|\boutside::|\boutside\.rs",
        "nondeterminism, randomness",
        Everywhere,
        &["tests/"],
    ),
    word(0, r"\bin words\b", "`Display`, a message", Everywhere, &[]),
    word(
        0,
        r"\bmod parts\b|\bparts::|\bparts\.rs",
        "bench support",
        Everywhere,
        &["tests/"],
    ),
    word(
        0,
        r"(?i)(\b|_)(whoever|somebody|nobody)(\b|_)",
        "name the actor: the client, the daemon, the caller, a follower",
        Everywhere,
        &[],
    ),
];
