//! The few system calls that the standard library does not offer.

use std::ffi::CString;
use std::os::fd::FromRawFd;
use std::os::raw::{c_char, c_int, c_long, c_uint, c_ulong, c_void};

unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
    #[link_name = "alarm"]
    fn libc_alarm(seconds: c_uint) -> c_uint;
    #[link_name = "kill"]
    fn libc_kill(pid: c_int, signal: c_int) -> c_int;
    #[link_name = "fork"]
    fn libc_fork() -> c_int;
    #[link_name = "_exit"]
    fn libc_exit(code: c_int) -> !;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    #[link_name = "syscall"]
    fn libc_syscall(number: c_long, ...) -> c_long;
    #[link_name = "statfs"]
    fn libc_statfs(path: *const c_char, buffer: *mut c_void) -> c_int;
    #[link_name = "poll"]
    fn libc_poll(fds: *mut PollFd, count: c_ulong, timeout: c_int) -> c_int;
    #[link_name = "signal"]
    fn libc_signal(signal: c_int, handler: usize) -> usize;
    fn pipe(fds: *mut c_int) -> c_int;
    fn dup2(from: c_int, to: c_int) -> c_int;
    fn close(fd: c_int) -> c_int;
    fn read(fd: c_int, buffer: *mut c_void, count: usize) -> isize;
    fn execv(path: *const c_char, argv: *const *const c_char) -> c_int;
    #[link_name = "mmap"]
    fn libc_mmap(
        address: *mut c_void,
        length: usize,
        protection: c_int,
        flags: c_int,
        fd: c_int,
        offset: i64,
    ) -> *mut c_void;
}

const PR_SET_DUMPABLE: c_int = 4;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const PR_GET_NO_NEW_PRIVS: c_int = 39;

/// One entry of poll(2).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PollFd {
    pub fd: c_int,
    pub events: i16,
    pub revents: i16,
}

/// prctl(2), `PR_SET_DUMPABLE`.
pub fn set_dumpable(dumpable: bool) -> Result<(), String> {
    // SAFETY: takes one integer and touches no memory of ours.
    let result = unsafe { prctl(PR_SET_DUMPABLE, c_ulong::from(dumpable), 0, 0, 0) };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// prctl(2), `PR_GET_NO_NEW_PRIVS`.
pub fn no_new_privileges() -> i64 {
    // SAFETY: takes zeroes and touches no memory of ours.
    i64::from(unsafe { prctl(PR_GET_NO_NEW_PRIVS, 0 as c_ulong, 0, 0, 0) })
}

/// prctl(2), `PR_SET_NO_NEW_PRIVS`.
pub fn set_no_new_privileges() -> Result<(), String> {
    // SAFETY: takes integers and touches no memory of ours.
    let result = unsafe { prctl(PR_SET_NO_NEW_PRIVS, 1 as c_ulong, 0, 0, 0) };
    if result == 0 { Ok(()) } else { Err(last_error()) }
}

/// alarm(2): SIGALRM, which ends the program, after so many seconds.
pub fn alarm(seconds: u64) {
    // SAFETY: takes one integer and touches no memory of ours.
    unsafe { libc_alarm(seconds.min(3600) as c_uint) };
}

/// Ends the program on a signal; init would ignore it otherwise.
pub fn exit_on(signal: c_int) {
    extern "C" fn handler(_: c_int) {
        leave();
    }
    on_signal(signal, handler);
}

/// signal(2) with a handler, which may only do what signal-safety(7) allows.
pub fn on_signal(signal: c_int, handler: extern "C" fn(c_int)) {
    // SAFETY: the handlers of this program call kill and _exit and touch atomics, no more.
    unsafe { libc_signal(signal, handler as usize) };
}

/// _exit(2) with success.
pub fn leave() -> ! {
    // SAFETY: ends the program and touches no memory of ours.
    unsafe { libc_exit(0) }
}

/// kill(2) without naming the error, for signal handlers.
pub fn kill_quietly(pid: i32, signal: i32) -> bool {
    // SAFETY: takes two integers and touches no memory of ours.
    unsafe { libc_kill(pid, signal) == 0 }
}

/// signal(2) with `SIG_IGN`.
pub fn ignore(signal: c_int) {
    // SAFETY: 1 is SIG_IGN.
    unsafe { libc_signal(signal, 1) };
}

/// kill(2).
pub fn kill(pid: i32, signal: i32) -> Result<(), String> {
    // SAFETY: takes two integers and touches no memory of ours.
    if unsafe { libc_kill(pid, signal) } == 0 { Ok(()) } else { Err(last_error()) }
}

/// poll(2), in milliseconds.
pub fn poll(fds: &mut [PollFd], timeout: i32) -> i32 {
    // SAFETY: the slice is as long as we say.
    unsafe { libc_poll(fds.as_mut_ptr(), fds.len() as c_ulong, timeout) }
}

/// syscall(2) with up to six arguments; the result or the errno.
pub fn syscall(number: i64, arguments: [usize; 6]) -> Result<i64, i32> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the callers pass arguments that the kernel refuses.
    let result = unsafe { libc_syscall(number as c_long, a, b, c, d, e, f) };
    if result == -1 { Err(errno()) } else { Ok(result as i64) }
}

