//! Sizes and times, short enough for a column and exact enough for a person.

/// A number of bytes in at most four characters: `512`, `1.5K`, `12M`. K is 1024.
pub fn bytes(count: u64) -> String {
    scaled(count as f64)
}

/// The same each second: `1.5K/s`.
pub fn bytes_per_second(rate: f64) -> String {
    format!("{}/s", scaled(rate))
}

fn scaled(count: f64) -> String {
    let (mut value, mut letters) = (count, "KMGTPE".chars());
    let mut unit = None;
    // Rounded, 999.5 has four digits.
    while value >= 999.5 {
        let Some(letter) = letters.next() else { break };
        value /= 1024.0;
        unit = Some(letter);
    }
    match unit {
        None => format!("{value:.0}"),
        Some(unit) if value < 9.95 => format!("{value:.1}{unit}"),
        Some(unit) => format!("{value:.0}{unit}"),
    }
}

/// A rate per second: `0.3/s`, `12/s`.
pub fn per_second(rate: f64) -> String {
    if rate < 9.95 {
        format!("{rate:.1}/s")
    } else {
        format!("{rate:.0}/s")
    }
}

/// A part of one, or several: `0.5%`, `12%`, `150%`.
pub fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if percent < 9.95 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}

/// A time in at most six characters: `80us`, `1.5ms`, `12s`, `3m05s`, `2h10m`, `3d04h`.
pub fn seconds(time: f64) -> String {
    if time.is_nan() || time <= 0.0 {
        return "0s".into();
    }
    let fraction = |value: f64, unit: &str| match value < 9.95 {
        true => format!("{value:.1}{unit}"),
        false => format!("{value:.0}{unit}"),
    };
    if time < 0.000_999_5 {
        return format!("{:.0}us", time * 1e6);
    }
    if time < 0.999_5 {
        return fraction(time * 1e3, "ms");
    }
    if time < 59.5 {
        return fraction(time, "s");
    }
    let whole = time.round() as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match (days, whole / 3600) {
        (0, 0) => format!("{minutes}m{:02}s", whole % 60),
        (0, hours) => format!("{hours}h{minutes:02}m"),
        (1..=99, _) => format!("{days}d{hours:02}h"),
        _ => format!("{days}d"),
    }
}

/// An unknown value.
pub const UNKNOWN: &str = "-";

/// The text of a value that may be unknown.
pub fn or_unknown<T>(value: Option<T>, text: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.into(), text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.0K"),
            (1024, "1.0K"),
            (10_188, "9.9K"),
            (10_189, "10K"),
            (1024 * 1000, "1.0M"),
            (12 * 1024 * 1024, "12M"),
            (1 << 60, "1.0E"),
            (u64::MAX, "16E"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
        assert_eq!(bytes_per_second(1536.0), "1.5K/s");
        assert_eq!(
            (per_second(0.25), per_second(1234.4)),
            ("0.2/s".into(), "1234/s".into())
        );
    }

    #[test]
    fn parts() {
        for (part, text) in [
            (0.0, "0.0%"),
            (0.005, "0.5%"),
            (0.099_6, "10%"),
            (1.5, "150%"),
        ] {
            assert_eq!(percent(part), text);
        }
    }

    #[test]
    fn times() {
        for (time, text) in [
            (0.0, "0s"),
            (-1.0, "0s"),
            (f64::NAN, "0s"),
            (0.000_08, "80us"),
            (0.001, "1.0ms"),
            (0.012_3, "12ms"),
            (0.999_4, "999ms"),
            (0.999_6, "1.0s"),
            (9.96, "10s"),
            (59.4, "59s"),
            (59.6, "1m00s"),
            (185.0, "3m05s"),
            (3599.7, "1h00m"),
            (7800.0, "2h10m"),
            (90_000.0, "1d01h"),
            (315_360_000.0, "3650d"),
        ] {
            assert_eq!(seconds(time), text, "{time}");
            assert!(seconds(time).len() <= 6);
        }
        assert_eq!(seconds(f64::INFINITY), "213503982334601d");
    }
}
