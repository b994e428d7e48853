//! A terminal for a program: what it shows, and how wide it is.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};

/// Longer than a run of a test takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// A program whose stderr is a terminal.
pub struct OnTerminal {
    child: std::process::Child,
    terminal: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    reader: Option<std::thread::JoinHandle<()>>,
}

fn size(columns: u16) -> Winsize {
    Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl OnTerminal {
    /// Starts a program whose stderr is a terminal of that width; its stdout is dropped.
    pub fn start(mut command: Command, columns: u16) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).expect("a terminal");
        grantpt(&terminal).and_then(|()| unlockpt(&terminal)).expect("a terminal");
        tcsetwinsize(&terminal, size(columns)).expect("a width");
        let name = ptsname(&terminal, Vec::new()).expect("a name");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let side = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).expect("its other side");
        assert_eq!(tcgetwinsize(&side).expect("a width").ws_col, columns);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(side));
        let child = command.spawn().expect("starts");
        // Else the reader would wait for this process as well.
        drop(command);
        let mut output = File::from(terminal.try_clone().expect("a handle"));
        let shown = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&shown);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The end of a terminal is an error: its other side is closed.
            while let Ok(bytes @ 1..) = output.read(&mut buffer) {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..bytes]);
            }
        });
        Self { child, terminal, shown, reader: Some(reader) }
    }

    /// Changes the width of the terminal.
    pub fn resize(&self, columns: u16) {
        tcsetwinsize(&self.terminal, size(columns)).expect("a width");
    }

    /// What it has shown so far.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }

    /// The lines that it has overwritten so far.
    pub fn live(&self) -> Vec<String> {
        live(&self.shown())
    }

    /// Waits until it has overwritten so many lines.
    #[track_caller]
    pub fn until_live(&mut self, lines: usize) {
        let started = Instant::now();
        while self.live().len() < lines {
            let ended = self.child.try_wait().expect("a child");
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "{ended:?}: {}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(mut self) -> (ExitStatus, String) {
        let started = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "it does not end: {}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader ends");
        }
        (status, self.shown())
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that are overwritten: from a carriage return to an erasure of the rest of the line.
pub fn live(shown: &str) -> Vec<String> {
    let parts = shown.split("\u{1b}[K").filter_map(|part| part.rsplit_once('\r'));
    let lines = parts.map(|(_, line)| line.to_owned()).filter(|line| !line.starts_with('\n'));
    lines.filter(|line| !line.is_empty()).collect()
}
