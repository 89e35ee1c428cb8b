//! A /proc that is covered: what rests on what is covered is not answered, and all else is.

use rstest::rstest;
use stackproof::probe::Question;

use super::lab::{Lab, ROOT};

const MOUNT: [&str; 4] = ["--cap-add", "SYS_ADMIN", "--security-opt", "seccomp=unconfined"];

fn asked() -> Vec<Question> {
    vec![
        Question::Processes,
        Question::Environ,
        Question::Descriptors,
        Question::Mounts,
        Question::Cgroup,
        Question::Host,
    ]
}

/// Runs commands of mount(8), and stays.
fn program(commands: &str) -> String {
    format!(
        "import os, signal, subprocess
child = subprocess.Popen(['sleep', 'infinity'])
for command in '''{commands}'''.strip().splitlines():
    subprocess.run(command.replace('CHILD', str(child.pid)), shell=True, check=True)
print('ready'); signal.pause()"
    )
}

#[rstest]
#[case::of_a_process("mount -t tmpfs none /proc/CHILD", true, false)]
#[case::the_status_of_a_process("mount --bind /proc/1/status /proc/CHILD/status", true, false)]
#[case::the_network_of_a_process("mount -t tmpfs none /proc/1/net", true, false)]
#[case::swaps("mount --bind /dev/null /proc/swaps", false, true)]
#[case::meminfo("mount --bind /proc/version /proc/meminfo", false, true)]
#[case::sys("mount -t tmpfs none /proc/sys", false, false)]
#[case::keys_as_the_engine_does("mount -t tmpfs none /proc/fs", false, false)]
#[case::hidepid("mount -o remount,hidepid=2 /proc", true, false)]
#[tokio::test]
async fn what_rests_on_a_covered_part_of_proc_is_not_answered(
    #[case] commands: &str,
    #[case] processes: bool,
    #[case] cgroup: bool,
) {
    let lab = Lab::new().await;
    let target = lab.python(&MOUNT, &program(commands)).await;
    let reply = lab.ask(&target, ROOT, &asked()).await.unwrap();
    assert_eq!(reply.processes().is_err(), processes, "{:?}", reply.processes().err());
    assert_eq!(reply.environ().is_err(), processes);
    assert_eq!(reply.descriptors().is_err(), processes);
    assert_eq!(reply.cgroup().is_err(), cgroup, "{:?}", reply.cgroup().err());
    assert!(reply.mounts().is_ok() && reply.host().is_ok());
}

#[rstest]
#[case::a_tmpfs("mount -t tmpfs none /proc")]
#[case::the_proc_of_another_pid_namespace(
    "mkdir /other && unshare --pid --fork sh -c 'mount -t proc proc /other' && mount --bind /other /proc"
)]
#[tokio::test]
async fn without_the_kernels_own_proc_there_is_no_reply(#[case] commands: &str) {
    let lab = Lab::new().await;
    let target = lab.python(&MOUNT, &program(commands)).await;
    assert!(lab.ask(&target, ROOT, &asked()).await.is_err());
}

#[tokio::test]
async fn the_engines_own_masks_are_no_doubt() {
    let lab = Lab::new().await;
    let target = lab.python(&[], &program("true")).await;
    let reply = lab.ask(&target, ROOT, &asked()).await.unwrap();
    assert_eq!(reply.processes().unwrap().of_service().unwrap().len(), 2);
    assert!(reply.environ().is_ok() && reply.descriptors().is_ok() && reply.cgroup().is_ok());
}
