//! Durations as people write them: `"30m"`, `"2 days"`, `"1h 30m"`.
//!
//! Owns the units and the limits; never knows what a duration is for.

const MILLIS_PER_DAY: u64 = 86_400_000;

/// A deadline further away than this is a mistake of units, not a wish.
const YEARS_MAX: u64 = 100;

/// A year of a deadline: leap days do not matter to whoever waits that long.
const MILLIS_PER_YEAR: u64 = 365 * MILLIS_PER_DAY;

const UNITS: &str = "ms, s, m, h, day, week, year";

/// The milliseconds of `text`, or what is wrong with it and how to say it.
pub(crate) fn millis(text: &str) -> Result<u64, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(
            "an empty duration: write a number and a unit, as in \"30m\" or \"2 days\"".to_owned(),
        );
    }
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        if number.is_empty() {
            return Err(format!(
                "`{rest}` does not begin with a whole number: write a number and a unit, as in \"1h 30m\""
            ));
        }
        let tail = tail.trim_start();
        let letters = tail
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let millis = unit_millis(unit, number)?;
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(millis)?.checked_add(total))
            .filter(|total| *total <= YEARS_MAX * MILLIS_PER_YEAR)
            .ok_or_else(|| format!("\"{text}\" is more than {YEARS_MAX} years: whoever wants for ever says \"30 years\""))?;
        rest = tail.trim_start();
    }
    if total == 0 {
        return Err(
            "a duration of zero would give up before anybody could answer: write at least \"1ms\""
                .to_owned(),
        );
    }
    Ok(total)
}

fn unit_millis(unit: &str, number: &str) -> Result<u64, String> {
    Ok(match unit {
        "ms" => 1,
        "s" | "sec" | "second" | "seconds" => 1_000,
        "m" | "min" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => MILLIS_PER_DAY,
        "week" | "weeks" => 7 * MILLIS_PER_DAY,
        "year" | "years" => MILLIS_PER_YEAR,
        "" => {
            return Err(format!(
                "`{number}` has no unit: write one of {UNITS}, as in \"{number}s\""
            ));
        }
        other => {
            return Err(format!(
                "`{other}` is no unit of time: write one of {UNITS}"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, expected) in [
            ("250ms", 250),
            ("30s", 30_000),
            ("30m", 1_800_000),
            ("5 min", 300_000),
            ("1h 30m", 5_400_000),
            ("1h30m", 5_400_000),
            ("2 days", 2 * MILLIS_PER_DAY),
            ("1 day", MILLIS_PER_DAY),
            ("2d", 2 * MILLIS_PER_DAY),
            ("1 week", 7 * MILLIS_PER_DAY),
            ("30 years", 30 * MILLIS_PER_YEAR),
            ("100 years", 100 * MILLIS_PER_YEAR),
        ] {
            assert_eq!(millis(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_says_how_to_write_one() {
        for (text, fragment) in [
            ("", "an empty duration"),
            ("0s", "would give up before"),
            ("0 days 0ms", "would give up before"),
            ("soon", "`soon` does not begin with a whole number"),
            ("-1s", "`-1s` does not begin"),
            ("1.5h", "`1` has no unit"),
            ("1h .5m", "`.5m` does not begin"),
            ("30", "`30` has no unit"),
            (
                "2 months",
                "`months` is no unit of time: write one of ms, s, m, h, day, week, year",
            ),
            ("101 years", "more than 100 years"),
            ("99999999999999999999 s", "more than 100 years"),
        ] {
            let error = millis(text).expect_err(text);
            assert!(error.contains(fragment), "{text}: {error}");
        }
    }
}
