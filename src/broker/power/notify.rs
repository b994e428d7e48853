//! The kernel's side: a filter on a program that stops it in some system calls, and the descriptor by which another process lets it
//! go on (`seccomp_unotify(2)`). Needs no privilege, and no new one can be gained by the program.

use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use libc::{c_long, c_ulong, sock_filter, sock_fprog};
use rustix::io::Errno;

use super::calls::{filter, is_supported};

/// A call in which the program waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stopped {
    id: u64,
    /// The thread that waits.
    pub(super) thread: u32,
    /// Number of the call.
    pub(super) number: c_long,
    pub(super) args: [u64; 6],
}

/// The end at which stopped calls arrive.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

/// The filter in the form that the kernel takes.
pub(super) fn prepared() -> io::Result<Vec<sock_filter>> {
    if !is_supported() {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the filter of system calls is for x86_64 and aarch64 only",
        ));
    }
    Ok(filter().into_iter().map(|(code, jt, jf, k)| sock_filter { code, jt, jf, k }).collect())
}

/// Puts the filter on this thread and all that it starts, for good; returns the listener. Allocates nothing, so that it can be
/// called between `fork` and `exec`.
#[expect(unsafe_code, reason = "no crate of ours has this system call")]
pub(super) fn install(filter: &mut [sock_filter]) -> io::Result<OwnedFd> {
    rustix::thread::set_no_new_privs(true)?;
    let program =
        sock_fprog { len: u16::try_from(filter.len()).unwrap_or(u16::MAX), filter: filter.as_mut_ptr() };
    let set = |flags: c_ulong| {
        // SAFETY: the program points to a filter of that length, which the kernel copies.
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) }
    };
    // Without the second flag (Linux before 5.19) a signal makes the program ask again, which costs only time.
    let mut made = set(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if made < 0 && Errno::from_io_error(&io::Error::last_os_error()) == Some(Errno::INVAL) {
        made = set(libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    }
    match i32::try_from(made) {
        // SAFETY: the kernel has just opened it, and nothing else owns it.
        Ok(number) if number >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(number) }),
        _ => Err(io::Error::last_os_error()),
    }
}

impl Listener {
    pub(super) const fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    pub(super) const fn descriptor(&self) -> &OwnedFd {
        &self.0
    }

    /// Takes a stopped call; `None` if its program does not wait in it any more.
    pub(super) fn receive(&self) -> io::Result<Option<Stopped>> {
        let data = libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] };
        let mut call = libc::seccomp_notif { id: 0, pid: 0, flags: 0, data };
        match self.control(libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) {
            Ok(()) => Ok(Some(Stopped {
                id: call.id,
                thread: call.pid,
                number: call.data.nr.into(),
                args: call.data.args,
            })),
            Err(Errno::NOENT | Errno::INTR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Does the thread still wait in this call? Only then do the facts read by its number belong to it.
    pub(super) fn waits(&self, call: &Stopped) -> bool {
        let mut id = call.id;
        self.control(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id).is_ok()
    }

    /// Lets the kernel carry out the call.
    pub(super) fn go_on(&self, call: &Stopped) -> io::Result<()> {
        let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(1);
        let mut answer = libc::seccomp_notif_resp { id: call.id, val: 0, error: 0, flags };
        match self.control(libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) {
            // It was killed or interrupted.
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    #[expect(unsafe_code, reason = "no crate of ours has these requests")]
    fn control<T>(&self, request: libc::Ioctl, argument: *mut T) -> Result<(), Errno> {
        // SAFETY: each caller passes a pointer to the type that the request reads and writes.
        let done = unsafe { libc::ioctl(self.0.as_raw_fd(), request, argument) };
        if done >= 0 {
            return Ok(());
        }
        Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
    }
}