/// The magic number of the file system at a path: statfs(2), `f_type`.
pub fn file_system(path: &str) -> Result<i64, String> {
    let path = CString::new(path).map_err(|_| "the path holds a zero byte".to_owned())?;
    // struct statfs is 120 bytes on 64-bit systems, and f_type its first word.
    let mut buffer = [0_i64; 32];
    // SAFETY: the buffer is larger than the struct.
    if unsafe { libc_statfs(path.as_ptr(), buffer.as_mut_ptr().cast()) } == 0 {
        Ok(buffer[0])
    } else {
        Err(last_error())
    }
}

/// The size and the free space of the file system at a path in bytes: statfs(2).
pub fn size_of_file_system(path: &str) -> Result<(u64, u64), String> {
    let path = CString::new(path).map_err(|_| "the path holds a zero byte".to_owned())?;
    // struct statfs on 64-bit systems: f_type, f_bsize, f_blocks, f_bfree, f_bavail, …
    let mut buffer = [0_i64; 32];
    // SAFETY: the buffer is larger than the struct.
    if unsafe { libc_statfs(path.as_ptr(), buffer.as_mut_ptr().cast()) } != 0 {
        return Err(last_error());
    }
    let bytes = |blocks: i64| (blocks as u64).saturating_mul(buffer[1] as u64);
    Ok((bytes(buffer[2]), bytes(buffer[4])))
}

/// Runs `work` in a forked child and gives its exit code, or the signal that killed it plus 256.
pub fn in_child(work: impl FnOnce() -> i32) -> Result<i32, String> {
    // SAFETY: the program has one thread wherever this is called.
    let pid = unsafe { libc_fork() };
    if pid < 0 {
        return Err(last_error());
    }
    if pid == 0 {
        let code = work();
        // SAFETY: ends the child without running what belongs to the parent.
        unsafe { libc_exit(code) }
    }
    let mut status = 0;
    // SAFETY: the status is ours.
    if unsafe { waitpid(pid, &mut status, 0) } != pid {
        return Err(last_error());
    }
    let signal = status & 0x7f;
    Ok(if signal == 0 { (status >> 8) & 0xff } else { 256 + signal })
}

/// Forks a child that sleeps until it is killed, and that the kernel kills when we end: prctl(2),
/// `PR_SET_PDEATHSIG`.
pub fn sleeping_child() -> Result<i32, String> {
    const PR_SET_PDEATHSIG: c_int = 1;
    const SIGKILL: c_ulong = 9;
    let parent = std::process::id();
    // SAFETY: the program has one thread wherever this is called.
    let pid = unsafe { libc_fork() };
    if pid < 0 {
        return Err(last_error());
    }
    if pid > 0 {
        return Ok(pid);
    }
    // SAFETY: takes integers and touches no memory of ours.
    let bound = unsafe { prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) } == 0;
    // A parent that ended before that is no parent any more.
    while bound && std::os::unix::process::parent_id() == parent {
        poll(&mut [], -1);
    }
    leave()
}

/// Waits for a child that was killed: waitpid(2).
pub fn reap(pid: i32) -> bool {
    let mut status = 0;
    // SAFETY: the status is ours.
    unsafe { waitpid(pid, &mut status, 0) == pid }
}

/// Executes a program in a child and gives what it printed, at most 4 KiB.
pub fn output_of(program: &str, argument: &str) -> Result<Vec<u8>, String> {
    let program = CString::new(program).map_err(|_| "a zero byte".to_owned())?;
    let argument = CString::new(argument).map_err(|_| "a zero byte".to_owned())?;
    let mut ends = [0; 2];
    // SAFETY: the array has room for two descriptors.
    if unsafe { pipe(ends.as_mut_ptr()) } != 0 {
        return Err(last_error());
    }
    let code = in_child(|| {
        let argv = [program.as_ptr(), argument.as_ptr(), std::ptr::null()];
        // SAFETY: the strings live until exec, and argv ends with null.
        unsafe {
            dup2(ends[1], 1);
            close(ends[0]);
            close(ends[1]);
            execv(program.as_ptr(), argv.as_ptr());
        }
        errno().min(100) + 100
    });
    let mut printed = [0_u8; 4096];
    // SAFETY: the writing end is closed first, so that reading ends; the buffer is as long as
    // we say.
    let count = unsafe {
        close(ends[1]);
        let count = read(ends[0], printed.as_mut_ptr().cast(), printed.len());
        close(ends[0]);
        count
    };
    match code? {
        0 if count > 0 => Ok(printed[..count as usize].to_vec()),
        code @ 100..=255 => Err(errno_name(code - 100)),
        code => Err(format!("exit {code}")),
    }
}

