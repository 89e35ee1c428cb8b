//! Seccomp filters of our own: seccomp(2), struct `sock_filter` and struct `sock_fprog`.

use crate::kernel;

#[cfg(target_arch = "x86_64")]
const SECCOMP: i64 = 317;
#[cfg(target_arch = "aarch64")]
const SECCOMP: i64 = 277;
#[cfg(target_arch = "x86_64")]
const PRCTL: u32 = 157;
#[cfg(target_arch = "aarch64")]
const PRCTL: u32 = 167;
/// `AUDIT_ARCH_X86_64` and `AUDIT_ARCH_AARCH64`.
#[cfg(target_arch = "x86_64")]
const ARCH: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCH: u32 = 0xc000_00b7;

const PR_SET_DUMPABLE: u32 = 4;
const SECCOMP_SET_MODE_FILTER: usize = 1;
const ALLOW: u32 = 0x7fff_0000;
const REFUSE_WITH_EPERM: u32 = 0x0005_0001;
/// Instructions: load a word, compare, return.
const LOAD: u16 = 0x20;
const EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
/// Where struct `seccomp_data` has the number, the architecture and the first argument.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

#[repr(C)]
struct Instruction(u16, u8, u8, u32);
#[repr(C)]
struct Program(u16, *const Instruction);

/// Installs a filter that allows everything, and gives the errno if the kernel does not let us.
pub fn allow_everything() -> Result<(), i32> {
    install(&[Instruction(RETURN, 0, 0, ALLOW)])
}

/// Installs, for good, a filter that allows the calls with these numbers and prctl(2) with
/// `PR_SET_DUMPABLE`.
pub fn allow_only(numbers: &[u32]) -> Result<(), String> {
    let mut program = vec![
        Instruction(LOAD, 0, 0, ARCHITECTURE),
        Instruction(EQUAL, 1, 0, ARCH),
        Instruction(RETURN, 0, 0, REFUSE_WITH_EPERM),
        Instruction(LOAD, 0, 0, NUMBER),
    ];
    for number in numbers {
        program.push(Instruction(EQUAL, 0, 1, *number));
        program.push(Instruction(RETURN, 0, 0, ALLOW));
    }
    program.extend([
        Instruction(EQUAL, 0, 3, PRCTL),
        Instruction(LOAD, 0, 0, FIRST_ARGUMENT),
        Instruction(EQUAL, 0, 1, PR_SET_DUMPABLE),
        Instruction(RETURN, 0, 0, ALLOW),
        Instruction(RETURN, 0, 0, REFUSE_WITH_EPERM),
    ]);
    kernel::set_no_new_privileges()?;
    install(&program).map_err(kernel::errno_name)
}

fn install(instructions: &[Instruction]) -> Result<(), i32> {
    let program = Program(instructions.len() as u16, instructions.as_ptr());
    let address = (&raw const program) as usize;
    kernel::syscall(SECCOMP, [SECCOMP_SET_MODE_FILTER, 0, address, 0, 0, 0]).map(|_| ())
}
