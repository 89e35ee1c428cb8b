//! A JUnit file read back, by another reader than the writer's own.

use super::{Cow, Event};

/// What a CI server gets from a file.
#[derive(Debug, Default)]
pub(crate) struct Junit {
    /// The names of the suites.
    pub(crate) suites: Vec<String>,
    /// `CLASS NAME` of every case.
    pub(crate) names: Vec<String>,
    /// Every attribute's value and every text, unescaped.
    pub(crate) texts: Vec<String>,
    /// The elements counted: cases, failures, errors, skipped.
    seen: [usize; 4],
    /// The attributes of `testsuites`, and the sum over those of `testsuite`.
    said: [[usize; 4]; 2],
}

const COUNTS: [&str; 4] = ["tests", "failures", "errors", "skipped"];

impl Junit {
    /// The counts in a line.
    pub(crate) fn counts(&self) -> String {
        let [cases, failures, errors, skipped] = self.seen;
        format!("{cases} cases, {failures} failures, {errors} errors, {skipped} skipped")
    }

    /// The counts that the file says are those that are in it.
    pub(crate) fn assert_consistent(&self) {
        assert_eq!(self.said[0], self.seen);
        assert_eq!(self.said[1], self.seen);
    }
}

/// Reads a file, and fails at anything that is not well-formed XML 1.0.
pub(crate) fn read(file: &[u8]) -> Junit {
    let file = std::str::from_utf8(file).unwrap();
    let forbidden = file.chars().find(|&c| {
        !matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
    });
    assert_eq!(forbidden, None, "XML 1.0 does not allow this character");
    assert!(!file.contains("]]>"), "text must not hold the end of CDATA");

    let mut reader = quick_xml::Reader::from_str(file);
    reader.config_mut().enable_all_checks(true);
    let mut junit = Junit::default();
    let mut depth = 0_usize;
    loop {
        let event = reader.read_event().unwrap();
        match &event {
            Event::Start(tag) | Event::Empty(tag) => {
                let mut attributes = std::collections::HashMap::new();
                for attribute in tag.attributes().with_checks(true) {
                    let attribute = attribute.unwrap();
                    let value = unescape(&attribute.value);
                    junit.texts.push(value.clone());
                    attributes.insert(attribute.key.as_ref().to_owned(), value);
                }
                let number = |name: &str| attributes[name].parse::<usize>().unwrap();
                match tag.name().as_ref() {
                    "testsuites" => junit.said[0] = COUNTS.map(number),
                    "testsuite" => {
                        junit.suites.push(attributes["name"].clone());
                        for (sum, name) in junit.said[1].iter_mut().zip(COUNTS) {
                            *sum += number(name);
                        }
                    }
                    "testcase" => {
                        junit
                            .names
                            .push(format!("{} {}", attributes["classname"], attributes["name"]));
                        junit.seen[0] += 1;
                    }
                    "failure" => junit.seen[1] += 1,
                    "error" => junit.seen[2] += 1,
                    "skipped" => junit.seen[3] += 1,
                    "properties" | "property" | "system-out" => {}
                    other => panic!("<{other}> is no element of JUnit"),
                }
                depth += usize::from(matches!(event, Event::Start(_)));
            }
            Event::End(_) => depth -= 1,
            Event::Text(text) => junit.texts.push(text.as_ref().to_owned()),
            Event::GeneralRef(entity) => {
                let known = ["lt", "gt", "amp", "apos", "quot"].contains(&&**entity);
                assert!(known || entity.starts_with('#'), "&{}; is not defined", &**entity);
            }
            Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("{other:?} does not belong in the file"),
        }
    }
    assert_eq!(depth, 0);
    junit
}

fn unescape(text: &str) -> String {
    let unescaped: Cow<'_, str> = quick_xml::escape::unescape(text).unwrap();
    unescaped.into_owned()
}
