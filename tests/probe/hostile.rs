//! A container whose own processes try to speak for the probe.

use std::time::Duration;

use rstest::rstest;
use stackproof::probe::Question;

use super::lab::{Lab, USER, docker, line_of_log};

/// Waits for every process that appears, as the same user, and counts what it may do to it.
const TRACER: &str = r#"
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
own = os.getpid()
tried = won = 0
def attempt(pid):
    # PTRACE_SEIZE, then what ptrace(2) access gives: memory, descriptors, the program itself.
    got = []
    if libc.ptrace(0x4206, pid, None, None) == 0: got.append("ptrace")
    for name in ("mem", "environ", "fd", "exe"):
        path = f"/proc/{pid}/{name}"
        try:
            if name == "fd": os.listdir(path)
            elif name == "exe": os.readlink(path)
            else: os.close(os.open(path, os.O_RDONLY))
            got.append(name)
        except OSError: pass
    return got
import socket
full = socket.socket(); full.bind(("127.0.0.1", 9001)); full.listen(0)
waiting = [socket.socket() for _ in range(3)]
for one in waiting: one.setblocking(False); one.connect_ex(("127.0.0.1", 9001))
print("ready")
seen = {own}
while True:
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in seen: continue
        pid = int(name)
        try: words = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")
        except OSError: continue
        if b"ask" not in words and b"lend" not in words: continue
        seen.add(pid)
        word = "ask" if b"ask" in words else "lend"
        for _ in range(200):
            got = attempt(pid)
            if got or not os.path.exists(f"/proc/{pid}"): break
        print(word, *got, flush=True)
"#;

#[tokio::test]
async fn a_process_of_the_same_user_can_do_nothing_to_the_probe() {
    let lab = Lab::new().await;
    let target = lab.python(&["--user", "1234:1234", "--cap-drop", "ALL"], TRACER).await;
    // Long enough that the tracer sees it: that listener accepts nobody.
    let tcp = Question::Tcp {
        wait: Duration::from_millis(700),
        targets: vec!["127.0.0.1:9001".to_owned()],
    };
    for _ in 0..3 {
        let asked = [Question::Mounts, tcp.clone(), Question::Processes];
        assert!(lab.ask(&target, USER, &asked).await.is_ok());
    }
    let said = docker(&["logs", &target.id]);
    let asks: Vec<&str> = said.lines().filter(|line| line.starts_with("ask")).collect();
    assert!(!asks.is_empty(), "the tracer saw no probe: {said}");
    assert!(asks.iter().all(|line| *line == "ask"), "the probe was open to: {said}");
}

/// Takes the lender over and makes it execute another program.
const USURPER: &str = r#"
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
class Registers(ctypes.Structure):
    _fields_ = [(n, ctypes.c_ulonglong) for n in
        "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs".split()]
SEIZE, INTERRUPT, GETREGS, SETREGS, POKE, SINGLESTEP, CONT = 0x4206, 0x4207, 12, 13, 5, 9, 7
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long
def take(pid):
    if libc.ptrace(SEIZE, pid, None, None) != 0: return False
    libc.ptrace(INTERRUPT, pid, None, None); os.waitpid(pid, 0x40000000)
    r = Registers(); libc.ptrace(GETREGS, pid, None, ctypes.byref(r))
    place = r.rsp - 4096
    path = b"/usr/bin/env\0\0\0\0"
    for i in range(0, len(path), 8):
        libc.ptrace(POKE, pid, place + i, int.from_bytes(path[i:i+8], "little"))
    # The instruction before the one that it waits at is the system call that it waits in.
    before = Registers.from_buffer_copy(r)
    r.rip -= 2; r.rax = 59; r.rdi = place; r.rsi = 0; r.rdx = 0; r.orig_rax = 2**64 - 1
    libc.ptrace(SETREGS, pid, None, ctypes.byref(r))
    libc.ptrace(SINGLESTEP, pid, None, None); os.waitpid(pid, 0x40000000)
    after = Registers(); libc.ptrace(GETREGS, pid, None, ctypes.byref(after))
    error = 2**64 - after.rax
    print("taken", error if error < 4096 else "executed", os.readlink(f"/proc/{pid}/exe"), flush=True)
    # It goes on waiting as if nothing had been.
    libc.ptrace(SETREGS, pid, None, ctypes.byref(before)); libc.ptrace(CONT, pid, None, None)
    return True
print("ready")
done = False
while not done:
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid(): continue
        try: words = open(f"/proc/{name}/cmdline", "rb").read().split(b"\0")
        except OSError: continue
        if b"lend" in words and take(int(name)): done = True
import signal; signal.pause()
"#;

#[cfg(target_arch = "x86_64")]
#[tokio::test]
async fn a_process_that_traces_the_lender_cannot_make_it_lend_another_program() {
    let lab = Lab::new().await;
    let options = ["--user", "1234:1234", "--cap-drop", "ALL"];
    let target = lab.python(&options, USURPER).await;
    let lender = lab.kit.lend(&target, USER).await.unwrap();
    let taken = line_of_log(&target.id, 1);
    // The system call was made, and came to EPERM.
    assert_eq!(taken, "taken 1 /probe");
    let user = USER.to_string();
    let asked = [Question::Processes];
    let reply = lab.kit.ask(&lender, Some(&user), &asked, Duration::from_secs(10)).await;
    assert!(reply.is_ok(), "{reply:?}");
}

#[rstest]
#[case::as_an_ordinary_user("1234:1234")]
#[case::as_root_without_capabilities("0:0")]
#[tokio::test]
async fn the_probe_is_lent_to_a_read_only_container_without_capabilities(#[case] user: &str) {
    let lab = Lab::new().await;
    let options =
        ["--user", user, "--cap-drop", "ALL", "--read-only", "--security-opt", "no-new-privileges"];
    let target = lab.python(&options, "print('ready')\nimport signal; signal.pause()").await;
    let (uid, gid) = user.split_once(':').unwrap();
    let identity = stackproof::observe::account::Identity {
        uid: uid.parse().unwrap(),
        gid: gid.parse().unwrap(),
    };
    let reply = lab.ask(&target, identity, &[Question::Processes]).await.unwrap();
    assert_eq!(reply.processes().unwrap().of_service().unwrap().len(), 1);
}

#[tokio::test]
async fn a_probe_that_is_killed_half_way_gives_no_reply() {
    let lab = Lab::new().await;
    let program = "
import socket
s = socket.socket(); s.bind(('127.0.0.1', 9001)); s.listen(0)
full = [socket.socket() for _ in range(3)]
for one in full: one.setblocking(False); one.connect_ex(('127.0.0.1', 9001))
print('ready')
import signal; signal.pause()";
    let target = lab.python(&[], program).await;
    let lender = lab.kit.lend(&target, USER).await.unwrap();
    let tcp =
        Question::Tcp { wait: Duration::from_secs(20), targets: vec!["127.0.0.1:9001".to_owned()] };
    // The probe ends itself two seconds after its time, and that listener makes it wait longer.
    let asked = [Question::Mounts, tcp];
    let user = USER.to_string();
    let why = lab.kit.ask(&lender, Some(&user), &asked, Duration::ZERO).await.unwrap_err();
    assert!(why.contains("breaks off after 2 lines"), "{why}");
    assert!(why.contains("exited with 142"), "{why}");
}
