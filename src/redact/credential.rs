//! Which entry of an environment is a secret.

/// Words that make a name a secret one.
const SECRET_WORDS: [&str; 18] = [
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "SECRET",
    "SECRETS",
    "TOKEN",
    "KEY",
    "KEYS",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "AUTH",
    "DSN",
    "COOKIE",
    "SALT",
];

/// Endings of words that are written in one, such as `PGPASSWORD` and `secretkey`.
const SECRET_ENDINGS: [&str; 7] =
    ["PASSWORD", "PASSWD", "SECRET", "TOKEN", "APIKEY", "SECRETKEY", "ACCESSKEY"];

/// Last words of names that say something about a secret and do not hold it.
const HARMLESS_ENDS: [&str; 22] = [
    "FILE",
    "PATH",
    "DIR",
    "NAME",
    "TYPE",
    "TTL",
    "SIZE",
    "LENGTH",
    "LIMIT",
    "TIMEOUT",
    "EXPIRY",
    "EXPIRES",
    "SECONDS",
    "MINUTES",
    "HOURS",
    "DAYS",
    "ALGORITHM",
    "METHOD",
    "HEADER",
    "ENABLED",
    "REQUIRED",
    "PREFIX",
];

/// Whether an environment variable with this name holds a secret. It goes by whole words, so
/// that `API_KEY` is one and `KEYBOARD` is not, and `POSTGRES_PASSWORD_FILE`, a path, is not
/// either. In doubt it is.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let words = words(name);
    // The shell's own variables: the working directory.
    if matches!(name, "PWD" | "OLDPWD") || words.iter().any(|word| word == "PUBLIC") {
        return false;
    }
    if words.last().is_some_and(|last| HARMLESS_ENDS.contains(&last.as_str())) {
        return false;
    }
    words.iter().any(|word| {
        SECRET_WORDS.contains(&word.as_str())
            || SECRET_ENDINGS.iter().any(|ending| word.ends_with(ending))
    })
}

/// The secret in an environment entry: the whole value where the name says so, else the password
/// of a URL such as `redis://user:password@host/0`.
#[must_use]
pub fn credential<'v>(name: &str, value: &'v str) -> Option<&'v str> {
    if is_secret_name(name) && !value.is_empty() {
        // A DSN is a URL, and of a URL the password alone is secret.
        return Some(url_password(value).unwrap_or(value));
    }
    url_password(value)
}

fn url_password(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_once("://")?;
    if scheme.is_empty() || !scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    // A password may hold an `@` that should have been encoded: the last one counts.
    let (user, _host) = authority.rsplit_once('@')?;
    let (_name, password) = user.split_once(':')?;
    (!password.is_empty()).then_some(password)
}

/// The words of a name in upper case: `apiKey`, `api-key` and `API_KEY` have the same two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            words.push(String::new());
            after_lower = false;
            continue;
        }
        if c.is_uppercase() && after_lower {
            words.push(String::new());
        }
        after_lower = c.is_lowercase();
        if let Some(word) = words.last_mut() {
            // A digit ends no word: `PASSWORD2` is a password.
            word.extend(c.to_uppercase().filter(|c| !c.is_numeric()));
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("POSTGRES_PASSWORD")]
    #[case("PGPASSWORD")]
    #[case("MYSQL_PWD")]
    #[case("db_pass")]
    #[case("SECRET_KEY")]
    #[case("SECRET_KEY_BASE")]
    #[case("apiKey")]
    #[case("api-key")]
    #[case("OPENAI_API_KEY")]
    #[case("GITHUB_TOKEN")]
    #[case("AWS_ACCESS_KEY_ID")]
    #[case("NEO4J_AUTH")]
    #[case("PASSWORD2")]
    #[case("SENTRY_DSN")]
    fn a_name_of_a_secret(#[case] name: &str) {
        assert!(is_secret_name(name));
    }

    #[rstest]
    #[case("KEYBOARD")]
    #[case("MONKEY")]
    #[case("PWD")]
    #[case("OLDPWD")]
    #[case("AUTHOR")]
    #[case("COMPASS")]
    #[case("MAX_TOKENS")]
    #[case("TOKENIZERS_PARALLELISM")]
    #[case("POSTGRES_PASSWORD_FILE")]
    #[case("JWT_PUBLIC_KEY")]
    #[case("ACCESS_TOKEN_EXPIRE_MINUTES")]
    #[case("PATH")]
    #[case("")]
    fn a_name_of_no_secret(#[case] name: &str) {
        assert!(!is_secret_name(name));
    }

    #[rstest]
    #[case("DB_PASSWORD", "hunter22", Some("hunter22"))]
    #[case("DB_PASSWORD", "", None)]
    #[case("REDIS_URL", "redis://:hunter22@redis:6379/0", Some("hunter22"))]
    #[case("DATABASE_DSN", "postgres://app:p@ss@db/app", Some("p@ss"))]
    #[case("SENTRY_DSN", "https://0123abcd@sentry/1", Some("https://0123abcd@sentry/1"))]
    #[case("HOME_URL", "https://example.org/a:b@c", None)]
    #[case("MOTD", "hello", None)]
    fn the_secret_of_an_entry(
        #[case] name: &str,
        #[case] value: &str,
        #[case] secret: Option<&str>,
    ) {
        assert_eq!(credential(name, value), secret);
    }
}
