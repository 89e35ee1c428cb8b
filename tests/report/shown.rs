//! JUnit as `ci/junit` shows it, which the README quotes.

use std::process::{Command, Output};

use super::{junit, sample};

fn shown(file: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.xml");
    std::fs::write(&path, file).unwrap();
    Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/ci/junit")).arg(path).output().unwrap()
}

#[test]
fn what_did_not_pass_is_shown_below_the_counts() {
    let output = shown(&junit(&[sample()]).unwrap());
    let text = String::from_utf8(output.stdout).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(output.status.code(), Some(1), "{text}");
}

/// A file that was cut off or altered must not look like one in which all is well.
#[test]
fn a_file_that_lacks_a_case_is_refused() {
    let file = String::from_utf8(junit(&[sample()]).unwrap()).unwrap();
    let (start, end) = (file.find("<testcase").unwrap(), file.find("</testcase>").unwrap());
    let shorter = format!("{}{}", &file[..start], &file[end + "</testcase>".len()..]);
    let output = shown(shorter.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("ci/junit: suite"), "{output:?}");
}
