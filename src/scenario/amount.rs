//! Amounts with units: bytes and seconds.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// An amount of bytes, written with its unit: `300MB` and `1GB` are decimal, `256MiB` and `4GiB`
/// binary; `256m` and `4g` are binary as in Compose files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", extend("pattern" = r"^[0-9]+(\.[0-9]+)? *(B|b|[kKMG]B|[KMG]iB|[kmg])$"))]
pub struct Bytes(pub u64);

/// A time, written as `90s` or `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", extend("pattern" = r"^[0-9]+(\.[0-9]+)? *(ms|s|m)$"))]
pub struct Seconds(pub Duration);

/// Longer than anything that is waited for. The clock of a system must be able to add it to now.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

impl Bytes {
    /// Reads an amount.
    ///
    /// # Errors
    /// Says in a sentence what is wrong with the text.
    pub fn parse(text: &str) -> Result<Bytes, String> {
        let text = text.trim();
        let (number, unit) = split(text);
        let factor: u64 = match unit {
            "B" | "b" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" | "k" => 1 << 10,
            "MiB" | "m" => 1 << 20,
            "GiB" | "g" => 1 << 30,
            _ => return Err(format!("`{text}` has no unit such as MB, MiB, GB or GiB")),
        };
        let bytes = number_times(text, number, factor)?;
        u64::try_from(bytes)
            .map(Bytes)
            .map_err(|_| format!("`{text}` is more than any machine holds"))
    }
}

impl Seconds {
    /// Reads a time.
    ///
    /// # Errors
    /// Says in a sentence what is wrong with the text.
    pub fn parse(text: &str) -> Result<Seconds, String> {
        let text = text.trim();
        let (number, unit) = split(text);
        let nanoseconds = match unit {
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            _ => return Err(format!("`{text}` has no unit: write for example 90s or 2m")),
        };
        let nanoseconds = number_times(text, number, nanoseconds)?;
        u64::try_from(nanoseconds)
            .ok()
            .map(Duration::from_nanos)
            .filter(|time| *time <= LONGEST)
            .map(Seconds)
            .ok_or_else(|| format!("`{text}` is longer than a week"))
    }

    pub(crate) fn for_build() -> Seconds {
        Seconds(Duration::from_secs(900))
    }

    pub(crate) fn for_up() -> Seconds {
        Seconds(Duration::from_secs(120))
    }

    pub(crate) fn for_delay() -> Seconds {
        Seconds(Duration::from_secs(20))
    }

    pub(crate) fn for_recovery() -> Seconds {
        Seconds(Duration::from_secs(60))
    }
}

/// The number and the unit behind it.
fn split(text: &str) -> (&str, &str) {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

/// A decimal number times a factor, rounded. There is no float on the way: it would lose the last
/// bytes of a large amount, and it knows numbers that are none.
fn number_times(text: &str, number: &str, factor: u64) -> Result<u128, String> {
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|d| d.is_ascii_digit());
    if !is_number(whole) || !is_number(part) {
        return Err(format!("`{text}` does not begin with a number"));
    }
    let too_large = || format!("`{text}` has too many digits");
    // With eighteen digits and the largest factor nothing comes near the largest u128.
    if part.len() > 18 {
        return Err(too_large());
    }
    let whole: u64 = whole.parse().map_err(|_| too_large())?;
    let digits: u64 = part.parse().map_err(|_| too_large())?;
    let scale = 10_u128.pow(u32::try_from(part.len()).map_err(|_| too_large())?);
    let factor = u128::from(factor);
    let rounded = (u128::from(digits) * factor + scale / 2) / scale;
    Ok(u128::from(whole) * factor + rounded)
}

/// Reads an amount with its own words for what it expects, so that a bare number is not told to
/// become a text.
struct Amount<T> {
    parse: fn(&str) -> Result<T, String>,
    expected: &'static str,
}

impl<T> de::Visitor<'_> for Amount<T> {
    type Value = T;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).map_err(E::custom)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "an amount with its unit such as 300MB or 4GiB";
        deserializer.deserialize_str(Amount { parse: Bytes::parse, expected })
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a time with its unit such as 90s or 2m";
        deserializer.deserialize_str(Amount { parse: Seconds::parse, expected })
    }
}

