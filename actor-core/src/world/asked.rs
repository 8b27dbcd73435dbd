//! What the variables `WORLD_SEED`, `WORLD_SEEDS` and `WORLD_FAULTS` ask for.
//!
//! Owns their form. Never runs anything: what cannot be meant is refused, so that no run tests nothing in silence.

use std::ops::Range;

use super::Faults;

/// What the environment asks for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) seeds: Option<Range<u64>>,
    pub(super) faults: Option<(Faults, Range<u64>)>,
}

impl Asked {
    pub(super) fn from_environment() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self::new(
            variable("WORLD_SEED").as_deref(),
            variable("WORLD_SEEDS").as_deref(),
            variable("WORLD_FAULTS").as_deref(),
        )
        .unwrap_or_else(|why| panic!("{why}"))
    }

    fn new(seed: Option<&str>, seeds: Option<&str>, faults: Option<&str>) -> Result<Self, String> {
        let number = |text: &str, name: &str| {
            let parsed = text.trim().parse::<u64>();
            parsed.map_err(|_| format!("{name}: `{text}` is not a whole number"))
        };
        let range = |text: &str, name: &str| {
            let (from, to) = text
                .split_once("..")
                .ok_or_else(|| format!("{name}: `{text}` is not a range like 0..5000"))?;
            Ok::<_, String>(number(from, name)?..number(to, name)?)
        };
        let seeds = match (seed, seeds) {
            (Some(seed), _) => {
                let seed = number(seed, "WORLD_SEED")?;
                let end = seed.checked_add(1);
                Some(seed..end.ok_or_else(|| format!("WORLD_SEED: the largest is {}", seed - 1))?)
            }
            (None, Some(text)) => {
                let seeds = range(text, "WORLD_SEEDS")?;
                if seeds.is_empty() {
                    return Err(format!(
                        "WORLD_SEEDS: `{text}` is an empty range, and nothing would be tested: write one like 0..5000"
                    ));
                }
                Some(seeds)
            }
            (None, None) => None,
        };
        let faults = match faults {
            None => None,
            Some(text) => {
                let (kinds, only) = text.split_once('@').unwrap_or((text, ""));
                let only = if only.is_empty() {
                    0..u64::MAX
                } else {
                    range(only, "WORLD_FAULTS")?
                };
                Some((kinds.parse()?, only))
            }
        };
        Ok(Self { seeds, faults })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fault;
    use super::*;

    #[test]
    fn the_environment_asks_for_seeds_and_faults() {
        let asked = Asked::new(Some("17"), Some("0..9"), Some("loss,crash@3..9")).unwrap();
        assert_eq!(asked.seeds, Some(17..18), "one seed goes before many");
        let faults = Faults::NONE.with(Fault::Loss).with(Fault::Crash);
        assert_eq!(asked.faults, Some((faults, 3..9)));
        assert_eq!(
            Asked::new(None, Some("5..9"), None).unwrap().seeds,
            Some(5..9)
        );
        for (seed, seeds, faults) in [
            (Some("x"), None, None),
            (None, Some("9"), None),
            (None, None, Some("lost")),
        ] {
            assert!(Asked::new(seed, seeds, faults).is_err());
        }
    }

    #[test]
    fn a_range_without_seeds_is_refused_because_nothing_would_be_tested() {
        for text in ["5..1", "5..5"] {
            let why = Asked::new(None, Some(text), None).unwrap_err();
            assert!(why.contains(text) && why.contains("empty range"), "{why}");
        }
        let last = u64::MAX.to_string();
        assert!(Asked::new(Some(&last), None, None).is_err());
    }
}
