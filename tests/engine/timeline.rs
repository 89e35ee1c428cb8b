//! The timeline: what it sees of real containers, and what it costs.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use stackproof::engine::container::Container;
use stackproof::engine::{Endpoint, Engine};
use stackproof::record::{Source, Timeline};
use stackproof::run_id::RunId;
use stackproof::timeline::Recorder;
use stackproof::timeline::gauge::Gauge;

use super::image::Image;
use super::stack::{LABEL, docker};

/// Containers that hold the probe, removed when it is dropped.
struct Several {
    names: Vec<String>,
    _image: Image,
}

impl Several {
    fn start(count: usize, arguments: &[&str]) -> Several {
        let image = Image::import();
        let run = RunId::fresh().unwrap();
        let names = (0..count).map(|number| format!("stackproof-test-{run}-{number}")).collect();
        let several = Several { names, _image: image };
        for name in &several.names {
            let label = format!("--label={LABEL}=1");
            let mut all = vec!["run", "--detach", "--name", name, "--network=none", &label];
            all.extend(arguments);
            all.extend([several._image.0.as_str(), "/probe", "hold"]);
            assert!(!docker(&all).is_empty(), "{name} did not start");
        }
        several
    }

    async fn inspect(&self, engine: &Engine) -> BTreeMap<String, Vec<Container>> {
        let mut services = BTreeMap::new();
        for name in &self.names {
            services.insert(name.clone(), vec![engine.inspect(name).await.unwrap()]);
        }
        services
    }
}

impl Drop for Several {
    fn drop(&mut self) {
        let mut all = vec!["rm", "--force", "--volumes"];
        all.extend(self.names.iter().map(String::as_str));
        docker(&all);
    }
}

async fn engine() -> Engine {
    Engine::connect(Endpoint::from_environment().unwrap()).await.unwrap()
}

/// Lets time pass: what is measured is what happens in it.
async fn pass(time: Duration) {
    let _ = tokio::time::timeout(time, pending::<()>()).await;
}

/// The CPU time that a process has used, in milliseconds: proc_pid_stat(5), in ticks of 10 ms.
fn cpu_ms(pid: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10.0
}

fn pid_of_the_engine() -> Option<String> {
    std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let comm = std::fs::read_to_string(entry.path().join("comm")).ok()?;
        (comm == "dockerd\n").then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

/// `ci/bench` quotes what this prints. In six seconds each container is inspected twice, which is
/// more often than in a longer run.
#[tokio::test(flavor = "multi_thread")]
async fn ten_services_cost_less_than_two_percent_of_a_core() {
    let several = Several::start(10, &[]);
    let engine = engine().await;
    let services = several.inspect(&engine).await;
    let window = Duration::from_secs(6);
    let daemon = pid_of_the_engine();
    let of_daemon = || daemon.as_deref().map_or(0.0, cpu_ms);
    let idle = of_daemon();
    pass(window).await;
    let idle = of_daemon() - idle;
    let (own, busy) = (cpu_ms("self"), of_daemon());
    let recorder = Recorder::start(&engine, &services);
    pass(window).await;
    let timeline = recorder.finish().await;
    let percent = |ms: f64| ms / window.as_secs_f64() / 10.0;
    let own = percent(cpu_ms("self") - own);
    let engines = percent((of_daemon() - busy - idle).max(0.0));
    println!("timeline of ten services: {own:.2} % of a core, and {engines:.2} % in the engine");
    assert!(own < 2.0, "{own} % of a core");
    assert!((6..=8).contains(&timeline.at_ms.len()), "{:?}", timeline.at_ms);
    assert_eq!(timeline.courses.len(), 10);
    for course in &timeline.courses {
        assert_eq!((course.source, &course.unseen), (Source::Cgroup, &None));
        for column in [&course.cpu_ns, &course.memory_bytes, &course.pids, &course.oom_kills] {
            assert_eq!(column.len(), timeline.at_ms.len());
            assert!(column.iter().all(Option::is_some), "{course:?}");
        }
        assert!(course.memory_bytes.iter().all(|bytes| *bytes > Some(4096)));
        assert_eq!(course.statuses[0].1, "running");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_checks_are_timed_and_the_end_of_a_container_is_seen() {
    let healthy = ["--health-cmd", "/probe euid", "--health-interval=500ms"];
    // The image has no shell, so the check fails; that it ran and how long it took is what counts.
    let several = Several::start(1, &healthy);
    let engine = engine().await;
    let recorder = Recorder::start(&engine, &several.inspect(&engine).await);
    pass(Duration::from_secs(4)).await;
    docker(&["kill", &several.names[0]]);
    pass(Duration::from_secs(2)).await;
    let Timeline { at_ms, courses, .. } = recorder.finish().await;
    let course = &courses[0];
    assert!(course.health.at_ms.len() >= 3, "{course:?}");
    assert!(course.health.at_ms.is_sorted());
    assert!(course.health.took_ms.iter().all(|took| (1..5000).contains(took)), "{course:?}");
    assert!(course.health.exit_code.iter().all(|code| *code != 0), "{course:?}");
    assert_eq!(course.statuses[0].1, "starting");
    assert_eq!(course.pids.len(), at_ms.len());
    assert!(course.pids[0].is_some());
    assert_eq!(course.pids.last(), Some(&None));
    let why = course.unseen.as_deref().unwrap();
    assert!(why.contains("it does not run"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_cgroup_cannot_be_seen_the_engine_is_asked_and_says_the_same() {
    let several = Several::start(1, &[]);
    let engine = engine().await;
    let mut services = several.inspect(&engine).await;
    let name = several.names[0].clone();
    let by_cgroup = Gauge::of(&engine, &services[&name][0]).read().await.unwrap();
    // The engine's host is another machine, on which that pid is the container's.
    services.get_mut(&name).unwrap()[0].state.pid = Some(std::process::id().into());
    let gauge = Gauge::of(&engine, &services[&name][0]);
    assert_eq!(gauge.source(), Source::Engine);
    let by_engine = gauge.read().await.unwrap();
    assert_eq!(by_engine.pids, by_cgroup.pids);
    assert!(by_engine.cpu_ns >= by_cgroup.cpu_ns && by_cgroup.cpu_ns > Some(0));
    assert!(by_engine.memory_bytes > Some(4096), "{by_engine:?}");
    assert_eq!(by_engine.oom_kills, None, "the engine does not count them");
    docker(&["kill", &name]);
    assert!(gauge.read().await.is_err(), "of what does not run nothing is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_is_not_there_says_so() {
    let several = Several::start(1, &[]);
    let engine = engine().await;
    let services = several.inspect(&engine).await;
    drop(several);
    let timeline = Recorder::start(&engine, &services).finish().await;
    let course = &timeline.courses[0];
    assert!(course.cpu_ns.is_empty() && course.statuses.is_empty());
    assert!(course.unseen.as_deref().unwrap().contains("No such container"), "{course:?}");
}
