//! What the core schema of YAML 1.2 makes of a plain scalar.

use super::node::Kind;

/// The kind of a plain scalar, one without quotes.
pub(super) fn kind(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" => Kind::Bool(true),
        "false" | "False" | "FALSE" => Kind::Bool(false),
        _ => number(text).unwrap_or(Kind::Text),
    }
}

fn number(text: &str) -> Option<Kind> {
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" => {
            let infinity = if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
            return Some(Kind::Float(infinity));
        }
        // Not-a-number has no sign.
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(Kind::Float(f64::NAN)),
        _ => {}
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        // Whole numbers beyond every type that we read stay numbers, so that the message says so.
        return text.parse().map(Kind::Integer).or_else(|_| text.parse().map(Kind::Float)).ok();
    }
    // Rust also reads `inf`, `nan` and `infinity`, which are texts in YAML.
    let looks_like_one = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    if looks_like_one { text.parse().map(Kind::Float).ok() } else { None }
}

fn based(digits: &str, base: u32) -> Option<Kind> {
    // A sign after the prefix is no number, though Rust would read it.
    if !digits.chars().all(|digit| digit.is_digit(base)) {
        return None;
    }
    i128::from_str_radix(digits, base).ok().map(Kind::Integer)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", Kind::Null)]
    #[case("~", Kind::Null)]
    #[case("null", Kind::Null)]
    #[case("nULL", Kind::Text)]
    #[case("true", Kind::Bool(true))]
    #[case("FALSE", Kind::Bool(false))]
    #[case("yes", Kind::Text)]
    #[case("no", Kind::Text)]
    #[case("on", Kind::Text)]
    #[case("off", Kind::Text)]
    #[case("y", Kind::Text)]
    #[case("0", Kind::Integer(0))]
    #[case("-12", Kind::Integer(-12))]
    #[case("+12", Kind::Integer(12))]
    #[case("010", Kind::Integer(10))]
    #[case("0o10", Kind::Integer(8))]
    #[case("0x1F", Kind::Integer(31))]
    #[case("0x", Kind::Text)]
    #[case("0x-1", Kind::Text)]
    #[case("0o9", Kind::Text)]
    #[case("18446744073709551615", Kind::Integer(18_446_744_073_709_551_615))]
    #[case("1.5", Kind::Float(1.5))]
    #[case(".5", Kind::Float(0.5))]
    #[case("5.", Kind::Float(5.0))]
    #[case("1e3", Kind::Float(1000.0))]
    #[case("-1.5E-3", Kind::Float(-0.0015))]
    #[case("-.inf", Kind::Float(f64::NEG_INFINITY))]
    #[case("inf", Kind::Text)]
    #[case("nan", Kind::Text)]
    #[case("-.nan", Kind::Text)]
    #[case("infinity", Kind::Text)]
    #[case("1_000", Kind::Text)]
    #[case("1.2.3", Kind::Text)]
    #[case("12:30:45", Kind::Text)]
    #[case("2026-12-31", Kind::Text)]
    #[case("-", Kind::Text)]
    #[case(".", Kind::Text)]
    #[case("e5", Kind::Text)]
    #[case("300MB", Kind::Text)]
    fn plain_scalars_follow_the_core_schema(#[case] text: &str, #[case] expected: Kind) {
        assert_eq!(kind(text), expected);
    }

    #[test]
    fn a_number_beyond_every_integer_stays_a_number() {
        assert_eq!(kind(&"9".repeat(60)), Kind::Float(1e60));
        assert!(matches!(kind(".nan"), Kind::Float(number) if number.is_nan()));
    }
}
