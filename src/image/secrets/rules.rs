//! The rules: what a secret looks like in a text.

/// Where a rule applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In every text file, and in the image's configuration.
    Everywhere,
    /// In files whose path matches one of these globs.
    Files(&'static [&'static str]),
    /// In the image's configuration only: environment, labels, commands and history.
    Configuration,
}

/// What the captured value must be to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// The form is proof enough.
    Any,
    /// No documented example.
    NotExample,
    /// No placeholder.
    Plausible,
    /// No placeholder, and the captured name must promise a secret.
    NamedPlausible,
    /// Looks made by a machine, and the captured name must promise a secret.
    NamedRandom,
    /// The password of a URL: no placeholder, and the more random the likelier an example is in
    /// such a file.
    UrlPassword,
    /// Base64 of a private key.
    EncodedKey,
}

/// One rule. The pattern captures `secret`, and `name` where the secret has one.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The stable id.
    pub(crate) id: &'static str,
    pub(crate) scope: Scope,
    /// The pattern is tried only around these, found without regard to case. Only rules that
    /// apply everywhere need any: the others are tried on few and short texts.
    pub(crate) keywords: &'static [&'static str],
    pub(crate) pattern: &'static str,
    pub(crate) value: Value,
}

const fn rule(
    id: &'static str,
    scope: Scope,
    keywords: &'static [&'static str],
    pattern: &'static str,
    value: Value,
) -> Rule {
    Rule { id, scope, keywords, pattern, value }
}

/// The names of files that hold settings. Those of programs and their examples are left out, see
/// [`Origin`].
const SETTINGS: &[&str] = &[
    "**/*.yaml",
    "**/*.yml",
    "**/*.toml",
    "**/*.ini",
    "**/*.cfg",
    "**/*.conf",
    "**/*.json",
    "**/*.properties",
    "**/*.env",
    "**/*.xml",
];

/// Environment files; their templates are left out by [`is_template`].
const ENV_FILES: &[&str] = &["**/.env", "**/.env.*", "**/*.env", "**/.envrc", "etc/environment"];

