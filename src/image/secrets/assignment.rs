//! NAME=VALUE: which names promise a secret, and which values can be one.

/// Parts of a name that promise a secret wherever they stand.
const ANYWHERE: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "api_key",
    "access_key",
    "private_key",
    "credential",
    "auth_token",
    "authtoken",
];

/// Parts that promise one only as a whole word of the name: TOKENIZERS_PARALLELISM is none.
const WORDS: &[&str] = &["token", "pw", "pass", "pwd", "auth", "passcode", "dsn", "cookie", "salt"];

/// Last words of names that speak about a secret and do not hold it.
const ABOUT: &[&str] = &[
    "file",
    "path",
    "dir",
    "folder",
    "ttl",
    "expiry",
    "expire",
    "expires",
    "expiration",
    "seconds",
    "minutes",
    "hours",
    "days",
    "age",
    "timeout",
    "lifetime",
    "length",
    "len",
    "size",
    "count",
    "min",
    "max",
    "limit",
    "header",
    "headers",
    "type",
    "name",
    "names",
    "prefix",
    "suffix",
    "url",
    "uri",
    "endpoint",
    "host",
    "port",
    "algorithm",
    "alg",
    "algo",
    "scheme",
    "mode",
    "method",
    "enabled",
    "disabled",
    "required",
    "enable",
    "disable",
    "allowed",
    "policy",
    "id",
    "version",
    "sha",
    "sha256",
    "checksum",
    "hash",
    "class",
    "backend",
    "backends",
    "provider",
    "cmd",
    "command",
    "store",
    "manager",
    "field",
    "param",
    "label",
    "sock",
    "socket",
    "user",
    "format",
    "encoding",
    "issuer",
    "audience",
    "scope",
    "scopes",
    "rotation",
    "retries",
    "regex",
    "pattern",
];

/// Values that stand for a secret to be put in later, or for none.
const PLACEHOLDERS: &[&str] = &[
    "",
    "none",
    "null",
    "nil",
    "undefined",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "changeme",
    "change-me",
    "change_me",
    "changethis",
    "change-this",
    "replaceme",
    "replace-me",
    "replace_me",
    "example",
    "placeholder",
    "dummy",
    "todo",
    "tbd",
    "redacted",
    "secret",
    "password",
    "passwd",
    "pass",
    "token",
    "string",
    "str",
    "value",
    "default",
    "empty",
    "unset",
    "required",
    "optional",
    "auto",
    "default_password",
    "mypassword",
    "my-password",
    "my_password",
    "yourpassword",
    "hidden",
    "masked",
    "notset",
    "xxx",
];

/// Beginnings of values that are references and no values.
const REFERENCES: &[&str] = &[
    "$",
    "{{",
    "${",
    "<",
    "%(",
    "%{",
    "(",
    "[",
    "{",
    "*",
    "...",
    "env:",
    "env(",
    "vault:",
    "secret:",
    "file:",
    "ref:",
    "arn:aws:",
    "sm://",
    "ssm:",
    "os.",
    "your_",
    "your-",
    "your ",
    "my_secret",
    "xxxx",
    "change_",
    "change-",
    "insert",
    "enter ",
    "replace",
    "test",
    "dummy",
    "example",
    "sample",
    "fake",
    "/run/secrets",
    "@",
    "!",
    "#",
    "`",
    "=",
];

/// Whether a variable, label or key of this name should hold a secret.
pub(crate) fn promises_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase().replace(['-', '.'], "_");
    let words: Vec<&str> = lower.split('_').filter(|word| !word.is_empty()).collect();
    let Some(last) = words.last() else { return false };
    // PWD and OLDPWD are the shell's.
    if matches!(lower.as_str(), "pwd" | "oldpwd") || ABOUT.contains(last) {
        return false;
    }
    ANYWHERE.iter().any(|part| lower.contains(part))
        || words.iter().any(|word| WORDS.contains(word))
        || camel_words(name).any(|word| WORDS.contains(&word.as_str()))
}

