//! Runs a server, and keeps a copy of each of its files as it was when the server last had it synced.
//!
//! The filter stops the server in the calls that make data durable ([`super::calls`]) and nowhere else. At each of them the copy is
//! completed first, and only then does the kernel carry the call out: what the server says after its sync has certainly been kept.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, kill_process, pidfd_open, set_parent_process_death_signal,
};

use super::calls::{Call, is_synchronous, is_working_directory, meaning};
use super::files::{self, Pieces};
use super::notify::{Listener, Stopped, install, prepared};
use super::table::Key;
use super::{COPIES, PID, TABLE, Table};
use crate::num;
use crate::plan::{Ns, Span};

/// Time between two looks at the store for files that are due, as those of the kernel's flusher but oftener.
const FLUSHER: Duration = Duration::from_secs(1);
/// The same where no file becomes due by its age: only deleted ones are forgotten.
const FORGET: Duration = Duration::from_secs(30);
/// The longest path of a file that a program may open, bytes.
const LONGEST_PATH: usize = 4096;

/// How many files that are being opened may not be there yet.
const MOST_OPENING: usize = 256;

/// What a supervisor is to do.
#[derive(Debug, Clone)]
pub struct Watched {
    /// Directory of the files that a loss of power cuts back.
    pub store: PathBuf,
    /// Directory of the copies.
    pub power: PathBuf,
    /// How long after its first change a file is kept without a sync, if it is.
    pub writeback: Option<Span>,
    /// The server and its arguments.
    pub command: Vec<OsString>,
}

/// Runs the server until it ends, and saves the known state of its files. A supervisor that dies takes the server along.
///
/// # Errors
/// When the kernel has no such filter, when the server cannot be started, or when a file cannot be kept: then the server is killed.
pub fn supervise(watched: &Watched) -> io::Result<ExitStatus> {
    let mut keeper = Keeper::begin(watched)?;
    let (mut child, listener) = start(&watched.command)?;
    let served = tell_pid(&watched.power, child.id()).and_then(|()| keeper.serve(&child, &listener));
    if served.is_err() {
        let _ = child.kill();
    }
    let status = child.wait()?;
    served?;
    keeper.save()?;
    Ok(status)
}

/// Ends this process by the signal that has ended the server, as far as it was one; else returns the exit code to end with.
#[must_use]
pub fn end_like(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    if let Some(signal) = status.signal() {
        if let Some(signal) = Signal::from_named_raw(signal) {
            let _ = kill_process(getpid(), signal);
        }
        return 128_u8.saturating_add(u8::try_from(signal).unwrap_or(127));
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Starts the server with the filter, and takes the filter's listener from it.
#[expect(
    unsafe_code,
    reason = "only the child can put the filter on itself, and ask for its own parent-death signal"
)]
fn start(command: &[OsString]) -> io::Result<(Child, Listener)> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| io::Error::other("no program to supervise was named"))?;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let (us, mut filter) = (getpid(), prepared()?);
    let mut command = Command::new(program);
    command.args(arguments);
    let between_fork_and_exec = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(us) {
            return Err(Errno::SRCH.into());
        }
        let listener = install(&mut filter)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = [listener.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&theirs, &[IoSlice::new(b"l")], &mut control, SendFlags::empty())?;
        Ok(())
    };
    // SAFETY: the closure makes system calls that are safe after a fork; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(between_fork_and_exec) };
    let child = command.spawn().map_err(|error| {
        let program = program.to_string_lossy();
        io::Error::new(error.kind(), format!("cannot start {program} with a filter of system calls: {error}"))
    })?;
    Ok((child, Listener::new(receive(&ours)?)))
}

/// Receives the descriptor that the child has sent.
fn receive(socket: &OwnedFd) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let sent = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    sent.ok_or_else(|| io::Error::other("the server has sent no listener"))
}

/// Writes the number of the server's process, whole or not at all.
fn tell_pid(power: &Path, pid: u32) -> io::Result<()> {
    let new = power.join("pid.new");
    fs::write(&new, pid.to_string())?;
    fs::rename(new, power.join(PID))
}

/// Keeps the copies of a store.
struct Keeper {
    store: PathBuf,
    power: PathBuf,
    writeback: Option<Span>,
    table: Table,
    pieces: Pieces,
    /// Files that are being opened for synchronous writes and did not exist yet.
    opening: Vec<PathBuf>,
    started: Instant,
}

