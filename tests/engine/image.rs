//! The image that tests run: the probe, and a few files by which a naive check is fooled.

use std::io::Write;
use std::process::{Command, Stdio};

use stackproof::run_id::RunId;

use super::stack::{LABEL, docker};

/// `alias` is a second name of root, `twin` and `double` share a uid, and 4321 has no entry.
const PASSWD: &str = "root:x:0:0::/:/probe\nalias:x:0:0::/:/probe\nsvc:x:1234:1234::/:/probe\n\
                      twin:x:5678:5678::/:/probe\ndouble:x:5678:5678::/:/probe\n";
const WHOAMI: &[u8] = b"#!/bin/sh\necho svc\n";

/// An image of its own, removed when it is dropped.
pub(crate) struct Image(pub(crate) String);

impl Image {
    pub(crate) fn import() -> Image {
        Image::with(&format!("LABEL {LABEL}=1"))
    }

    /// The same with an instruction of a Dockerfile.
    pub(crate) fn with(change: &str) -> Image {
        let image = Image(format!("stackproof-test-{}", RunId::fresh().unwrap()));
        let label = format!("LABEL {LABEL}=1");
        let mut import = Command::new("docker")
            .args(["import", "--change", &label, "--change", change, "-", &image.0])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        import.stdin.take().unwrap().write_all(&archive()).unwrap();
        assert!(import.wait().unwrap().success());
        image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        docker(&["image", "rm", "--force", &self.0]);
    }
}

fn archive() -> Vec<u8> {
    let probe = stackproof::probe::BINARY;
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, content) in [
        ("probe", 0o555, probe),
        // Belongs to root: whoever executes it is root.
        ("probe-suid", 0o4755, probe),
        ("etc/passwd", 0o444, PASSWD.as_bytes()),
        ("usr/bin/whoami", 0o555, WHOAMI),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        archive.append_data(&mut header, path, content).unwrap();
    }
    archive.into_inner().unwrap()
}
