//! What happened, in numbers: measured, never computed from rates.

use std::fmt;

macro_rules! tally {
    ($($(#[doc = $doc:literal])* $name:ident: $label:literal,)*) => {
        /// Counts of a run, or of many.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[doc = $doc])* pub $name: u64,)*
        }

        impl Tally {
            /// Adds the counts of another run.
            pub fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }

            /// Every count with its name.
            pub fn lines(&self) -> Vec<(&'static str, u64)> {
                vec![$(($label, self.$name),)*]
            }
        }
    };
}

tally! {
    /// Worlds.
    worlds: "worlds",
    /// Dialogs that were opened.
    dialogs: "dialogs",
    /// Those in which at least [`LONG`] messages were heard by an application.
    long: "dialogs of at least 8 messages",
    /// Long ones of which a frame was overtaken by one that the same host sent later to the same host.
    reordered: "of them with frames out of order",
    /// Long ones that lost a host to a crash while they were open there.
    crashed: "of them hit by a crash",
    /// Messages that applications said.
    said: "messages said",
    /// Messages that applications heard.
    heard: "messages heard",
    /// Inputs to endpoints.
    steps: "steps of endpoints",
    /// Transactions that were written.
    commits: "commits",
    /// Frames that were released.
    frames: "frames released",
    /// Frames that met a running host.
    arrived: "frames arrived",
    /// Frames on the wire's bytes and back.
    coded: "frames through their bytes",
    /// Frames lost.
    lost: "fault: frames lost",
    /// Frames repeated.
    repeated: "fault: frames repeated",
    /// Frames held back.
    slow: "fault: frames held back",
    /// Frames that overtook another.
    overtaken: "fault: frames overtaken",
    /// Frames at the wrong host.
    misrouted: "fault: frames misrouted",
    /// Crashes between commit and release.
    crashes_after: "fault: crashes after a commit",
    /// Commits that failed.
    crashes_before: "fault: crashes before a commit",
    /// Stores lost.
    wipes: "fault: stores lost",
    /// Stores restored from an older copy.
    rollbacks: "fault: stores taken back in time",
    /// Instances that swapped names.
    swaps: "fault: instances swapped names",
    /// Handlers that were rolled back.
    panics: "fault: handlers rolled back",
    /// Messages that an application let wait.
    slow_apps: "fault: applications that took their time",
    /// Messages that failed for good.
    poisoned: "fault: messages failed for good",
    /// Openings that were refused.
    refused: "fault: openings refused",
    /// Dialogs given up by an application.
    abandoned: "fault: dialogs given up",
    /// Deadlines at the wrong time.
    odd_clocks: "fault: deadlines early or late",
    /// Frames that came back after the end of all.
    replayed: "fault: frames replayed after the end",
    /// Virtual time, in seconds.
    seconds: "simulated seconds",
}

/// Messages that make a dialog long enough to count.
pub const LONG: u64 = 8;

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, count) in self.lines() {
            writeln!(f, "  {label:<42}{count:>16}")?;
        }
        Ok(())
    }
}