impl Keeper {
    /// Takes over the known state of the store's files. A store without a supervisor before counts as synced.
    fn begin(watched: &Watched) -> io::Result<Self> {
        let store = fs::canonicalize(&watched.store)?;
        let (power, writeback) = (watched.power.clone(), watched.writeback);
        let (saved, copies) = (power.join(TABLE), power.join(COPIES));
        let known = copies.exists();
        fs::create_dir_all(&copies)?;
        let mut keeper = Self {
            store,
            power,
            writeback,
            table: Table::default(),
            pieces: Pieces::new(),
            opening: Vec::new(),
            started: Instant::now(),
        };
        if known {
            keeper.table = Table::restore(&fs::read(&saved).map_err(|error| {
                let why = "an earlier supervisor of this store has not ended in order";
                io::Error::new(error.kind(), format!("{why}: {}: {error}", saved.display()))
            })?)?;
            // Without it, a supervisor that is killed is noticed.
            fs::remove_file(saved)?;
        } else {
            keeper.keep_all()?;
        }
        Ok(keeper)
    }

    fn save(mut self) -> io::Result<()> {
        self.find_opened()?;
        fs::write(self.power.join("table.new"), self.table.save()?)?;
        fs::rename(self.power.join("table.new"), self.power.join(TABLE))
    }