impl std::fmt::Display for Bytes {
    /// Both readings, because documents mix them: `314572800 bytes (314.6 MB, 300.0 MiB)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "a reading for people")]
        let bytes = self.0 as f64;
        write!(f, "{} bytes ({:.1} MB, {:.1} MiB)", self.0, bytes / 1e6, bytes / 1_048_576.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("0B", 0)]
    #[case("1b", 1)]
    #[case("300MB", 300_000_000)]
    #[case("300 MB", 300_000_000)]
    #[case(" 300MB ", 300_000_000)]
    #[case("1GB", 1_000_000_000)]
    #[case("2kB", 2_000)]
    #[case("2KB", 2_000)]
    #[case("2KiB", 2_048)]
    #[case("256MiB", 268_435_456)]
    #[case("4GiB", 4_294_967_296)]
    #[case("512k", 524_288)]
    #[case("256m", 268_435_456)]
    #[case("4g", 4_294_967_296)]
    #[case("1.5GiB", 1_610_612_736)]
    #[case("0.1kB", 100)]
    #[case("1.0005kB", 1_001)]
    #[case("9007199254740993B", 9_007_199_254_740_993)]
    #[case("18446744073709551615B", u64::MAX)]
    #[case("17179869183.999999999GiB", 18_446_744_073_709_551_615)]
    fn amounts_of_bytes_are_exact(#[case] text: &str, #[case] expected: u64) {
        assert_eq!(Bytes::parse(text), Ok(Bytes(expected)));
    }

    #[rstest]
    #[case::no_unit("300", "has no unit")]
    #[case::nothing("", "has no unit")]
    #[case::another_unit("300TB", "has no unit")]
    #[case::the_wrong_case("300mb", "has no unit")]
    #[case::two_units("300MBMB", "has no unit")]
    #[case::no_number("MB", "does not begin with a number")]
    #[case::half_a_number(".5GB", "does not begin with a number")]
    #[case::the_other_half("5.GB", "does not begin with a number")]
    #[case::two_points("1.2.3GB", "does not begin with a number")]
    #[case::negative("-5MB", "has no unit")]
    #[case::a_sign("+5MB", "has no unit")]
    #[case::not_a_number("NaN", "has no unit")]
    #[case::not_a_number_with_unit("nanMB", "has no unit")]
    #[case::infinite("infGB", "has no unit")]
    #[case::an_exponent("1e3MB", "has no unit")]
    #[case::an_exponent_with_unit("1e9", "has no unit")]
    #[case::too_large("18446744073709551616B", "has too many digits")]
    #[case::too_large_with_unit("17179869184GiB", "is more than any machine holds")]
    #[case::endless("1.0000000000000000001GB", "has too many digits")]
    #[case::other_digits("३MB", "has no unit")]
    fn other_texts_are_no_amounts_of_bytes(#[case] text: &str, #[case] expected: &str) {
        let error = Bytes::parse(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[rstest]
    #[case("90s", 90_000)]
    #[case("2m", 120_000)]
    #[case("1.5m", 90_000)]
    #[case("250ms", 250)]
    #[case("0s", 0)]
    #[case("10080m", 604_800_000)]
    fn times_are_exact(#[case] text: &str, #[case] milliseconds: u64) {
        assert_eq!(Seconds::parse(text), Ok(Seconds(Duration::from_millis(milliseconds))));
    }

    #[rstest]
    #[case::no_unit("90", "has no unit")]
    #[case::hours("1h", "has no unit")]
    #[case::no_number("s", "does not begin with a number")]
    #[case::negative("-5s", "has no unit")]
    #[case::not_a_number("nans", "has no unit")]
    #[case::infinite("infs", "has no unit")]
    #[case::an_exponent("1e400s", "has no unit")]
    #[case::more_than_a_week("10081m", "is longer than a week")]
    #[case::more_than_a_clock_holds("18446744073709551615m", "is longer than a week")]
    fn other_texts_are_no_times(#[case] text: &str, #[case] expected: &str) {
        let error = Seconds::parse(text).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn an_amount_is_shown_in_both_readings() {
        assert_eq!(Bytes(314_572_800).to_string(), "314572800 bytes (314.6 MB, 300.0 MiB)");
    }

    proptest! {
        #[test]
        fn any_text_is_an_amount_or_an_error(text in any::<String>()) {
            let _ = Bytes::parse(&text);
            let _ = Seconds::parse(&text);
        }

        #[test]
        fn any_number_with_any_unit_is_an_amount_or_an_error(
            text in "[0-9]{0,25}(\\.[0-9]{0,25})?[ ]?(B|kB|MB|GB|KiB|MiB|GiB|k|m|g|ms|s|m)?"
        ) {
            let _ = Bytes::parse(&text);
            let _ = Seconds::parse(&text);
        }

        #[test]
        fn whole_bytes_come_back(bytes in any::<u64>()) {
            prop_assert_eq!(Bytes::parse(&format!("{bytes}B")), Ok(Bytes(bytes)));
        }
    }
}
