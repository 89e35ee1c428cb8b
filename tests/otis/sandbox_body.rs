//! The one body with which the proxy lets a container be created, and bodies that differ from it.

use std::path::Path;

use stackproof::run_id::RunId;

/// A body that the proxy must let through, and a mark that is in its command.
pub(crate) struct SandboxBody {
    pub(crate) mark: String,
    pub(crate) text: String,
    labels: String,
}

impl SandboxBody {
    /// As the runner sends it, for a container that belongs to `run`.
    pub(crate) fn of(run: &str) -> SandboxBody {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker/otis/socket-proxy");
        let template = std::fs::read_to_string(folder.join("sandbox-body.template")).unwrap();
        let shape: String = template.lines().map(str::trim_start).collect();
        let mark = format!("mark-{}", RunId::fresh().unwrap());
        let label = format!("\"dev.stackproof.run\":\"{run}\"");
        let text = shape
            .replace("<arguments>", &format!("\"true\",\"{mark}\""))
            .replace("<image>", "stackproof-base/debian:bookworm-slim")
            .replace("<path>", "/run/otis/x/id")
            .replace("<label>", &label);
        SandboxBody { mark, text, labels: format!("\"Labels\":{{{label}}}") }
    }

    /// With `old`, which is in it exactly once, replaced by `new`.
    pub(crate) fn with(&self, old: &str, new: &str) -> Vec<u8> {
        assert_eq!(self.text.matches(old).count(), 1, "{old}");
        self.text.replace(old, new).into_bytes()
    }

    /// Bodies that are not the shape, each with what is wrong with it.
    pub(crate) fn others(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut others: Vec<(&str, Vec<u8>)> = DIFFERENCES
            .iter()
            .map(|(what, old, new)| {
                // What is to stay is written as `&` in the table.
                (*what, self.with(old, &new.replace('&', old)))
            })
            .collect();
        // Whatever is created with them must be found by its label.
        let bare = format!(
            "{{\"Image\":\"stackproof-base/debian:bookworm-slim\",\"Cmd\":[\"true\",\"{}\"],{}",
            self.mark, self.labels
        );
        let text = &self.text;
        let host = "\"HostConfig\":{\"Binds\":[\"/nonexistent:/h:ro\"]}";
        others.extend([
            ("nothing but an image", format!("{bare}}}").into_bytes()),
            (
                "legacy binds at the top level",
                format!("{bare},\"Binds\":[\"/nonexistent:/h\"]}}").into_bytes(),
            ),
            ("a second object behind it", format!("{text}{{{host}}}").into_bytes()),
            ("a second object on the next line", format!("{text}\n{{{host}}}").into_bytes()),
            ("two newlines behind it", format!("{text}\n\n").into_bytes()),
            ("a carriage return behind it", format!("{text}\r\n").into_bytes()),
            ("a NUL behind it", format!("{text}\0").into_bytes()),
            ("a NUL and an object behind it", format!("{text}\0{{{host}}}").into_bytes()),
            ("a NUL in front of it", format!("\0{text}").into_bytes()),
            ("a blank in front of it", format!(" {text}").into_bytes()),
            ("a line in front of it", format!("{{}}\n{text}").into_bytes()),
            ("a byte order mark", format!("\u{feff}{text}").into_bytes()),
            ("itself in a list", format!("[{text}]").into_bytes()),
            ("null", b"null".to_vec()),
            ("its end missing", text.as_bytes()[..text.len() - 1].to_vec()),
            ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            (
                "more than the proxy reads",
                self.with("\"true\",", &format!("\"true\",\"{}\",", "x".repeat(8192))),
            ),
        ]);
        others
    }
}

