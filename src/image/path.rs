//! Paths inside a layer or an archive: relative, slash-separated, without `.` and `..`.

use crate::image::error::Problem;
use crate::image::limits::PATH_BYTES;

/// The prefix by which a layer says that a file of a lower layer is gone.
const WHITEOUT: &str = ".wh.";
/// The name by which a layer says that nothing of a lower folder shows through.
const OPAQUE: &str = ".wh..wh..opq";
/// The prefix of the storage driver's own bookkeeping (aufs), which no container ever sees.
const BOOKKEEPING: &str = ".wh..wh.";

/// Resolves a raw entry name to a path without a leading slash, `.` or `..`. The root itself is
/// the empty string. Bytes that are not UTF-8 become U+FFFD: the path is for people and for
/// tables of names, not for opening files.
pub(crate) fn normalise(raw: &[u8]) -> Result<String, Problem> {
    if raw.len() > PATH_BYTES {
        return Err(Problem::TooLarge { limit: PATH_BYTES as u64, unit: "bytes of path" });
    }
    let text = String::from_utf8_lossy(raw);
    let mut parts: Vec<&str> = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    let shown: String = text.chars().take(80).collect();
                    return Err(Problem::Malformed(format!("the path {shown:?} leaves the root")));
                }
            }
            name => parts.push(name),
        }
    }
    Ok(parts.join("/"))
}

/// The target of a link inside an archive, seen from the folder that holds the link.
pub(crate) fn resolve(link: &str, target: &[u8]) -> Result<String, Problem> {
    if target.first() == Some(&b'/') {
        return normalise(target);
    }
    let mut whole = parent(link).as_bytes().to_vec();
    whole.push(b'/');
    whole.extend_from_slice(target);
    normalise(&whole)
}

/// The last component.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Everything before the last component; empty at the top.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Whether `path` is `ancestor` or lies below it. Everything lies below the root, the empty path.
pub(crate) fn is_within(path: &str, ancestor: &str) -> bool {
    ancestor.is_empty()
        || path.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The path itself, the folder that it is in, and so on up to the root, the empty path.
pub(crate) fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| (!path.is_empty()).then(|| parent(path)))
}

/// What the name of an entry says about lower layers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    /// This path of a lower layer, and all below it, is gone.
    Whiteout(String),
    /// What lower layers have in this folder does not show through.
    Opaque(String),
    /// Bookkeeping of the storage driver.
    Bookkeeping,
}

/// Reads the marker in a normalised path, where there is one.
pub(crate) fn marker(path: &str) -> Option<Marker> {
    let (folder, name) = (parent(path), name(path));
    if name == OPAQUE {
        return Some(Marker::Opaque(folder.to_owned()));
    }
    if name.starts_with(BOOKKEEPING) {
        return Some(Marker::Bookkeeping);
    }
    let hidden = name.strip_prefix(WHITEOUT)?;
    if hidden.is_empty() {
        // The engine joins folder and nothing, and so removes the folder.
        return Some(Marker::Whiteout(folder.to_owned()));
    }
    Some(Marker::Whiteout(if folder.is_empty() {
        hidden.to_owned()
    } else {
        format!("{folder}/{hidden}")
    }))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("./etc/passwd", "etc/passwd")]
    #[case("/etc//passwd/", "etc/passwd")]
    #[case("a/../b", "b")]
    #[case("./", "")]
    fn names_are_normalised(#[case] raw: &str, #[case] expected: &str) {
        assert_eq!(normalise(raw.as_bytes()).unwrap(), expected);
    }

    #[rstest]
    #[case("../etc/passwd")]
    #[case("a/../../b")]
    fn a_path_that_leaves_the_root_is_refused(#[case] raw: &str) {
        assert!(matches!(normalise(raw.as_bytes()), Err(Problem::Malformed(_))));
    }

    #[test]
    fn an_overlong_path_is_refused() {
        assert!(matches!(normalise(&[b'a'; 5000]), Err(Problem::TooLarge { .. })));
    }

    #[test]
    fn a_link_is_resolved_from_its_own_folder() {
        assert_eq!(resolve("aa/layer.tar", b"../bb/layer.tar").unwrap(), "bb/layer.tar");
        assert_eq!(resolve("aa/layer.tar", b"/bb/layer.tar").unwrap(), "bb/layer.tar");
    }

    #[rstest]
    #[case("a/.wh.tok", Some(Marker::Whiteout("a/tok".into())))]
    #[case(".wh.tok", Some(Marker::Whiteout("tok".into())))]
    #[case("a/.wh..wh..opq", Some(Marker::Opaque("a".into())))]
    #[case(".wh..wh.plnk", Some(Marker::Bookkeeping))]
    #[case("a/.wh.", Some(Marker::Whiteout("a".into())))]
    #[case("a/tok.wh.", None)]
    fn markers_of_hidden_files_are_read(#[case] path: &str, #[case] expected: Option<Marker>) {
        assert_eq!(marker(path), expected);
    }

    #[test]
    fn ancestors_go_up_to_the_root() {
        assert_eq!(ancestors("a/b/c").collect::<Vec<_>>(), ["a/b/c", "a/b", "a", ""]);
        assert_eq!(ancestors("").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_not_within() {
        assert!(is_within("usr/bin/gcc", "usr/bin"));
        assert!(is_within("usr", "usr"));
        assert!(!is_within("usr/bin2", "usr/bin"));
        assert!(is_within("usr", ""));
    }
}
