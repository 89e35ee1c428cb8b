//! `no-docker-access` and `no-raw-socket-mount`: every way in which the engine's socket gets into
//! a container, and the refusals that are none.

use std::fs::Permissions;
use std::net::Shutdown;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use stackproof::verdict::Verdict::{Broken, Held, Inconclusive};
use testcontainers::ImageExt;
use testcontainers::bollard::models::{HostConfig, Mount, MountType};

use super::super::stack::{LABEL, docker};
use super::stage::{Request, Stage};

const SOCKET: &str = "/var/run/docker.sock";
/// What a container's mounts are to be.
type Mounts = Box<dyn FnOnce(Request) -> Request>;

fn with(user: &'static str, change: impl Fn(&mut HostConfig) + Send + Sync + 'static) -> Mounts {
    Box::new(move |c| c.with_user(user).with_host_config_modifier(change))
}

fn bind(user: &'static str, bind: String) -> Mounts {
    with(user, move |host| host.binds = Some(vec![bind.clone()]))
}

fn socket_group() -> u32 {
    std::fs::metadata(SOCKET).unwrap().gid()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mounted_engine_socket_is_found_wherever_it_is_mounted() {
    let mut stage = Stage::new();
    let link = stage.folder().join("innocent.dat");
    symlink(SOCKET, &link).unwrap();
    let group = socket_group();
    let services: Vec<(&str, Mounts)> = vec![
        ("usual-path", bind("0", format!("{SOCKET}:{SOCKET}"))),
        ("another-path", bind("0", format!("{SOCKET}:/data/app.dat"))),
        ("symbolic-link", bind("0", format!("{}:/data/app.dat", link.display()))),
        (
            "long-syntax",
            with("0", |host| {
                host.mounts = Some(vec![Mount {
                    typ: Some(MountType::BIND),
                    source: Some(SOCKET.to_owned()),
                    target: Some("/data/app.dat".to_owned()),
                    read_only: Some(true),
                    ..Default::default()
                }]);
            }),
        ),
        ("without-permission", bind("1234:1234", format!("{SOCKET}:/data/app.dat"))),
        (
            "permission-by-group",
            with("1234:1234", move |host| {
                host.binds = Some(vec![format!("{SOCKET}:/data/app.dat")]);
                host.group_add = Some(vec![group.to_string()]);
            }),
        ),
    ];
    stage.start(services).await;
    for (service, way) in [
        ("usual-path", "socket /var/run/docker.sock as 0:0: Docker/"),
        ("another-path", "socket /data/app.dat as 0:0: Docker/"),
        ("symbolic-link", "socket /data/app.dat as 0:0: Docker/"),
        ("long-syntax", "socket /data/app.dat as 0:0: Docker/"),
        ("without-permission", "socket /data/app.dat as 0:0: Docker/"),
        ("permission-by-group", "socket /data/app.dat as 1234:1234: Docker/"),
    ] {
        stage.expect(service, "no-docker-access", Broken, way);
    }
    for (service, mount) in [
        ("usual-path", "bind /var/run/docker.sock at /var/run/docker.sock"),
        ("another-path", "bind /var/run/docker.sock at /data/app.dat"),
        ("symbolic-link", "innocent.dat at /data/app.dat, which gives /run/docker.sock"),
        ("long-syntax", "bind /var/run/docker.sock at /data/app.dat"),
        ("without-permission", "bind /var/run/docker.sock at /data/app.dat"),
        ("permission-by-group", "bind /var/run/docker.sock at /data/app.dat"),
    ] {
        stage.expect(service, "no-raw-socket-mount", Broken, mount);
    }
    stage.judge();
}

/// Makes a volume that binds a folder of the host by the options that it is made with.
fn volume_of(stage: &mut Stage, name: &str, folder: &Path) -> String {
    let name = format!("{}-{name}", stage.project());
    let label = format!("--label={LABEL}=1");
    let device = format!("--opt=device={}", folder.display());
    docker(&["volume", "create", &label, "--opt=type=none", "--opt=o=bind", &device, &name]);
    stage.remove_in_the_end(&["volume", "rm", "--force", &name]);
    name
}

/// Listens in a folder, with leave for everybody, and relays to the engine, for as long as the
/// test runs.
fn relay(folder: &Path) {
    let socket = folder.join("relay");
    let listener = UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            let engine = UnixStream::connect(SOCKET).unwrap();
            let pair = (client.try_clone().unwrap(), engine.try_clone().unwrap());
            // A side that has gone ends its connection and nothing else.
            std::thread::spawn(move || std::io::copy(&mut &pair.0, &mut &pair.1));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut &engine, &mut &client);
                let _ = client.shutdown(Shutdown::Both);
            });
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_in_a_shared_folder_is_found_in_every_kind_of_mount() {
    let mut stage = Stage::new();
    let folder = stage.folder().join("shared");
    std::fs::create_dir(&folder).unwrap();
    relay(&folder);
    let volume = volume_of(&mut stage, "shared", &folder);
    let services = vec![
        ("folder", bind("1234:1234", format!("{}:/shared:ro", folder.display()))),
        ("volume", bind("1234:1234", format!("{volume}:/shared"))),
    ];
    stage.start(services).await;
    let way = "socket /shared/relay as 1234:1234: Docker/";
    stage.expect("folder", "no-docker-access", Broken, way);
    stage.expect("volume", "no-docker-access", Broken, way);
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_socket_is_found_among_the_sockets_of_the_hosts_run_folder() {
    let mut stage = Stage::new();
    stage.start([("parent-folder", bind("0", "/run:/host/run:ro".to_owned()))]).await;
    let way = "socket /host/run/docker.sock as 0:0: Docker/";
    stage.expect("parent-folder", "no-docker-access", Broken, way);
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_of_a_folder_or_a_volume_that_may_hold_the_socket_never_holds() {
    let mut stage = Stage::new();
    let volume = volume_of(&mut stage, "run", Path::new("/run"));
    let undeclared = format!("--volume={volume}:/data");
    stage.create("parent-folder", &["--volume=/run:/host/run:ro"]);
    stage.create("volume-undeclared", &[&undeclared]);
    stage.create("volume-external", &[&undeclared]);
    stage.create("volume-of-an-image", &["--volume=/data"]);
    stage.declare("volume-external", "volumes: [\"external:/data\"]");
    let check = "no-raw-socket-mount";
    stage.expect("parent-folder", check, Broken, "bind /run at /host/run, which gives /run/");
    // The engine does not say with a container what its volumes bind.
    stage.expect("volume-undeclared", check, Inconclusive, "what the volume at /data holds");
    stage.expect("volume-external", check, Inconclusive, "what the external volume external holds");
    stage.expect("volume-of-an-image", check, Held, "is or holds an engine's socket");
    stage.judge_beside(&format!("volumes: {{external: {{external: true, name: {volume}}}}}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_and_a_group_are_ways_as_well() {
    let mut stage = Stage::new();
    let group = socket_group();
    let relay = |port: &'static str| -> Mounts {
        Box::new(move |c: Request| {
            c.with_cmd(["/probe", "hold", "--listen", "/engine", port]).with_host_config_modifier(
                |host| host.binds = Some(vec![format!("{SOCKET}:/engine")]),
            )
        })
    };
    let services: Vec<(&str, Mounts)> = vec![
        ("relay", relay("2375")),
        ("relay-elsewhere", relay("12375")),
        ("relay-unnamed", relay("23750")),
        (
            "in-the-group",
            with("1234:1234", move |host| host.group_add = Some(vec![group.to_string()])),
        ),
        ("alone", with("1234:1234", |_| {})),
        ("address-that-leads-nowhere", {
            Box::new(|c| c.with_env_var("DOCKER_HOST", "tcp://127.0.0.1:12375"))
        }),
    ];
    stage.start(services).await;
    let beside = |stage: &Stage, relay: &str| -> Mounts {
        let network = format!("container:{}", stage.container(relay));
        with("1234:1234", move |host| {
            host.network_mode = Some(network.clone());
            host.publish_all_ports = Some(false);
        })
    };
    let named = beside(&stage, "relay-elsewhere");
    let services: Vec<(&str, Mounts)> = vec![
        ("beside", beside(&stage, "relay")),
        ("beside-elsewhere", {
            Box::new(move |c| named(c).with_env_var("DOCKER_HOST", "tcp://127.0.0.1:12375"))
        }),
        ("beside-unnamed", beside(&stage, "relay-unnamed")),
    ];
    stage.start(services).await;
    stage.expect(
        "beside",
        "no-docker-access",
        Broken,
        "tcp 127.0.0.1:2375 (127.0.0.1:2375): Docker/",
    );
    stage.expect("beside-elsewhere", "no-docker-access", Broken, "tcp 127.0.0.1:12375");
    stage.expect(
        "beside-unnamed",
        "no-docker-access: {ports: [23750]}",
        Broken,
        "tcp 127.0.0.1:23750",
    );
    stage.expect("in-the-group", "no-docker-access", Broken, "which owns the engine's socket");
    stage.expect("alone", "no-docker-access", Held, "ways tried, none leads to an engine");
    stage.expect("address-that-leads-nowhere", "no-docker-access", Held, "none leads to an engine");
    stage.expect("alone", "no-raw-socket-mount", Held, "no mount of the service is or holds");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_on_which_a_neighbour_in_the_same_network_namespace_listens_is_tried() {
    let mut stage = Stage::new();
    let relay = |c: Request| {
        c.with_cmd(["/probe", "hold", "--listen", "/engine", "23750"])
            .with_host_config_modifier(|h| h.binds = Some(vec![format!("{SOCKET}:/engine")]))
    };
    stage.start([("relay", relay)]).await;
    let network = format!("container:{}", stage.container("relay"));
    let beside = with("1234:1234", move |host| {
        host.network_mode = Some(network.clone());
        host.publish_all_ports = Some(false);
    });
    stage.start([("beside", beside)]).await;
    stage.expect("beside", "no-docker-access", Broken, "tcp 127.0.0.1:23750");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_on_which_nobody_listens_is_no_way() {
    let mut stage = Stage::new();
    let dead = stage.folder().join("dead.sock");
    drop(UnixListener::bind(&dead).unwrap());
    std::fs::set_permissions(&dead, Permissions::from_mode(0o600)).unwrap();
    stage.start([("dead", bind("1234:1234", format!("{}:/dead.sock", dead.display())))]).await;
    stage.expect("dead", "no-docker-access", Held, "none leads to an engine");
    stage.expect("dead", "no-raw-socket-mount", Held, "no mount of the service");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_cannot_be_ruled_out_where_nobody_can_look() {
    let mut stage = Stage::new();
    let closed = stage.folder().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, Permissions::from_mode(0o700)).unwrap();
    let services: Vec<(&str, Mounts)> = vec![
        ("closed-folder", bind("1234:1234", format!("{}:/closed", closed.display()))),
        ("paused", with("1234:1234", |_| {})),
    ];
    stage.start(services).await;
    stage.create("never-started", &["--user=1234:1234"]);
    docker(&["pause", &stage.container("paused")]);
    let why = "a way cannot be ruled out: /closed: a mount there cannot be looked into";
    stage.expect("closed-folder", "no-docker-access", Inconclusive, why);
    stage.expect("paused", "no-docker-access", Inconclusive, "is paused");
    stage.expect("never-started", "no-docker-access", Inconclusive, "is not running");
    stage.judge();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_socket_is_found_however_the_file_says_it() {
    let mut stage = Stage::new();
    symlink(SOCKET, stage.folder().join("innocent.dat")).unwrap();
    let services = [
        ("short", "volumes: [\"/var/run/docker.sock:/x\"]"),
        ("long", "volumes: [{type: bind, source: /run/docker.sock, target: /x}]"),
        ("link", "volumes: [\"./innocent.dat:/x:ro\"]"),
        ("parent", "volumes: [\"/run:/x:ro\"]"),
        ("root", "volumes: [\"/:/x:ro\"]"),
        ("dotted", "volumes: [{type: bind, source: \"/srv/../run/./docker.sock\", target: /x}]"),
        ("volume", "volumes: [\"run:/x\"]"),
        ("secret", "secrets: [socket]"),
        ("config", "configs: [socket]"),
        ("inherited", "volumes_from: [short]"),
        ("outside", "volumes_from: [\"container:somebody\"]"),
        ("neighbour", "volumes: [\"/runner:/x\", \"data:/data\"]"),
        ("another", "volumes: [\"/run/containerd:/x:ro\"]"),
        ("scaled-to-none", ""),
    ];
    stage.create("neighbour", &[]);
    for (service, keys) in services {
        stage.declare(service, keys);
    }
    for (service, verdict, reason) in [
        ("short", Broken, "bind /var/run/docker.sock at /x"),
        ("long", Broken, "bind /run/docker.sock at /x"),
        ("link", Broken, "innocent.dat at /x, which gives /run/docker.sock"),
        ("parent", Broken, "bind /run at /x, which gives /run/"),
        ("root", Broken, "bind / at /x, which gives /run/"),
        ("dotted", Broken, "at /x"),
        ("volume", Broken, "volume /run at /x, which gives /run/"),
        ("secret", Broken, "secret /run/docker.sock at /run/secrets/socket"),
        ("config", Broken, "config /run/docker.sock at /socket"),
        ("inherited", Broken, "bind /var/run/docker.sock at /x"),
        ("outside", Inconclusive, "the Compose files do not say what container somebody holds"),
        ("scaled-to-none", Inconclusive, "service scaled-to-none has no container"),
        ("neighbour", Held, "no mount of the service is or holds an engine's socket"),
        ("another", Broken, "bind /run/containerd at /x, which gives /run/containerd/"),
    ] {
        stage.expect(service, "no-raw-socket-mount", verdict, reason);
    }
    stage.judge_beside(
        "volumes: {run: {driver_opts: {type: none, o: bind, device: /run}}, data: {}}\n\
         secrets: {socket: {file: /run/docker.sock}}\nconfigs: {socket: {file: /run/docker.sock}}",
    );
}
