//! Who listens: engines in every protocol that they speak, listeners that are none, and listeners
//! of which that cannot be said.

use std::path::{Path, PathBuf};

use rstest::rstest;
use stackproof::probe::Question;
use stackproof::verdict::Verdict;

use super::lab::{Lab, ROOT, USER};

const LISTEN: &str = r#"
import os, signal, socket
kept = []
def unix(name):
    s = socket.socket(socket.AF_UNIX); s.bind(name); s.listen(64); kept.append(s)
    if isinstance(name, str) and name[0] == "/": os.chmod(name, 0o777)
    return s
def tcp(port):
    s = socket.socket(); s.bind(("0.0.0.0", port)); s.listen(64); kept.append(s)
    return s
def answer(listener, words, count=64):
    if os.fork() == 0:
        while True:
            c, _ = listener.accept()
            try:
                c.recv(4096); c.sendall(words)
            except OSError: pass
            c.close()
def ready():
    print("ready"); signal.pause()
"#;

fn program(rest: &str) -> String {
    format!("{LISTEN}\n{rest}\nready()\n")
}

/// The sockets of the containerd that an engine of this machine started itself or was given.
fn containerd(name: &str) -> PathBuf {
    let folders = ["/run/docker/containerd", "/var/run/docker/containerd", "/run/containerd"];
    let mut paths = folders.iter().map(|folder| Path::new(folder).join(name));
    // Without a containerd on this machine the test cannot say anything, and fails here.
    paths.find(|path| path.exists()).unwrap()
}

#[rstest]
#[case::grpc("containerd.sock", "gRPC")]
#[case::ttrpc("containerd.sock.ttrpc", "ttrpc")]
#[tokio::test]
async fn containerd_is_reached_in_its_own_protocols(#[case] name: &str, #[case] protocol: &str) {
    let lab = Lab::new().await;
    let bind = format!("{}:/data/app.dat", containerd(name).display());
    let options = ["--cap-drop", "ALL", "--volume", &bind];
    let target = lab.python(&options, &program("")).await;
    let (verdict, message) = lab.no_docker_access(&target, &[ROOT], &[]).await;
    assert_eq!(verdict, Verdict::Broken, "{message}");
    assert!(message.contains("/data/app.dat") && message.contains(protocol), "{message}");
}

#[tokio::test]
async fn a_silent_socket_on_a_mount_from_the_host_is_inconclusive() {
    let lab = Lab::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("some.sock");
    let _listening = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let bind = format!("{}:/elsewhere", folder.path().display());
    let target = lab.python(&["--volume", &bind], &program("")).await;
    let (verdict, message) = lab.no_docker_access(&target, &[ROOT], &[]).await;
    assert_eq!(verdict, Verdict::Inconclusive, "{message}");
    assert!(message.contains("/elsewhere/some.sock"), "{message}");
    assert!(message.contains("silent to HTTP, gRPC, ttrpc and TLS"), "{message}");
}

#[tokio::test]
async fn the_stacks_own_listeners_that_are_silent_or_speak_something_else_are_refusals() {
    let lab = Lab::new().await;
    let rest = "
unix('/tmp/silent.sock'); unix('/dev/shm/silent.sock'); unix('/volume/silent.sock')
unix(b'\\0silent with spaces'); tcp(9001)
answer(tcp(9002), b'-ERR unknown command\\r\\n'); answer(unix('/tmp/redis.sock'), b'-ERR\\r\\n')
answer(tcp(9003), b'')";
    let options = ["--volume", "/volume"];
    let target = lab.python(&options, &program(rest)).await;
    let targets = ["127.0.0.1:9001", "127.0.0.1:9002", "127.0.0.1:9003"];
    let (verdict, message) = lab.no_docker_access(&target, &[ROOT], &targets).await;
    assert_eq!(verdict, Verdict::Held, "{message}");
}

