//! Globs for paths that a caller allows.

/// A pattern over a slash-separated path: `*` and `?` stay inside one component, `**` crosses
/// them. A leading slash is optional.
#[derive(Debug, Clone, Copy)]
pub struct Glob<'a>(&'a str);

impl<'a> Glob<'a> {
    /// The glob as it was written. Every text is a glob.
    #[must_use]
    pub fn new(pattern: &'a str) -> Glob<'a> {
        Glob(pattern)
    }

    /// Whether the whole path matches. It takes time proportional to pattern times path.
    #[must_use]
    pub fn matches(self, path: &str) -> bool {
        let (pattern, path) = (self.0.trim_start_matches('/'), path.trim_start_matches('/'));
        // Most paths fail by their ends, which is cheap to see.
        let is_wild = |c: char| c == '*' || c == '?';
        let ending = pattern.rsplit(is_wild).next().unwrap_or_default();
        let beginning = pattern.split(is_wild).next().unwrap_or_default();
        // What follows `**/` may stand at the very beginning.
        let ending = ending.strip_prefix('/').unwrap_or(ending);
        if !path.ends_with(ending) || !path.starts_with(beginning) {
            return false;
        }
        let pattern: Vec<char> = pattern.chars().collect();
        let path: Vec<char> = path.chars().collect();
        // reachable[i]: the pattern read so far can have consumed the first i characters.
        let mut reachable = vec![false; path.len() + 1];
        reachable[0] = true;
        let mut at = 0;
        while at < pattern.len() {
            let crosses = pattern[at..].starts_with(&['*', '*']);
            let mut next = vec![false; path.len() + 1];
            if pattern[at] == '*' {
                let mut open = false;
                for i in 0..=path.len() {
                    open |= reachable[i];
                    next[i] = open;
                    if !crosses && i < path.len() && path[i] == '/' {
                        open = false;
                    }
                }
                at += if crosses { 2 } else { 1 };
                // `**/` also stands for no folder at all.
                if crosses && pattern.get(at) == Some(&'/') {
                    for i in 0..=path.len() {
                        let starts_component = i == 0 || path[i - 1] == '/';
                        next[i] = reachable[i] || (next[i] && starts_component);
                    }
                    at += 1;
                }
            } else {
                for i in 0..path.len() {
                    let same = match pattern[at] {
                        '?' => path[i] != '/',
                        wanted => wanted == path[i],
                    };
                    next[i + 1] = reachable[i] && same;
                }
                at += 1;
            }
            reachable = next;
        }
        reachable[path.len()]
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/etc/ssl/*.pem", "etc/ssl/a.pem", true)]
    #[case("/etc/ssl/*.pem", "etc/ssl/deep/a.pem", false)]
    #[case("/etc/**/*.pem", "etc/ssl/deep/a.pem", true)]
    #[case("/etc/**/*.pem", "etc/a.pem", true)]
    #[case("**/test_*.py", "a/b/test_x.py", true)]
    #[case("**/test_*.py", "a/b/my_test_x.py", false)]
    #[case("a/**", "a/b/c", true)]
    #[case("a/**", "ab/c", false)]
    #[case("env:API_?EY", "env:API_KEY", true)]
    #[case("", "", true)]
    #[case("*", "a/b", false)]
    fn globs_match_components(#[case] glob: &str, #[case] path: &str, #[case] expected: bool) {
        assert_eq!(Glob::new(glob).matches(path), expected);
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let path = "a".repeat(4000);
        assert!(!Glob::new(&"*a".repeat(200)).matches(&format!("{path}b")));
    }
}
