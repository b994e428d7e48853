//! The system calls that make data durable: which of them are stopped, and what each of them means. Pure.

use libc::c_long;

/// Classic BPF: load a word of the call, compare it, return.
const LOAD: u16 = 0x20;
const IS: u16 = 0x15;
const HAS: u16 = 0x45;
const RETURN: u16 = 0x06;

/// Offsets in the kernel's description of a call, of which both architectures keep the low half of an argument first.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

const ALLOW: u32 = 0x7fff_0000;
const NOTIFY: u32 = 0x7fc0_0000;
const ERROR: u32 = 0x0005_0000;
/// `EOPNOTSUPP` and `ENOSYS`.
const NOT_SUPPORTED: u32 = 0x5f;
const NOT_THERE: u32 = 0x26;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xc000_00b7;
/// Elsewhere the filter is refused (see [`is_supported`]).
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const NATIVE: u32 = 0;

/// Part of both `O_SYNC` and `O_DSYNC`.
const SYNCHRONOUS: u32 = 0x1000;
/// `MS_SYNC`.
const MAP_SYNC: u32 = 4;
/// `RWF_DSYNC` and `RWF_SYNC`.
const WRITE_SYNC: u32 = 0x2 | 0x4;

/// What a program asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// The file that has this number in the program is to be on the disk.
    Sync(u64),
    /// Everything is to be on the disk.
    SyncAll,
    /// The file that is mapped there is to be on the disk, from this address on for this length.
    SyncMap(u64, u64),
    /// A file is opened, each write to which is to be on the disk: number of its directory, and address of its path.
    Open(u64, u64),
    /// The same, if the flags at the last address say so.
    OpenHow(u64, u64, u64),
    /// A file gets another name.
    Rename,
}

/// Is there a filter for this machine?
pub(super) const fn is_supported() -> bool {
    NATIVE != 0 && cfg!(target_endian = "little")
}

/// What a call means, by its arguments.
type Meaning = fn([u64; 6]) -> Call;

/// Calls that are stopped whatever their arguments.
const ALWAYS: &[(c_long, Meaning)] = &[
    (libc::SYS_fsync, |args| Call::Sync(args[0])),
    (libc::SYS_fdatasync, |args| Call::Sync(args[0])),
    (libc::SYS_sync, |_| Call::SyncAll),
    (libc::SYS_syncfs, |_| Call::SyncAll),
    (libc::SYS_openat2, |args| Call::OpenHow(args[0], args[1], args[2])),
    (libc::SYS_renameat, |_| Call::Rename),
    (libc::SYS_renameat2, |_| Call::Rename),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, |_| Call::Rename),
];

/// A call that is stopped if an argument has one of these bits.
struct Conditional {
    number: c_long,
    argument: u32,
    bits: u32,
    then: u32,
    means: Option<fn([u64; 6]) -> Call>,
}

const CONDITIONAL: &[Conditional] = &[
    Conditional {
        number: libc::SYS_openat,
        argument: 2,
        bits: SYNCHRONOUS,
        then: NOTIFY,
        means: Some(|args| Call::Open(args[0], args[1])),
    },
    #[cfg(target_arch = "x86_64")]
    Conditional {
        number: libc::SYS_open,
        argument: 1,
        bits: SYNCHRONOUS,
        then: NOTIFY,
        means: Some(|args| Call::Open(AT_CWD, args[0])),
    },
    Conditional {
        number: libc::SYS_msync,
        argument: 2,
        bits: MAP_SYNC,
        then: NOTIFY,
        means: Some(|args| Call::SyncMap(args[0], args[1])),
    },
    // A program that asks for a synchronous write takes a sync after it instead.
    Conditional {
        number: libc::SYS_pwritev2,
        argument: 5,
        bits: WRITE_SYNC,
        then: ERROR | NOT_SUPPORTED,
        means: None,
    },
];

/// The working directory instead of a number, in the low half of an argument.
const AT_CWD: u64 = 0xffff_ff9c;

/// Means a call that a ring would carry out unseen; a program without it takes the usual calls.
const RING: (c_long, u32) = (libc::SYS_io_uring_setup, ERROR | NOT_THERE);

/// One instruction: code, jump if true, jump if false, operand.
pub(super) type Instruction = (u16, u8, u8, u32);

