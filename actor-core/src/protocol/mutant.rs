//! Plausible wrong implementations, kept for ever: a checker that does not refute each of them is broken.
//!
//! The rules ask [`super::Env::is_mutant`] at the one place that each mutant spoils. Without the feature `mutants` the
//! answer is a constant, so nothing of this is in a program that does not ask for it.

/// One wrong implementation; its documentation says what it gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mutant {
    /// An acknowledgement releases first messages before anybody is bound (P6).
    DropInitOnAck,
    /// An acknowledgement ends initiation (rule 3).
    AckIsEstablish,
    /// The latest answer wins: a twin replaces the bound partner (P7).
    Rebind,
    /// The binding is not durable before a frame names the partner (S3).
    VolatileBinding,
    /// Frames of a dialog are taken by whoever gets them, without looking at the token (P2).
    NoToken,
    /// Pending work becomes permanent before the initiator has bound (rule 2).
    ApplyInInit,
    /// A message is acknowledged before it is durable (S5).
    AckBeforeCommit,
    /// A frame that names an unknown endpoint starts the dialog over (P12).
    AmnesiaAccept,
    /// One token for every endpoint of an instance (S2).
    StaticToken,
    /// Frames leave before the commit they belong to (S1).
    SendBeforeCommit,
    /// The window belongs to the dialog's id: messages of unbound twins are merged (P7).
    MergedWindow,
    /// A message that cannot be handled is skipped, and the next is handled (P16).
    SkipPoison,
    /// Attempts at a message are counted in memory only (H8).
    VolatileAttemptCount,
    /// Deadlines that passed while the node was down fire before anything that waited is heard (P15).
    ExpireAtBoot,
    /// A currency is delivered although a newer value was (S10).
    CurrencyGoesBack,
    /// A RESET is believed although it answers a frame of an earlier life (P12).
    ResetWithoutEcho,
    /// An ended endpoint is forgotten at once (S23).
    TombstonelessCleanup,
    /// The application hears of acknowledgements (S19).
    AckVisibleToApp,
}

impl Mutant {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::DropInitOnAck,
        Self::AckIsEstablish,
        Self::Rebind,
        Self::VolatileBinding,
        Self::NoToken,
        Self::ApplyInInit,
        Self::AckBeforeCommit,
        Self::AmnesiaAccept,
        Self::StaticToken,
        Self::SendBeforeCommit,
        Self::MergedWindow,
        Self::SkipPoison,
        Self::VolatileAttemptCount,
        Self::ExpireAtBoot,
        Self::CurrencyGoesBack,
        Self::ResetWithoutEcho,
        Self::TombstonelessCleanup,
        Self::AckVisibleToApp,
    ];
}