/// Anonymous private memory: mmap(2).
pub fn memory(bytes: usize) -> Result<&'static mut [u8], String> {
    // PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS.
    // SAFETY: a fresh mapping that nothing else points to, never unmapped.
    let address = unsafe { libc_mmap(std::ptr::null_mut(), bytes, 3, 0x22, -1, 0) };
    if address as isize == -1 {
        return Err(last_error());
    }
    // SAFETY: the mapping is as long as we say and lives as long as the program.
    Ok(unsafe { std::slice::from_raw_parts_mut(address.cast(), bytes) })
}

/// The name of the last error.
pub fn last_error() -> String {
    errno_name(errno())
}

fn errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}

/// The name of the error in a standard library error.
pub fn error_name(error: &std::io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.kind().to_string(), errno_name)
}

/// The name of an errno: errno(3).
pub fn errno_name(errno: i32) -> String {
    let name = match errno {
        1 => "EPERM",
        2 => "ENOENT",
        3 => "ESRCH",
        4 => "EINTR",
        5 => "EIO",
        7 => "E2BIG",
        8 => "ENOEXEC",
        9 => "EBADF",
        10 => "ECHILD",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        14 => "EFAULT",
        16 => "EBUSY",
        17 => "EEXIST",
        18 => "EXDEV",
        19 => "ENODEV",
        20 => "ENOTDIR",
        21 => "EISDIR",
        22 => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        26 => "ETXTBSY",
        28 => "ENOSPC",
        30 => "EROFS",
        36 => "ENAMETOOLONG",
        38 => "ENOSYS",
        40 => "ELOOP",
        90 => "EMSGSIZE",
        91 => "EPROTOTYPE",
        92 => "ENOPROTOOPT",
        93 => "EPROTONOSUPPORT",
        95 => "EOPNOTSUPP",
        97 => "EAFNOSUPPORT",
        99 => "EADDRNOTAVAIL",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        104 => "ECONNRESET",
        107 => "ENOTCONN",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        113 => "EHOSTUNREACH",
        115 => "EINPROGRESS",
        126 => "ENOKEY",
        _ => return format!("errno {errno}"),
    };
    name.to_owned()
}

unsafe extern "C" {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn connect(fd: c_int, address: *const c_void, length: c_uint) -> c_int;
    fn getsockopt(fd: c_int, level: c_int, name: c_int, value: *mut c_void, length: *mut c_uint) -> c_int;
}

/// poll(2): there is something to read.
pub const POLLIN: i16 = 1;
/// poll(2): writable, which is when a connection is made or has failed.
pub const POLLOUT: i16 = 4;
/// The address families of socket(2).
pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;
/// open(2): a descriptor that stands for a place and reads nothing.
pub const O_PATH: c_int = 0o10_000_000;

/// Begins to connect a non-blocking stream socket to the address whose bytes follow its family:
/// connect(2).
pub fn connect_without_waiting(family: u16, address: &[u8]) -> Result<std::fs::File, String> {
    const SOCK_STREAM: c_int = 1;
    const SOCK_NONBLOCK: c_int = 0o4000;
    const SOCK_CLOEXEC: c_int = 0o2_000_000;
    const EINPROGRESS: i32 = 115;
    let name = [family.to_ne_bytes().as_slice(), address].concat();
    // SAFETY: the descriptor is fresh and nobody else's; the address is as long as we say and
    // lives through the call.
    unsafe {
        let fd = socket(c_int::from(family), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(last_error());
        }
        let stream = std::fs::File::from_raw_fd(fd);
        if connect(fd, name.as_ptr().cast(), name.len() as c_uint) != 0 && errno() != EINPROGRESS {
            return Err(last_error());
        }
        Ok(stream)
    }
}

/// Whether a connection that was begun has been made: getsockopt(2), `SO_ERROR`.
pub fn connected(fd: c_int) -> Result<(), String> {
    const SOL_SOCKET: c_int = 1;
    const SO_ERROR: c_int = 4;
    let mut error: c_int = 0;
    let mut length = std::mem::size_of::<c_int>() as c_uint;
    // SAFETY: the value is as long as we say.
    let result = unsafe {
        getsockopt(fd, SOL_SOCKET, SO_ERROR, (&raw mut error).cast(), &mut length)
    };
    if result != 0 {
        Err(last_error())
    } else if error != 0 {
        Err(errno_name(error))
    } else {
        Ok(())
    }
}
