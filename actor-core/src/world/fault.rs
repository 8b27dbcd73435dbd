//! What can go wrong in a world, by name, and sets of it.

use std::{fmt, str::FromStr};

macro_rules! faults {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// A kind of trouble that a seed draws. What takes a memory away for good (a wiped, forgetful or restored node) is
        /// never drawn: it is made by hand, because then a dialog fails, and is meant to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[doc = $doc])* $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name, as in the variable `WORLD_FAULTS`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

faults! {
    /// A frame is lost.
    Loss = "loss",
    /// A frame arrives once more, now or later.
    Repeat = "repeat",
    /// A frame takes its time.
    Delay = "delay",
    /// Later frames overtake a frame.
    Reorder = "reorder",
    /// A first frame, said again, goes to another instance of the pool.
    Reroute = "reroute",
    /// A link holds everything back for a time.
    Clog = "clog",
    /// Nothing passes between two nodes for a time.
    Partition = "partition",
    /// A process dies before or after a commit, and starts again.
    Crash = "crash",
    /// The machine dies with its process: of what was not synced an arbitrary part arrived, torn.
    PowerLoss = "power-loss",
    /// A process dies while it opens its store.
    CrashInRecovery = "crash-in-recovery",
    /// A sync fails; the node stops.
    FailedSync = "failed-sync",
    /// The disk is full; the node stops.
    FullDisk = "full-disk",
    /// A sync takes long.
    SlowDisk = "slow-disk",
    /// The wall clock is set while a process is down.
    ClockStep = "clock-step",
}

/// A set of kinds of trouble.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Faults(u32);

impl Faults {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self((1 << Fault::ALL.len()) - 1);

    /// Is it one of them?
    pub fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// These and that.
    #[must_use]
    pub fn with(self, fault: Fault) -> Self {
        Self(self.0 | (1 << fault as u32))
    }

    /// These but that.
    #[must_use]
    pub fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u32))
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.iter().copied().filter(move |one| self.has(*one))
    }
}

impl FromIterator<Fault> for Faults {
    fn from_iter<I: IntoIterator<Item = Fault>>(faults: I) -> Self {
        faults.into_iter().fold(Self::NONE, Self::with)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Fault::name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::NONE);
        }
        let one = |name: &str| {
            let found = Fault::ALL.iter().find(|fault| fault.name() == name);
            found
                .copied()
                .ok_or_else(|| format!("there is no fault `{name}`: the names are {}", Self::ALL))
        };
        text.split(',').map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_faults_survives_its_text() {
        let some = Faults::NONE.with(Fault::Loss).with(Fault::PowerLoss);
        assert_eq!(some.to_string(), "loss,power-loss");
        for faults in [Faults::NONE, Faults::ALL, some, some.without(Fault::Loss)] {
            assert_eq!(faults.to_string().parse(), Ok(faults));
        }
        assert!("lost".parse::<Faults>().is_err());
    }
}