/// The filter: stops the calls above, refuses rings, and lets everything else run.
pub(super) fn filter() -> Vec<Instruction> {
    let number = |number: c_long| u32::try_from(number).unwrap_or(u32::MAX);
    let mut program = vec![
        (LOAD, 0, 0, ARCHITECTURE),
        (IS, 1, 0, NATIVE),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, NUMBER),
        (IS, 0, 1, number(RING.0)),
        (RETURN, 0, 0, RING.1),
    ];
    for (call, _) in ALWAYS {
        program.extend([(IS, 0, 1, number(*call)), (RETURN, 0, 0, NOTIFY)]);
    }
    for Conditional { number: call, argument, bits, then, .. } in CONDITIONAL {
        program.extend([
            (IS, 0, 4, number(*call)),
            (LOAD, 0, 0, ARGUMENTS + 8 * argument),
            (HAS, 0, 1, *bits),
            (RETURN, 0, 0, *then),
            (RETURN, 0, 0, ALLOW),
        ]);
    }
    program.push((RETURN, 0, 0, ALLOW));
    program
}

/// What a stopped call means.
pub(super) fn meaning(number: c_long, args: [u64; 6]) -> Option<Call> {
    let always = ALWAYS.iter().find(|(call, _)| *call == number).map(|(_, means)| means(args));
    let conditional = || CONDITIONAL.iter().find(|of| of.number == number)?.means.map(|means| means(args));
    always.or_else(conditional)
}

/// Is it the working directory, and not a number?
pub(super) const fn is_working_directory(directory: u64) -> bool {
    directory & 0xffff_ffff == AT_CWD
}

/// Do the flags of an open make each write synchronous?
pub(super) const fn is_synchronous(flags: u64) -> bool {
    flags & 0x1000 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel does.
    fn run(architecture: u32, number: c_long, args: [u64; 6]) -> u32 {
        let (program, mut at, mut word) = (filter(), 0, 0);
        loop {
            let (code, yes, no, k) = program[at];
            at += 1;
            match code {
                LOAD if k == NUMBER => word = u32::try_from(number).unwrap(),
                LOAD if k == ARCHITECTURE => word = architecture,
                LOAD => {
                    let args = args[usize::try_from((k - ARGUMENTS) / 8).unwrap()];
                    word = u32::try_from(args & 0xffff_ffff).unwrap();
                }
                IS => at += usize::from(if word == k { yes } else { no }),
                HAS => at += usize::from(if word & k != 0 { yes } else { no }),
                RETURN => return k,
                other => panic!("no such instruction: {other}"),
            }
        }
    }

    #[test]
    fn what_makes_data_durable_is_stopped_and_nothing_else() {
        let of = |number, args| run(NATIVE, number, args);
        for (call, _) in ALWAYS {
            assert_eq!(of(*call, [0; 6]), NOTIFY, "{call}");
            assert_eq!(run(1, *call, [0; 6]), ALLOW, "a program of another architecture");
        }
        for call in [libc::SYS_write, libc::SYS_pwrite64, libc::SYS_read, libc::SYS_futex, libc::SYS_execve] {
            assert_eq!(of(call, [u64::MAX; 6]), ALLOW, "{call}");
        }
        for flags in [libc::O_SYNC, libc::O_DSYNC, libc::O_SYNC | libc::O_CREAT | libc::O_WRONLY] {
            let flags = u64::try_from(flags).unwrap();
            assert_eq!(of(libc::SYS_openat, [0, 0, flags, 0, 0, 0]), NOTIFY);
            assert!(is_synchronous(flags));
        }
        let plain = u64::try_from(libc::O_CREAT | libc::O_RDWR | libc::O_TRUNC | libc::O_CLOEXEC).unwrap();
        assert_eq!(of(libc::SYS_openat, [0, 0, plain, u64::MAX, 0, 0]), ALLOW);
        assert!(!is_synchronous(plain));
        assert_eq!(of(libc::SYS_msync, [0, 0, 4, 0, 0, 0]), NOTIFY);
        assert_eq!(of(libc::SYS_msync, [0, 0, 1, 0, 0, 0]), ALLOW, "only a hint");
        assert_eq!(of(libc::SYS_pwritev2, [0, 0, 0, 0, 0, 2]), ERROR | NOT_SUPPORTED);
        assert_eq!(of(libc::SYS_pwritev2, [0, 0, 0, 0, 0, 0]), ALLOW);
        assert_eq!(of(libc::SYS_io_uring_setup, [0; 6]), ERROR | NOT_THERE);
    }

    #[test]
    fn a_call_means_what_its_arguments_say() {
        let args = [1, 2, 3, 4, 5, 6];
        assert_eq!(meaning(libc::SYS_fsync, args), Some(Call::Sync(1)));
        assert_eq!(meaning(libc::SYS_sync, args), Some(Call::SyncAll));
        assert_eq!(meaning(libc::SYS_msync, args), Some(Call::SyncMap(1, 2)));
        assert_eq!(meaning(libc::SYS_openat, args), Some(Call::Open(1, 2)));
        assert_eq!(meaning(libc::SYS_openat2, args), Some(Call::OpenHow(1, 2, 3)));
        assert_eq!(meaning(libc::SYS_renameat, args), Some(Call::Rename));
        assert_eq!(meaning(libc::SYS_write, args), None);
    }
}