    /// Answers the server's calls until it has ended.
    fn serve(&mut self, child: &Child, listener: &Listener) -> io::Result<()> {
        let end = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
        let every = if self.writeback.is_some() { FLUSHER } else { FORGET };
        let mut look_at = Instant::now() + every;
        loop {
            let left = look_at.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            let mut ready =
                [PollFd::new(listener.descriptor(), PollFlags::IN), PollFd::new(&end, PollFlags::IN)];
            match poll(&mut ready, Some(&timeout)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let [stopped, ended] = ready.map(|of| of.revents().contains(PollFlags::IN));
            if stopped {
                self.answer(listener)?;
            } else if ended {
                return Ok(());
            }
            if Instant::now() >= look_at {
                self.look()?;
                look_at = Instant::now() + every;
            }
        }
    }

    /// Takes a stopped call, keeps what it syncs, and lets it go on.
    fn answer(&mut self, listener: &Listener) -> io::Result<()> {
        let Some(call) = listener.receive()? else { return Ok(()) };
        self.find_opened()?;
        match meaning(call.number, call.args) {
            Some(Call::Sync(number)) => self.sync(listener, &call, number)?,
            Some(Call::SyncAll) => self.keep_all()?,
            Some(Call::SyncMap(address, length)) => self.sync_map(listener, &call, address, length)?,
            Some(Call::Open(directory, path)) => self.opens(listener, &call, directory, path)?,
            Some(Call::OpenHow(directory, path, how)) => {
                let mut flags = [0; 8];
                let memory =
                    File::open(format!("/proc/{}/mem", call.thread)).map_err(|error| unreadable(&error))?;
                let read = memory.read_exact_at(&mut flags, how);
                if read.is_ok() && listener.waits(&call) && is_synchronous(u64::from_le_bytes(flags)) {
                    self.opens(listener, &call, directory, path)?;
                }
            }
            // That the names of opened files are looked up before it is all that matters.
            Some(Call::Rename) | None => {}
        }
        listener.go_on(&call)
    }

    /// Keeps the file that has a number in the server.
    fn sync(&mut self, listener: &Listener, call: &Stopped, number: u64) -> io::Result<()> {
        let path = format!("/proc/{}/fd/{}", call.thread, number & 0xffff_ffff);
        let inside = fs::read_link(&path).is_ok_and(|file| file.starts_with(&self.store));
        let file = inside.then(|| files::open(Path::new(&path)));
        match file {
            Some(Ok(file)) if listener.waits(call) => self.keep(&file),
            Some(Err(error)) if listener.waits(call) && error.kind() == io::ErrorKind::PermissionDenied => {
                Err(unreadable(&error))
            }
            // It is no file of the store, or the call fails by itself.
            _ => Ok(()),
        }
    }

    /// Keeps the files that are mapped to a stretch of the server's memory.
    fn sync_map(&mut self, listener: &Listener, call: &Stopped, address: u64, length: u64) -> io::Result<()> {
        let maps =
            fs::read_to_string(format!("/proc/{}/maps", call.thread)).map_err(|error| unreadable(&error))?;
        if !listener.waits(call) {
            return Ok(());
        }
        for (path, inode) in files::mapped(&maps, address, length) {
            // A file that is deleted has nothing to survive by.
            if path.starts_with(&self.store)
                && let Ok(file) = files::open(&path)
                && file.metadata().is_ok_and(|metadata| metadata.ino() == inode)
            {
                self.keep(&file)?;
            }
        }
        Ok(())
    }

    /// Takes in that a file is being opened for synchronous writes.
    fn opens(&mut self, listener: &Listener, call: &Stopped, directory: u64, path: u64) -> io::Result<()> {
        let memory = File::open(format!("/proc/{}/mem", call.thread)).map_err(|error| unreadable(&error))?;
        let Some(path) = text_at(&memory, path) else { return Ok(()) };
        let base = match directory {
            directory if is_working_directory(directory) => format!("/proc/{}/cwd", call.thread),
            directory => format!("/proc/{}/fd/{}", call.thread, directory & 0xffff_ffff),
        };
        let base = if path.is_absolute() { PathBuf::new() } else { fs::read_link(base).unwrap_or_default() };
        if !listener.waits(call) {
            return Ok(());
        }
        let path = base.join(path);
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
        if let Ok(parent) = fs::canonicalize(parent)
            && parent.starts_with(&self.store)
        {
            // Of those that an open never made, the oldest are forgotten.
            let surplus = self.opening.len().saturating_sub(MOST_OPENING);
            self.opening.drain(..surplus);
            self.opening.push(parent.join(name));
            self.find_opened()?;
        }
        Ok(())
    }

    /// Finds the files that were being opened when they were not there yet. Renames are stopped, so none has another name since.
    fn find_opened(&mut self) -> io::Result<()> {
        let mut error = None;
        let table = &mut self.table;
        self.opening.retain(|path| match fs::symlink_metadata(path) {
            Ok(metadata) => {
                if metadata.is_file() {
                    table.synchronous(files::key(&metadata));
                }
                false
            }
            Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => true,
            Err(why) => {
                error = Some(why);
                true
            }
        });
        error.map_or(Ok(()), Err)
    }

    fn keep_all(&mut self) -> io::Result<()> {
        for (path, _) in files::walk(&self.store)? {
            self.keep_at(&path)?;
        }
        Ok(())
    }

    fn keep_at(&mut self, path: &Path) -> io::Result<()> {
        match files::open(path) {
            Ok(file) => self.keep(&file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Brings the copy of a file up to date.
    fn keep(&mut self, file: &File) -> io::Result<()> {
        let metadata = file.metadata()?;
        let (key, stamp) = (files::key(&metadata), files::stamp(&metadata));
        // A file without a name is gone after a loss of power.
        if !metadata.is_file() || metadata.nlink() == 0 || self.table.is_synchronous(key) {
            return Ok(());
        }
        let from = self.table.compared_from(key, stamp.size);
        let copy =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(self.copy_of(key))?;
        let length = self.pieces.bring_up(file, &copy, from, stamp.size)?;
        self.table.keep(key, from, length, stamp);
        Ok(())
    }

    fn copy_of(&self, key: Key) -> PathBuf {
        self.power.join(COPIES).join(key.name())
    }

    /// Looks at the whole store: keeps the files that the kernel would have written back by now, and forgets deleted ones.
    fn look(&mut self) -> io::Result<()> {
        let now = Ns::try_from(self.started.elapsed().as_nanos()).unwrap_or(Ns::MAX);
        let mut met = Vec::new();
        for (path, metadata) in files::walk(&self.store)? {
            let key = files::key(&metadata);
            met.push(key);
            let due = |after: Span| self.table.is_due(key, files::stamp(&metadata), now, after.ns);
            if self.writeback.is_some_and(due) {
                self.keep_at(&path)?;
            }
        }
        for gone in self.table.met(&met) {
            let _ = fs::remove_file(self.copy_of(gone));
        }
        Ok(())
    }
}

/// The text at an address of a process, up to its terminating zero; `None` if it has no end.
fn text_at(memory: &File, address: u64) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    /// Pieces end where pages do, since the next one may not be there.
    const PAGE: u64 = 4096;
    let mut text = Vec::new();
    while text.len() < LONGEST_PATH {
        let at = address.checked_add(num::count(text.len()))?;
        let mut piece = vec![0; num::index(PAGE - at % PAGE)];
        let read = memory.read_at(&mut piece, at).ok().filter(|read| *read > 0)?;
        piece.truncate(read);
        let end = piece.iter().position(|byte| *byte == 0);
        text.extend_from_slice(piece.get(..end.unwrap_or(read)).unwrap_or_default());
        if end.is_some() {
            return Some(PathBuf::from(OsString::from_vec(text)));
        }
    }
    None
}

/// Why the supervisor cannot go on without seeing what the server does.
fn unreadable(error: &io::Error) -> io::Error {
    let why = format!("the system does not let the supervisor see what its server syncs ({error})");
    io::Error::new(error.kind(), why)
}
