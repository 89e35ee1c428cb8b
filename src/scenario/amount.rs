//! Amounts with units: bytes and seconds.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

/// An amount of bytes, written with its unit: `300MB` and `1GB` are decimal, `256MiB` and `4GiB`
/// binary; `256m` and `4g` are binary as in Compose files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Bytes(pub u64);

/// A time, written as `90s` or `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String")]
pub struct Seconds(pub Duration);

impl Bytes {
    /// Reads an amount.
    ///
    /// # Errors
    /// Says in a sentence what is wrong with the text.
    pub fn parse(text: &str) -> Result<Bytes, String> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.trim() {
            "B" | "b" => 1,
            "kB" | "KB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" | "k" => 1 << 10,
            "MiB" | "m" => 1 << 20,
            "GiB" | "g" => 1 << 30,
            _ => return Err(format!("`{text}` has no unit such as MB, MiB, GB or GiB")),
        };
        let number: f64 =
            number.parse().map_err(|_| format!("`{text}` does not begin with a number"))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "the text holds no sign, and amounts stay far below 2^53 bytes"
        )]
        let bytes = (number * factor as f64).round() as u64;
        Ok(Bytes(bytes))
    }
}

impl Seconds {
    /// Reads a time.
    ///
    /// # Errors
    /// Says in a sentence what is wrong with the text.
    pub fn parse(text: &str) -> Result<Seconds, String> {
        let text = text.trim();
        let (number, factor) = if let Some(number) = text.strip_suffix("ms") {
            (number, 0.001)
        } else if let Some(number) = text.strip_suffix('s') {
            (number, 1.0)
        } else if let Some(number) = text.strip_suffix('m') {
            (number, 60.0)
        } else {
            return Err(format!("`{text}` has no unit: write for example 90s or 2m"));
        };
        let number: f64 =
            number.trim().parse().map_err(|_| format!("`{text}` does not begin with a number"))?;
        Duration::try_from_secs_f64(number * factor)
            .map(Seconds)
            .map_err(|_| format!("`{text}` is not a time"))
    }

    pub(crate) fn for_build() -> Seconds {
        Seconds(Duration::from_secs(900))
    }

    pub(crate) fn for_up() -> Seconds {
        Seconds(Duration::from_secs(120))
    }

    pub(crate) fn for_recovery() -> Seconds {
        Seconds(Duration::from_secs(60))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Bytes::parse(&text).map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Seconds::parse(&text).map_err(de::Error::custom)
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
