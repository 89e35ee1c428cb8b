//! The generator against servers in this process that answer, stall, fail and hang up.

use std::future::pending;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::*;

/// How a server answers a request: what it sends, and how long it takes for it. None hangs up.
type Answer = fn(u64) -> Option<(Duration, &'static str)>;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
const UNTIL_CLOSED: &str = "HTTP/1.0 200 OK\r\n\r\nok";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";

/// Reads a request; not if the client hangs up before its end.
async fn is_asked(stream: &mut TcpStream) -> bool {
    let mut asked = Vec::new();
    let mut some = [0; 1024];
    while !asked.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut some).await.unwrap_or(0);
        if read == 0 {
            return false;
        }
        asked.extend_from_slice(&some[..read]);
    }
    assert!(asked.starts_with(b"GET /path HTTP/1.1\r\nhost: web:80\r\n"), "{asked:?}");
    true
}

/// A server that works on at most `at_once` requests, which are numbered as they come.
async fn server(at_once: usize, answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(at_once));
        let count = Arc::new(AtomicU64::new(0));
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (places, count) = (places.clone(), count.clone());
            tokio::spawn(async move {
                if !is_asked(&mut stream).await {
                    return;
                }
                let _place = places.acquire().await.unwrap();
                let number = count.fetch_add(1, Ordering::Relaxed);
                let Some((after, text)) = answer(number) else { return };
                let _ = tokio::time::timeout(after, pending::<()>()).await;
                let _ = stream.write_all(text.as_bytes()).await;
            });
        }
    });
    address
}

fn plan(target: SocketAddr, rate: f64, requests: u64, connections: u32) -> Plan {
    let (host, path) = ("web:80".to_owned(), "/path".to_owned());
    Plan { target, host, path, rate, requests, connections }
}

async fn run(answer: Answer, at_once: usize) -> Answered {
    let target = server(at_once, answer).await;
    plan(target, 200.0, 200, 10).run().await.unwrap()
}

#[rstest::rstest]
#[case::with_a_length(|_| Some((Duration::ZERO, OK)))]
#[case::in_chunks(|_| Some((Duration::ZERO, CHUNKED)))]
#[case::until_closed(|_| Some((Duration::ZERO, UNTIL_CLOSED)))]
#[tokio::test(flavor = "multi_thread")]
async fn every_request_is_sent_at_its_time_and_counted(#[case] answer: Answer) {
    let seen = run(answer, 100).await;
    assert_eq!((seen.answered, seen.failed()), (200, 0), "{seen:?}");
    assert!(seen.took_ms >= 990, "{seen:?}");
    assert!(seen.latency.max_us >= seen.latency.p99_us, "{seen:?}");
    assert!(seen.latency.p99_us >= seen.latency.p50_us && seen.latency.p50_us > 0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stall_counts_for_every_request_that_was_due_in_it() {
    // One request in 200 takes half a second, and while it does nothing else is answered. A client
    // that waits would see one slow answer, and a p95 of next to nothing.
    let stall: Answer = |number| {
        let slow = number == 100;
        Some((if slow { Duration::from_millis(500) } else { Duration::ZERO }, OK))
    };
    let seen = run(stall, 1).await;
    assert_eq!(seen.answered, 200, "{seen:?}");
    assert!(seen.latency.max_us >= 450_000, "{seen:?}");
    // A hundred requests were due in that half second, so a quarter of all waited for 250 ms.
    assert!(seen.latency.p95_us >= 300_000, "{seen:?}");
    assert!(seen.sent_late_us >= 200_000, "ten connections were waiting: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_too_slow_for_the_rate_falls_behind() {
    // Ten connections that take a tenth of a second each are 100 answers a second, of 200 asked.
    let slow: Answer = |_| Some((Duration::from_millis(100), OK));
    let seen = run(slow, 100).await;
    assert_eq!(seen.answered, 200, "{seen:?}");
    assert!(seen.took_ms >= 1900, "{seen:?}");
    assert!(seen.latency.p95_us >= 700_000, "{seen:?}");
    assert!(seen.own_cores < 0.8, "the generator itself has little to do: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_error_is_counted() {
    let failing: Answer = |number| match number % 4 {
        0 => Some((Duration::ZERO, BUSY)),
        1 => None,
        2 => Some((Duration::ZERO, "what?\r\n\r\n")),
        _ => Some((Duration::ZERO, OK)),
    };
    let seen = run(failing, 100).await;
    assert_eq!((seen.answered, seen.failed()), (50, 150), "{seen:?}");
    assert_eq!(seen.errors.get("status 503"), Some(&50), "{seen:?}");
    assert!(seen.errors.keys().any(|what| what.contains("connection closed")), "{seen:?}");
    assert!(seen.errors.keys().any(|what| what.contains("invalid HTTP")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_listens_every_request_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    drop(listener);
    let plan = plan(target, 1000.0, 100, 2);
    let error = plan.try_once(Duration::from_secs(5)).await.unwrap_err();
    assert!(error.contains("no connection: Connection refused"), "{error}");
    let seen = plan.run().await.unwrap();
    assert_eq!((seen.answered, seen.failed()), (0, 100), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_says_nothing_gives_no_first_answer() {
    let target = server(1, |_| Some((Duration::from_secs(3600), OK))).await;
    let error = plan(target, 1.0, 1, 1).try_once(Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(error, "no answer within 0 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(is_asked(&mut stream).await);
        let head = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while head.is_ok() && stream.write_all(&[b'x'; 1 << 16]).await.is_ok() {}
    });
    let error = plan(target, 1.0, 1, 1).try_once(Duration::from_secs(20)).await.unwrap_err();
    assert_eq!(error, "an answer of more than 8 MiB");
}

/// The one thread that there is works without a pause, so nothing is done at its time.
#[tokio::test(flavor = "current_thread")]
async fn a_machine_that_cannot_keep_the_times_says_so_of_itself() {
    let target = server(100, |_| Some((Duration::ZERO, OK))).await;
    let busy = tokio::spawn(async {
        loop {
            let since = std::time::Instant::now();
            while since.elapsed() < Duration::from_millis(30) {
                std::hint::spin_loop();
            }
            tokio::task::yield_now().await;
        }
    });
    let seen = plan(target, 100.0, 100, 10).run().await.unwrap();
    busy.abort();
    assert!(seen.own_delay_us > 10_000, "{seen:?}");
}
