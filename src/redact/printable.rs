//! Text from a container made harmless for a terminal, a log and an XML parser.

use std::fmt::Write as _;

/// The first `max` bytes of the text at most, cut between two characters, with a mark that says
/// how many bytes are missing. Text that fits is unchanged.
#[must_use]
pub fn bounded(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let kept = &text[..text.floor_char_boundary(max)];
    format!("{kept}… ({} bytes more)", text.len() - kept.len())
}

/// The text with everything that is not plainly visible escaped: control characters and so every
/// ANSI sequence as `\x1b`, characters that reorder or hide text (the Trojan Source family), line
/// separators and characters that XML does not allow as `\u{202e}`. Line feeds stay, carriage
/// returns before them go, and a tab becomes four spaces. Nothing is dropped, so that what a
/// container printed can be seen; a backslash stays as it is, so the result is for people and not
/// for decoding.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\n' => visible.push('\n'),
            '\t' => visible.push_str("    "),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => visible.push_str("\\r"),
            c if is_visible(c) => visible.push(c),
            // Writing to a string cannot fail.
            c if u32::from(c) < 0x100 => {
                let _ = write!(visible, "\\x{:02x}", u32::from(c));
            }
            c => {
                let _ = write!(visible, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    visible
}

/// The text on one line: every stretch of white space becomes a space, and the rest is made
/// [`printable`].
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split([' ', '\n', '\r', '\t']).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    printable(&line)
}

/// Whether a character is shown as itself wherever it stands.
fn is_visible(c: char) -> bool {
    !matches!(c,
        // C0, DEL and C1.
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        // The soft hyphen, which most programs do not show.
        | '\u{ad}'
        // Marks and overrides of direction.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Nothing visible. The joiners U+200C and U+200D stay: scripts and emoji need them.
        | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
        | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        // Line and paragraph separators.
        | '\u{2028}' | '\u{2029}'
        // The byte order mark, and what XML 1.0 does not allow.
        | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_that_fits_is_unchanged() {
        assert_eq!(bounded("abc", 3), "abc");
    }

    #[test]
    fn text_is_cut_between_characters_and_says_how_much_is_missing() {
        assert_eq!(bounded("aéz", 2), "a… (3 bytes more)");
        assert_eq!(bounded("aéz", 0), "… (4 bytes more)");
    }

    #[test]
    fn escape_sequences_are_shown_and_not_obeyed() {
        assert_eq!(printable("\x1b[31mred\x1b]0;title\x07"), r"\x1b[31mred\x1b]0;title\x07");
        assert_eq!(printable("\u{9b}31m"), r"\x9b31m");
    }

    #[test]
    fn a_carriage_return_cannot_overwrite_a_line() {
        assert_eq!(printable("held\rbroken\r\nnext"), "held\\rbroken\nnext");
    }

    #[test]
    fn text_cannot_be_reordered_or_hidden() {
        assert_eq!(printable("a\u{202e}b\u{200b}c\u{2028}d"), r"a\u{202e}b\u{200b}c\u{2028}d");
    }

    #[test]
    fn what_xml_forbids_is_escaped() {
        assert_eq!(printable("\0\u{fffe}\u{ffff}"), r"\x00\u{fffe}\u{ffff}");
    }

    #[test]
    fn bytes_of_a_lone_surrogate_become_replacement_characters() {
        let text = String::from_utf8_lossy(b"\xed\xa0\x80");
        assert_eq!(printable(&text), "\u{fffd}\u{fffd}\u{fffd}");
    }

    #[test]
    fn one_line_has_no_line_feed() {
        assert_eq!(one_line("  a\n\n b\t\x07 "), "a b \\x07");
    }

    proptest! {
        #[test]
        fn printable_text_holds_no_control_character(text in any::<String>()) {
            let visible = printable(&text);
            prop_assert!(visible.chars().all(|c| c == '\n' || is_visible(c)));
            prop_assert_eq!(printable(&visible), visible);
        }

        #[test]
        fn bounded_text_is_a_prefix_and_a_mark(text in any::<String>(), max in 0_usize..64) {
            let cut = bounded(&text, max);
            prop_assert!(cut == text || cut.len() <= max + "… (18446744073709551615 bytes more)".len());
        }
    }
}