/// What is wrong, what it replaces, and by what.
const DIFFERENCES: [(&str, &str, &str); 67] = [
    // Values that give the host away.
    ("privileged", "\"Privileged\":false", "\"Privileged\":true"),
    ("a bind", "\"Binds\":null", "\"Binds\":[\"/nonexistent:/h:ro\"]"),
    ("an empty list of binds", "\"Binds\":null", "\"Binds\":[]"),
    ("a capability", "\"CapAdd\":null", "\"CapAdd\":[\"SYS_ADMIN\"]"),
    ("its capabilities", "\"CapDrop\":[\"ALL\"]", "\"CapDrop\":null"),
    ("one capability dropped", "\"CapDrop\":[\"ALL\"]", "\"CapDrop\":[\"CHOWN\"]"),
    ("root", "\"User\":\"65534:65534\"", "\"User\":\"\""),
    ("root's group", "\"User\":\"65534:65534\"", "\"User\":\"65534:0\""),
    ("a group", "\"GroupAdd\":null", "\"GroupAdd\":[\"0\"]"),
    ("a writable root", "\"ReadonlyRootfs\":true", "\"ReadonlyRootfs\":false"),
    ("new privileges", "\"SecurityOpt\":[\"no-new-privileges\"]", "\"SecurityOpt\":null"),
    (
        "no seccomp filter",
        "[\"no-new-privileges\"]",
        "[\"no-new-privileges\",\"seccomp=unconfined\"]",
    ),
    ("no new privileges false", "[\"no-new-privileges\"]", "[\"no-new-privileges:false\"]"),
    ("the host's network", "\"NetworkMode\":\"none\"", "\"NetworkMode\":\"host\""),
    ("a network", "\"NetworkMode\":\"none\"", "\"NetworkMode\":\"bridge\""),
    (
        "the proxy's network",
        "\"NetworkMode\":\"none\"",
        "\"NetworkMode\":\"container:otis-socket-proxy\"",
    ),
    ("the host's processes", "\"PidMode\":\"\"", "\"PidMode\":\"host\""),
    ("the proxy's processes", "\"PidMode\":\"\"", "\"PidMode\":\"container:otis-socket-proxy\""),
    ("the host's ipc", "\"IpcMode\":\"none\"", "\"IpcMode\":\"host\""),
    ("the host's host name", "\"UTSMode\":\"\"", "\"UTSMode\":\"host\""),
    ("the host's users", "\"UsernsMode\":\"\"", "\"UsernsMode\":\"host\""),
    ("the host's cgroups", "\"CgroupnsMode\":\"\"", "\"CgroupnsMode\":\"host\""),
    ("another parent", "\"CgroupParent\":\"\"", "\"CgroupParent\":\"/\""),
    ("a volume driver", "\"VolumeDriver\":\"\"", "\"VolumeDriver\":\"x\""),
    ("the proxy's volumes", "\"VolumesFrom\":null", "\"VolumesFrom\":[\"otis-socket-proxy\"]"),
    ("a volume", "\"Volumes\":{}", "\"Volumes\":{\"/h\":{}}"),
    (
        "a device",
        "\"Devices\":[]",
        "\"Devices\":[{\"PathOnHost\":\"/dev/nonexistent\",\"PathInContainer\":\"/d\"}]",
    ),
    ("a rule for devices", "\"DeviceCgroupRules\":null", "\"DeviceCgroupRules\":[\"a *:* r\"]"),
    ("a request for devices", "\"DeviceRequests\":null", "\"DeviceRequests\":[{\"Driver\":\"x\"}]"),
    ("no masked paths", "\"MaskedPaths\":null", "\"MaskedPaths\":[]"),
    ("no read-only paths", "\"ReadonlyPaths\":null", "\"ReadonlyPaths\":[]"),
    ("no memory limit", "\"Memory\":67108864", "\"Memory\":0"),
    ("more memory", "\"Memory\":67108864", "\"Memory\":671088640"),
    ("endless swap", "\"MemorySwap\":67108864", "\"MemorySwap\":-1"),
    ("no limit on processes", "\"PidsLimit\":64", "\"PidsLimit\":0"),
    ("no limit on CPUs", "\"NanoCpus\":500000000", "\"NanoCpus\":0"),
    ("no OOM killer", "\"OomKillDisable\":false", "\"OomKillDisable\":true"),
    ("a limit", "\"Ulimits\":null", "\"Ulimits\":[{\"Name\":\"core\",\"Soft\":0,\"Hard\":0}]"),
    ("a port", "\"PortBindings\":{}", "\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"\"}]}"),
    ("a restart", "\"Name\":\"no\"", "\"Name\":\"always\""),
    ("no removal", "\"AutoRemove\":true", "\"AutoRemove\":false"),
    ("a log", "\"Type\":\"none\"", "\"Type\":\"json-file\""),
    ("a log elsewhere", "{\"Type\":\"none\"", "{\"Type\":\"syslog\""),
    ("another host name", "\"Hostname\":\"\"", "\"Hostname\":\"x\""),
    ("a variable", "\"Env\":null", "\"Env\":[\"LD_PRELOAD=/x\"]"),
    ("its image's entrypoint", "\"Entrypoint\":[\"\"]", "\"Entrypoint\":null"),
    ("a network to join", "\"EndpointsConfig\":{}", "\"EndpointsConfig\":{\"host\":{}}"),
    // Other images.
    ("another image", "debian:bookworm-slim", "python:3.11-slim"),
    ("an image's latest", "debian:bookworm-slim", "debian"),
    ("an image in capitals", "stackproof-base/", "STACKPROOF-BASE/"),
    ("an image behind a dot", "stackproof-base/", "docker.io/stackproof-base/"),
    // Keys beside those of the shape.
    (
        "a mount through a driver",
        "\"ReadonlyPaths\":null",
        "&,\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/h\",\"VolumeOptions\":{\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/nonexistent\"}}}}]",
    ),
    ("a runtime", "\"ReadonlyPaths\":null", "&,\"Runtime\":\"x\""),
    ("kernel parameters", "\"ReadonlyPaths\":null", "&,\"Sysctls\":{\"x\":\"1\"}"),
    ("a tmpfs", "\"ReadonlyPaths\":null", "&,\"Tmpfs\":{\"/h\":\"\"}"),
    ("a health check", "\"OnBuild\":null", "&,\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"]}"),
    // The same key twice, or spelled so that only a Go decoder takes it for the same.
    ("the key again", "\"Privileged\":false", "&,\"Privileged\":true"),
    ("the key again in small letters", "\"Privileged\":false", "&,\"privileged\":true"),
    ("the settings again", "\"OnBuild\":null", "&,\"HostConfig\":{\"Privileged\":true}"),
    (
        "the settings again, with a long s",
        "\"OnBuild\":null",
        "&,\"Ho\u{17f}tConfig\":{\"Privileged\":true}",
    ),
    ("a key with an escape", "\"Privileged\":false", "\"\\u0050rivileged\":false"),
    ("the key again with an escape", "\"Privileged\":false", "&,\"\\u0050rivileged\":true"),
    ("a key with a Kelvin sign", "\"OnBuild\":null", "&,\"Networ\u{212a}Disabled\":true"),
    ("a blank between", "\"Privileged\":false", "\"Privileged\": false"),
    // Fields that may vary, filled with more than they may hold.
    ("a file with a quote", "/run/otis/x/id", "/x\\\",\\\"Privileged\\\":true,\\\"x\\\":\\\""),
    ("Compose's label", "\"dev.stackproof.run\":", "\"com.docker.compose.project\":\"x\",&"),
    ("a raw line end in an argument", "\"true\",", "\"true\n\","),
];
