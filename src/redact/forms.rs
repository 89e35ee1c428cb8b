//! The forms in which one secret leaks: encoded for a URL, for JSON, for a shell, in base64, in
//! hexadecimal digits.

use std::fmt::Write as _;

/// The fewest characters of base64 that are looked for. Five carry thirty bits: chance does not
/// produce them.
const SHORTEST_BASE64: usize = 5;

/// The fewest characters of a line that is a secret of its own.
const SHORTEST_LINE: usize = 16;

/// What percent-encoders leave as it is besides letters, digits, `-`, `.` and `_`, and how they
/// write a space. They do not agree.
const PERCENT: [(&str, &str); 5] = [
    // RFC 3986.
    ("~", "%20"),
    // Forms, as browsers send them.
    ("*", "+"),
    // Query strings of Go and of Python.
    ("~", "+"),
    // `encodeURIComponent`.
    ("~!*'()", "%20"),
    // User and password in a URL of Go.
    ("~$&+,;=", "%20"),
];

/// The secret and its encoded forms, unsorted and with repetitions.
pub(super) fn of(secret: &str) -> Vec<String> {
    let mut forms = vec![
        secret.to_owned(),
        json(secret, |_| false),
        // Go escapes these so that JSON can stand in HTML; the engine and Compose are written
        // in Go.
        json(secret, |c| matches!(c, '<' | '>' | '&')),
        // Python escapes all that is not ASCII.
        json(secret, |c| !c.is_ascii()),
        secret.replace('\'', r"'\''"),
        hexadecimal(secret, Digits::Lower),
        hexadecimal(secret, Digits::Upper),
    ];
    for (unescaped, space) in PERCENT {
        forms.push(percent(secret, Digits::Upper, unescaped, space));
        forms.push(percent(secret, Digits::Lower, unescaped, space));
    }
    forms.extend(base64(secret));
    // The password of a URL is percent-encoded already; a program prints it decoded.
    forms.extend(percent_decoded(secret));
    forms.extend(
        secret
            .lines()
            .map(str::trim)
            // The first and the last line of a PEM file say only what it is.
            .filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with("-----"))
            .map(str::to_owned),
    );
    forms
}

#[derive(Debug, Clone, Copy)]
enum Digits {
    Lower,
    Upper,
}

impl Digits {
    /// Writes the byte with two digits.
    fn push(self, to: &mut String, byte: u8) {
        // Writing to a string cannot fail.
        let _ = match self {
            Digits::Lower => write!(to, "{byte:02x}"),
            Digits::Upper => write!(to, "{byte:02X}"),
        };
    }
}

fn percent(secret: &str, digits: Digits, unescaped: &str, space: &str) -> String {
    let mut encoded = String::new();
    for byte in secret.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                encoded.push(char::from(byte));
            }
            _ if unescaped.as_bytes().contains(&byte) => encoded.push(char::from(byte)),
            b' ' => encoded.push_str(space),
            _ => {
                encoded.push('%');
                digits.push(&mut encoded, byte);
            }
        }
    }
    encoded
}

/// The text without its percent-encoding, where it has one.
fn percent_decoded(secret: &str) -> Option<String> {
    let mut pieces = secret.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok().filter(|decoded| decoded.len() >= super::SHORTEST)
}

fn hexadecimal(secret: &str, digits: Digits) -> String {
    let mut encoded = String::new();
    for byte in secret.bytes() {
        digits.push(&mut encoded, byte);
    }
    encoded
}

/// The text inside the quotes of a JSON string. Characters for which `escaped` holds are written
/// as `\uXXXX` on top of those that have to be.
fn json(secret: &str, escaped: impl Fn(char) -> bool) -> String {
    let mut encoded = String::new();
    for c in secret.chars() {
        match c {
            '"' => encoded.push_str("\\\""),
            '\\' => encoded.push_str("\\\\"),
            '\n' => encoded.push_str("\\n"),
            '\r' => encoded.push_str("\\r"),
            '\t' => encoded.push_str("\\t"),
            c if c < ' ' || escaped(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(encoded, "\\u{unit:04x}");
                }
            }
            c => encoded.push(c),
        }
    }
    encoded
}

/// The characters that the secret alone decides when it stands in something longer that is
/// encoded, such as `user:secret`: one form for each place of its first byte in a group of three,
/// in both alphabets.
fn base64(secret: &str) -> Vec<String> {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = secret.len() * 8;
    let bit = |at: usize| secret.as_bytes()[at / 8] >> (7 - at % 8) & 1;
    let mut forms = Vec::new();
    for alphabet in [STANDARD, URL] {
        // Before the secret stand none, one or two bytes; the first character that holds only
        // bits of the secret begins 0, 4 or 2 bits into it.
        for skipped in [0, 4, 2] {
            let encoded: String = (skipped..bits.saturating_sub(5))
                .step_by(6)
                .map(|start| {
                    let index = (start..start + 6).fold(0, |index, at| index << 1 | bit(at));
                    char::from(alphabet[usize::from(index)])
                })
                .collect();
            if encoded.len() >= SHORTEST_BASE64 {
                forms.push(encoded);
            }
        }
    }
    forms
}