#[tokio::test]
async fn a_tls_server_is_inconclusive_and_whether_it_demands_a_certificate_is_said() {
    let lab = Lab::new().await;
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=engine"])
        .args(["-days", "2", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let serve = "
import ssl
def tls(port, demand):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain('/tls/cert.pem', '/tls/key.pem')
    if demand:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations('/tls/cert.pem')
    listener = tcp(port)
    if os.fork() == 0:
        while True:
            c, _ = listener.accept()
            c.settimeout(3)
            try: context.wrap_socket(c, server_side=True)
            except OSError: pass
            c.close()
tls(2376, True); tls(2377, False)";
    let bind = format!("{}:/tls:ro", folder.path().display());
    let target = lab.python(&["--volume", &bind], &program(serve)).await;
    let targets = ["127.0.0.1:2376", "127.0.0.1:2377"];
    let (verdict, message) = lab.no_docker_access(&target, &[ROOT], &targets).await;
    assert_eq!(verdict, Verdict::Inconclusive, "{message}");
    let said = |port: &str, words: &str| {
        message.split("; ").any(|way| way.contains(port) && way.ends_with(words))
    };
    assert!(said(":2376", "it demands a client certificate"), "{message}");
    assert!(said(":2377", "it demands no client certificate"), "{message}");
}

#[tokio::test]
async fn an_engine_behind_a_listener_that_waits_for_a_proxy_header_is_reached() {
    let lab = Lab::new().await;
    let rest = "
listener = tcp(9004)
if os.fork() == 0:
    while True:
        c, _ = listener.accept()
        if os.fork(): c.close(); continue
        data = c.recv(4096)
        while not data.startswith(b'PROXY ') and data: data = c.recv(4096)
        if data: c.sendall(b'HTTP/1.1 200 OK\\r\\nApi-Version: 1.41\\r\\nContent-Length: 2\\r\\n\\r\\nOK')
        os._exit(0)";
    let target = lab.python(&[], &program(rest)).await;
    let (verdict, message) = lab.no_docker_access(&target, &[ROOT], &["127.0.0.1:9004"]).await;
    assert_eq!(verdict, Verdict::Broken, "{message}");
}

#[tokio::test]
async fn a_socket_that_refuses_the_service_is_inconclusive_until_root_is_asked() {
    let lab = Lab::new().await;
    let socket = lab.engine.socket_on_host();
    let bind = format!("{}:/data/app.dat", socket.display());
    let options = ["--user", "1234:1234", "--volume", &bind];
    let target = lab.python(&options, &program("")).await;
    let (verdict, message) = lab.no_docker_access(&target, &[USER], &[]).await;
    assert_eq!(verdict, Verdict::Inconclusive, "{message}");
    let (verdict, message) = lab.no_docker_access(&target, &[USER, ROOT], &[]).await;
    assert_eq!(verdict, Verdict::Broken, "{message}");
    assert!(message.contains("/data/app.dat as 0:0"), "{message}");
}

#[tokio::test]
async fn sockets_are_found_at_any_path_and_by_any_name() {
    let lab = Lab::new().await;
    let long = format!("/tmp/{}/{}", "a".repeat(90), "b".repeat(90));
    let rest = format!(
        "
os.makedirs('{long}'); os.chdir('{long}'); unix('c.sock'); os.chdir('/')
os.makedirs('/opt/real'); unix('/opt/real/d.sock'); os.symlink('/opt/real', '/opt/link')
unix('/opt/.hidden'); unix(b'\\0with spaces'); unix(b'\\0shim@x\\0'); unix(b'\\0all\\0zero')"
    );
    let target = lab.python(&[], &program(&rest)).await;
    let reply = lab.ask(&target, ROOT, &[Question::Sockets]).await.unwrap();
    let sockets = reply.sockets().unwrap().sockets;
    let open: Vec<&str> =
        sockets.iter().filter(|s| s.class == "open").map(|s| s.path.as_str()).collect();
    let long = format!("{long}/c.sock");
    for wanted in [
        long.as_str(),
        "/opt/real/d.sock",
        "/opt/.hidden",
        "@with spaces",
        "@shim@x\0",
        "@all\0zero",
    ] {
        assert!(open.contains(&wanted), "{wanted:?} is not among {open:?}");
    }
    assert_eq!(open.len(), 6, "{open:?}");
}
