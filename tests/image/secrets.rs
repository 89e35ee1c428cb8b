//! `no-secrets-in-image`.

use super::archive::{Image, Layer};
use super::project::{Project, assert_verdicts};

/// In pieces, so that scanners of this repository find no secret in it.
const KEY: &str = concat!(
    "-----BEGIN RSA PRIV",
    "ATE KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn/ygWyF8PbnGy0AHB7MhgHcTz6sE2I2yPB\n"
);

#[test]
fn a_secret_is_found_in_whatever_layer_and_in_the_configuration() {
    let file = |path: &str| Image::new().layer(Layer::default().file(path, KEY));
    let long = "just text\n".repeat((65 << 20) / 10);
    let services = [
        ("none", Image::new().env("LANG=C.UTF-8")),
        ("known", file("app/tests/key.pem")),
        ("removed", file("root/id").layer(Layer::default().without("root/id"))),
        ("variable", Image::new().env("DB_PASSWORD=hunter2hunter2")),
        (
            "argument",
            Image::new().made_by(
                "|1 BUILD_PW=topsecretpw7 /bin/sh -c true",
                Layer::default().file("a", "b"),
            ),
        ),
        (
            "argument-of-buildkit",
            Image::new().made_by(
                "RUN |1 BUILD_PW=topsecretpw7 /bin/sh -c true # buildkit",
                Layer::default().file("a", "b"),
            ),
        ),
        ("long", Image::new().layer(Layer::default().file("var/log/long", long))),
        ("gone", Image::new().env("A=gone")),
    ];
    let project = Project::up(&services, |_| {});
    project.lose_image("gone");
    let code = "no-secrets-in-image";
    let checks = [
        ("none", code, ""),
        ("known", code, ", allowed: [\"/app/tests/*.pem\", \"/not/there\"]"),
        ("removed", code, ""),
        ("variable", code, ""),
        ("argument", code, ""),
        ("argument-of-buildkit", code, ""),
        ("long", code, ""),
        ("gone", code, ""),
    ];
    let expected = [
        ("none", "held", "no secret"),
        ("known", "held", "no secret; allowed but not there: /not/there"),
        ("removed", "broken", "private-key at /root/id in layer 1, hidden by layer 2"),
        ("variable", "broken", "env:DB_PASSWORD"),
        ("argument", "broken", "history:1: BUILD_PW=[redacted, 12 bytes]"),
        ("argument-of-buildkit", "broken", "history:1: BUILD_PW=[redacted, 12 bytes]"),
        ("long", "inconclusive", "/var/log/long: text too long to be searched to its end"),
        ("gone", "inconclusive", "no such image"),
    ];
    assert_verdicts(&project.judge(&checks), &expected);
    for secret in ["MIIEpAIBAAKCAQEA", "hunter2hunter2", "topsecretpw7"] {
        assert!(!project.written().contains(secret), "{secret} was written");
    }
    // The second time the layers are known, and the configuration comes from the engine's API.
    assert_verdicts(&project.judge(&checks), &expected);
}
