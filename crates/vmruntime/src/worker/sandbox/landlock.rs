//! Landlock: no files, no TCP, and no signals or abstract sockets to processes outside.

use landlock::{
    ABI, Access, AccessFs, AccessNet, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetError, Scope,
};
use vmapi_types::LandlockLevel;

/// The newest version of the rules that are requested. An older kernel enforces the rules that it
/// knows.
const NEWEST: ABI = ABI::V6;

/// Denies everything that the kernel's Landlock can deny. Returns how much that is.
///
/// # Errors
/// When a kernel that has Landlock refuses.
pub(super) fn restrict() -> Result<LandlockLevel, RulesetError> {
    let RestrictionStatus { landlock, .. } = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()?;
    Ok(match landlock {
        LandlockStatus::Available { effective_abi, .. } => match effective_abi {
            ABI::Unsupported => LandlockLevel::None,
            ABI::V1 | ABI::V2 | ABI::V3 => LandlockLevel::Files,
            ABI::V4 | ABI::V5 => LandlockLevel::FilesAndTcp,
            _ => LandlockLevel::FilesTcpAndSignals,
        },
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => LandlockLevel::None,
    })
}