/// Whether a value can be a secret and not a stand-in for one.
pub(crate) fn is_plausible(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let lower = value.to_ascii_lowercase();
    if value.len() < 3
        || PLACEHOLDERS.contains(&lower.as_str())
        || REFERENCES.iter().any(|beginning| lower.starts_with(beginning))
    {
        return false;
    }
    let same = value.bytes().all(|byte| Some(byte) == value.bytes().next());
    let path = value.starts_with('/')
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    !same && !path
}

/// Whether a value looks as if it were made by a machine, or as if a person had followed a
/// password policy: digits and letters, and no sentence, path or dotted name.
pub(crate) fn looks_random(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let has = |class: fn(&u8) -> bool| value.bytes().any(|byte| class(&byte));
    let classes = [
        has(u8::is_ascii_lowercase),
        has(u8::is_ascii_uppercase),
        has(u8::is_ascii_digit),
        has(u8::is_ascii_punctuation),
    ];
    let enough = classes.iter().filter(|class| **class).count() >= 3
        || value.len() >= 16 && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    let prose = value.bytes().any(|byte| byte.is_ascii_whitespace() || byte == b'(');
    value.len() >= 8 && enough && !prose && is_plausible(value)
}

/// Whether a value looks generated: long, of letters and digits only, both cases or hexadecimal.
pub(crate) fn looks_generated(value: &str) -> bool {
    let all = |class: fn(&u8) -> bool| value.bytes().all(|byte| class(&byte));
    let any = |class: fn(&u8) -> bool| value.bytes().any(|byte| class(&byte));
    value.len() >= 16
        && all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        && any(u8::is_ascii_digit)
        && (any(u8::is_ascii_lowercase) && any(u8::is_ascii_uppercase)
            || all(u8::is_ascii_hexdigit) && any(u8::is_ascii_alphabetic))
        && is_plausible(value)
}

fn camel_words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut before = None;
    for c in name.chars() {
        if c.is_ascii_uppercase() && before.is_some_and(|c: char| c.is_ascii_lowercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(c.to_ascii_lowercase());
        }
        before = Some(c);
    }
    words.into_iter()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("BUILD_PW", true)]
    #[case("POSTGRES_PASSWORD", true)]
    #[case("db.password", true)]
    #[case("AWS_SECRET_ACCESS_KEY", true)]
    #[case("GITHUB_TOKEN", true)]
    #[case("githubToken", true)]
    #[case("API_KEY", true)]
    #[case("APP_SECRET", true)]
    #[case("GPG_KEY", false)]
    #[case("PWD", false)]
    #[case("TOKENIZERS_PARALLELISM", false)]
    #[case("TOKEN_EXPIRE_MINUTES", false)]
    #[case("POSTGRES_PASSWORD_FILE", false)]
    #[case("AUTHOR", false)]
    #[case("PATH", false)]
    #[case("PYTHON_SHA256", false)]
    #[case("", false)]
    fn names_promise_secrets(#[case] name: &str, #[case] expected: bool) {
        assert_eq!(promises_secret(name), expected);
    }

    #[rstest]
    #[case("topsecretpw", true)]
    #[case("hunter2", true)]
    #[case("'S3cr3t'", true)]
    #[case("${DB_PASSWORD}", false)]
    #[case("$DB_PASSWORD", false)]
    #[case("<your password>", false)]
    #[case("changeme", false)]
    #[case("********", false)]
    #[case("/run/secrets/db", false)]
    #[case("/etc/app/key.pem", false)]
    #[case("true", false)]
    #[case("", false)]
    fn values_can_be_secrets(#[case] value: &str, #[case] expected: bool) {
        assert_eq!(is_plausible(value), expected);
    }

    #[rstest]
    #[case("S3cr3tPw", true)]
    #[case("9f86d081884c7d659a2feaa0c55ad015", true)]
    #[case("settings.password", false)]
    #[case("password", false)]
    #[case("get_password()", false)]
    fn random_values_are_told_from_names(#[case] value: &str, #[case] expected: bool) {
        assert_eq!(looks_random(value), expected);
    }
}