/// The rules that look into text.
pub(crate) const RULES: &[Rule] = &[
    // A header alone is code that reads keys; the shortest key, of Ed25519, has 64 digits.
    rule(
        "private-key",
        Scope::Everywhere,
        &["PRIVATE KEY"],
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nr])*(?:[A-Za-z-]+: [^\n\\]*(?:\s|\\[nr])+)*(?P<secret>[A-Za-z0-9+/=]{64,}(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]{4,})*)",
        Value::NotExample,
    ),
    rule(
        "private-key-base64",
        Scope::Everywhere,
        &["LS0tLS1CRUdJTi"],
        r"(?P<secret>LS0tLS1CRUdJTi[A-Za-z0-9+/=]{60,})",
        Value::EncodedKey,
    ),
    rule(
        "putty-key",
        Scope::Everywhere,
        &["PuTTY-User-Key-File-"],
        r"PuTTY-User-Key-File-[23]: [a-z0-9-]+(?s:.{1,600}?)Private-Lines: \d+\s+(?P<secret>[A-Za-z0-9+/=]{40,})",
        Value::Any,
    ),
    rule(
        "aws-access-key",
        Scope::Everywhere,
        &["AKIA", "ASIA"],
        r"(?:^|[^A-Za-z0-9])(?P<secret>(?:AKIA|ASIA)[A-Z2-7]{16})(?:$|[^A-Za-z0-9])",
        Value::NotExample,
    ),
    rule(
        "aws-secret-key",
        Scope::Everywhere,
        &["aws_secret_access_key", "aws_session_token"],
        r#"(?i)(?P<name>aws_(?:secret_access_key|session_token))["']?\s*[=:]\s*["']?(?P<secret>[A-Za-z0-9/+=]{40,})"#,
        Value::NotExample,
    ),
    rule(
        "gcp-service-account",
        Scope::Everywhere,
        &["private_key_id"],
        r#""private_key_id"\s*:\s*"(?P<secret>[0-9a-f]{40})""#,
        Value::Any,
    ),
    rule(
        "google-api-key",
        Scope::Everywhere,
        &["AIza"],
        r"(?:^|[^A-Za-z0-9_-])(?P<secret>AIza[0-9A-Za-z_-]{35})(?:$|[^A-Za-z0-9_-])",
        Value::NotExample,
    ),
    rule(
        "azure-storage-key",
        Scope::Everywhere,
        &["AccountKey="],
        r"AccountKey=(?P<secret>[A-Za-z0-9+/]{86}==)",
        Value::NotExample,
    ),
    rule(
        "github-token",
        Scope::Everywhere,
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        r"(?:^|[^A-Za-z0-9_])(?P<secret>gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255})",
        Value::NotExample,
    ),
    rule(
        "gitlab-token",
        Scope::Everywhere,
        &["glpat-", "gldt-", "glrt-"],
        r"(?:^|[^A-Za-z0-9_])(?P<secret>gl(?:pat|dt|rt)-[A-Za-z0-9_-]{20,})",
        Value::NotExample,
    ),
    rule(
        "slack-token",
        Scope::Everywhere,
        &["xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "hooks.slack.com"],
        r"(?P<secret>xox[abeoprs]-[0-9A-Za-z-]{20,}|hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,})",
        Value::NotExample,
    ),
    rule(
        "npm-token",
        Scope::Everywhere,
        &["npm_", "_authToken"],
        r"(?:^|[^A-Za-z0-9_])(?P<secret>npm_[A-Za-z0-9]{36})(?:$|[^A-Za-z0-9_])|:_authToken\s*=\s*(?P<secret2>[A-Za-z0-9_-]{20,})",
        Value::NotExample,
    ),
    rule(
        "pypi-token",
        Scope::Everywhere,
        &["pypi-AgE"],
        r"(?P<secret>pypi-AgE[A-Za-z0-9_-]{50,})",
        Value::NotExample,
    ),
    rule(
        "docker-hub-token",
        Scope::Everywhere,
        &["dckr_pat_"],
        r"(?P<secret>dckr_pat_[A-Za-z0-9_-]{20,})",
        Value::NotExample,
    ),
    rule(
        "stripe-key",
        Scope::Everywhere,
        &["sk_live_", "rk_live_"],
        r"(?P<secret>[sr]k_live_[0-9A-Za-z]{16,})",
        Value::NotExample,
    ),
    rule(
        "model-api-key",
        Scope::Everywhere,
        &["sk-ant-", "T3BlbkFJ", "hf_"],
        r"(?:^|[^A-Za-z0-9_])(?P<secret>sk-ant-[A-Za-z0-9_-]{24,}|sk-[A-Za-z0-9_-]{10,}T3BlbkFJ[A-Za-z0-9_-]{10,}|hf_[A-Za-z0-9]{34})(?:$|[^A-Za-z0-9_])",
        Value::NotExample,
    ),
    rule(
        "age-key",
        Scope::Everywhere,
        &["AGE-SECRET-KEY-1"],
        r"(?P<secret>AGE-SECRET-KEY-1[0-9A-Z]{58})",
        Value::Any,
    ),
    rule(
        "url-password",
        Scope::Everywhere,
        &["://"],
        r#"[A-Za-z][A-Za-z0-9+.-]*://(?P<name>[^\s:/@"'`<>|\\,;(){}\[\]]*):(?P<secret>[^\s:/@"'`<>|\\]{3,200})@[A-Za-z0-9\[_.-]"#,
        Value::UrlPassword,
    ),
    rule(
        "netrc",
        Scope::Files(&["**/.netrc", "**/_netrc"]),
        &[],
        r"password\s+(?P<secret>\S+)",
        Value::Plausible,
    ),
    rule(
        "pypirc",
        Scope::Files(&["**/.pypirc"]),
        &[],
        r"password\s*[=:]\s*(?P<secret>\S+)",
        Value::Plausible,
    ),
    rule(
        "npmrc",
        Scope::Files(&["**/.npmrc", "**/npmrc"]),
        &[],
        r"(?P<name>_password|_auth)\s*=\s*(?P<secret>\S+)",
        Value::Plausible,
    ),
    rule(
        "docker-auth",
        Scope::Files(&[
            "**/.docker/config.json",
            "**/.dockercfg",
            "**/.dockerconfigjson",
            "**/containers/auth.json",
        ]),
        &[],
        r#""(?P<name>auth|identitytoken|registrytoken)"\s*:\s*"(?P<secret>[A-Za-z0-9+/=_.-]{8,})""#,
        Value::Any,
    ),
    rule(
        "pgpass",
        Scope::Files(&["**/.pgpass"]),
        &[],
        r"(?m)^[^#:\n]*:[^:\n]*:[^:\n]*:[^:\n]*:(?P<secret>[^\n]+)",
        Value::Plausible,
    ),
    rule(
        "kube-config",
        Scope::Files(&["**/.kube/config", "**/kubeconfig*"]),
        &[],
        r"(?P<name>token|password):\s*(?P<secret>\S{8,})",
        Value::Plausible,
    ),
    rule(
        "my-cnf",
        Scope::Files(&["**/.my.cnf", "**/my.cnf", "etc/mysql/debian.cnf"]),
        &[],
        r"(?m)^\s*password\s*=\s*(?P<secret>\S+)",
        Value::Plausible,
    ),
    rule(
        "password-hash",
        Scope::Files(&["etc/shadow", "etc/shadow-", "etc/gshadow", "etc/gshadow-", "**/.htpasswd"]),
        &[],
        r"(?m)^(?P<name>[^:\n]+):(?P<secret>\$[^:\n]{10,})",
        Value::Any,
    ),
    rule(
        "env-file",
        Scope::Files(ENV_FILES),
        &[],
        r"(?m)^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_.]*)[ \t]*=[ \t]*(?P<secret>[^\n#]+)",
        Value::NamedPlausible,
    ),
    rule(
        "assigned-secret",
        Scope::Files(SETTINGS),
        &[],
        r#"(?m)^[ \t]*(?:- )?["']?(?P<name>[A-Za-z_][A-Za-z0-9_.-]{0,60})["']?[ \t]*[=:][ \t]*["']?(?P<secret>[^\s"',#]{8,200})["']?,?[ \t]*\r?$"#,
        Value::NamedRandom,
    ),
    rule(
        "assignment",
        Scope::Configuration,
        &[],
        r#"(?:^|[\s;&|(,"'])(?:--)?(?P<name>[A-Za-z_][A-Za-z0-9_.-]*)=(?P<secret>"[^"\n]*"|'[^'\n]*'|[^\s;&|"']+)"#,
        Value::NamedPlausible,
    ),
    rule(
        "authorization-header",
        Scope::Configuration,
        &[],
        r#"(?i)(?P<name>authorization|[a-z-]+-token|(?:x-)?api-key):\s*(?:(?:bearer|basic|token)\s+)?(?P<secret>[A-Za-z0-9._~+/=-]{8,})"#,
        Value::Plausible,
    ),
    rule(
        "password-argument",
        Scope::Configuration,
        &[],
        r#"(?:\s(?:-u|--user)\s+["']?[^\s:"'$]+:(?P<secret>[^\s"'$]{3,})|\s--(?P<name>password|token)\s+["']?(?P<secret2>[^\s"'$-][^\s"']{2,}))"#,
        Value::Plausible,
    ),
];

