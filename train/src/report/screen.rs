//! The terminal as the dashboard has it, and as it was before.

use std::{
    io::{self, stdout},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ratatui::crossterm::{
    cursor::{Hide, Show},
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};

use super::say::say;

/// Lines that are kept for the end.
const KEPT: usize = 1000;

/// What gives the terminal back; `None` while no dashboard has it. There is one of a process.
static SCREEN: Mutex<Option<Taken>> = Mutex::new(None);

/// What was told while the dashboard stood, and is printed when it is gone.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Taken {
    #[cfg(unix)]
    stderr: Option<stderr::Capture>,
}

/// Takes the terminal. What the process writes to standard error, drivers and panics included, goes to `said` and is
/// printed at the end, where the system is a Unix.
///
/// # Errors
/// A terminal that cannot be drawn on.
pub(super) fn enter(said: impl FnMut(String) + Send + 'static) -> io::Result<()> {
    let mut screen = lock(&SCREEN);
    enable_raw_mode()?;
    *screen = Some(Taken {
        #[cfg(unix)]
        stderr: stderr::Capture::begin(said).ok(),
    });
    #[cfg(not(unix))]
    drop(said);
    execute!(stdout(), EnterAlternateScreen, Hide)
}

/// Gives the terminal back, if a dashboard has it, and prints what was told.
pub(super) fn leave_screen() {
    let Some(taken) = lock(&SCREEN).take() else { return };
    let _ = execute!(stdout(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
    #[cfg(unix)]
    taken.stderr.into_iter().for_each(stderr::Capture::end);
    #[cfg(not(unix))]
    drop(taken);
    std::mem::take(&mut *lock(&TOLD)).iter().for_each(|line| say(line));
}

/// Does `work` if a dashboard has the terminal; nobody gives it back meanwhile.
pub(super) fn while_on(work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let screen = lock(&SCREEN);
    if screen.is_some() { work() } else { Ok(()) }
}

/// Keeps a line for the end.
pub(super) fn tell_later(line: String) {
    let mut told = lock(&TOLD);
    if told.len() == KEPT {
        told.remove(0);
    }
    told.push(line);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Standard error as a pipe into this process.
#[cfg(unix)]
mod stderr {
    use std::{
        io::{self, BufRead, BufReader},
        os::fd::{AsRawFd, FromRawFd, OwnedFd},
        thread::{self, JoinHandle},
    };

    use super::tell_later;

    pub struct Capture {
        before: OwnedFd,
        reader: JoinHandle<()>,
    }

    impl Capture {
        pub fn begin(mut said: impl FnMut(String) + Send + 'static) -> io::Result<Self> {
            let (read, write) = io::pipe()?;
            // SAFETY: a new descriptor, which nobody else owns.
            let before = unsafe {
                match libc::fcntl(libc::STDERR_FILENO, libc::F_DUPFD_CLOEXEC, 3) {
                    -1 => return Err(io::Error::last_os_error()),
                    fd => OwnedFd::from_raw_fd(fd),
                }
            };
            replace_stderr(write.as_raw_fd())?;
            let reader = thread::spawn(move || {
                for line in BufReader::new(read).split(b'\n').map_while(Result::ok) {
                    let line = String::from_utf8_lossy(&line).trim_end().to_string();
                    tell_later(line.clone());
                    said(line);
                }
            });
            Ok(Self { before, reader })
        }

        /// Standard error is what it was; every line before has been heard.
        pub fn end(self) {
            if replace_stderr(self.before.as_raw_fd()).is_ok() {
                let _ = self.reader.join();
            }
        }
    }

    fn replace_stderr(by: libc::c_int) -> io::Result<()> {
        // SAFETY: both descriptors are open.
        match unsafe { libc::dup2(by, libc::STDERR_FILENO) } {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        }
    }
}
