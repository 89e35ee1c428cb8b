//! The codes of all checks, for where one is named and not asked.

/// Every code, in the order in which the checks came to be.
pub const CODES: [&str; 33] = [
    "runs-as",
    "no-docker-access",
    "docker-access-via",
    "capabilities",
    "no-new-privileges",
    "seccomp",
    "apparmor",
    "read-only-root",
    "namespaces",
    "memory-limit",
    "cpu-limit",
    "pids-limit",
    "swap-limit",
    "oom-contained",
    "oom-blast-radius",
    "cpu-limit-enforced",
    "pids-limit-enforced",
    "load",
    "image-size",
    "no-build-tools",
    "no-secrets-in-image",
    "single-dependency-source",
    "healthy",
    "no-raw-socket-mount",
    "no-published-on-all-interfaces",
    "no-env",
    "reservation",
    "restart-policy",
    "log-rotation",
    "tmpfs-bounded",
    "capacity-totals",
    "host-capacity",
    "starts-in-any-order",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::CheckSpec;

    #[test]
    fn the_codes_are_those_of_the_format() {
        let schema = serde_json::to_value(schemars::schema_for!(CheckSpec)).unwrap();
        let kinds = schema["oneOf"].as_array().unwrap();
        let known: Vec<&str> =
            kinds.iter().map(|kind| kind["required"][0].as_str().unwrap()).collect();
        assert_eq!(known, CODES);
    }
}