/// Files that are a secret by their name alone, wherever they lie, unless they are empty.
pub(crate) const SECRET_FILES: &[(&str, &[&str])] = &[
    (
        "ssh-key-file",
        &["**/id_rsa", "**/id_dsa", "**/id_ecdsa", "**/id_ed25519", "**/ssh_host_*_key"],
    ),
    ("run-secret-file", &["run/secrets/**", "var/run/secrets/**"]),
    ("vault-token-file", &["**/.vault-token"]),
    ("git-credentials-file", &["**/.git-credentials"]),
    (
        "gcloud-credentials-file",
        &["**/gcloud/application_default_credentials.json", "**/gcloud/credentials.db"],
    ),
    (
        "key-store-file",
        &[
            "root/**/*.p12",
            "root/**/*.pfx",
            "app/**/*.p12",
            "app/**/*.pfx",
            "opt/**/*.p12",
            "opt/**/*.pfx",
        ],
    ),
    ("git-history", &["**/.git/HEAD"]),
];

/// Examples from the vendors' documentation.
pub(crate) const EXAMPLES: &[&str] =
    &["EXAMPLE", "XXXX", "xxxx", "00000000", "12345678901234567890"];

/// Whether a file is a template, which holds no real value.
pub(crate) fn is_template(entry_path: &str) -> bool {
    [".example", ".sample", ".template", ".dist", ".tmpl", ".j2", ".in"]
        .iter()
        .any(|ending| entry_path.ends_with(ending))
        || crate::image::path::name(entry_path).contains("example")
}

/// Whose a text is, which tells how much a URL or an assignment in it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Settings of whoever made the image.
    Settings,
    /// Program text or documentation of whoever made the image: examples are likely.
    Program,
    /// Installed from a distribution or an index, so public: nearly all URLs are examples.
    ThirdParty,
}

impl Origin {
    /// Tells by the path.
    pub(crate) fn of(entry_path: &str) -> Origin {
        const FOLDERS: &[&str] = &["/site-packages/", "/dist-packages/", "/node_modules/"];
        const ROOTS: &[&str] = &["usr/share", "usr/lib", "usr/local/lib", "usr/local/share", "lib"];
        const ENDINGS: &[&str] = &[
            ".py", ".pyc", ".pyi", ".md", ".rst", ".html", ".htm", ".js", ".ts", ".go", ".rs",
            ".c", ".h", ".java", ".rb", ".pm", ".pl", ".pod", ".txt", ".adoc",
        ];
        if FOLDERS.iter().any(|folder| entry_path.contains(folder))
            || ROOTS.iter().any(|root| crate::image::path::is_within(entry_path, root))
        {
            return Origin::ThirdParty;
        }
        if ENDINGS.iter().any(|ending| entry_path.ends_with(ending)) {
            return Origin::Program;
        }
        Origin::Settings
    }
}
