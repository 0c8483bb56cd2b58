//! Signals of a conversation with a person: nothing that was typed or reckoned is lost to Ctrl-C, and whatever ends the process leaves
//! the terminal as it was.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What an interrupt meets.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Doing {
    /// The editor has the terminal, and interrupts of its own.
    Editing,
    /// A line is being read without an editor.
    Reading {
        /// What stood in front of it.
        prompt: String,
        /// It was given up.
        cancelled: bool,
    },
    /// An entry is being answered.
    Working {
        /// It was said that it cannot be stopped.
        said: bool,
    },
}

/// Listens, as long as the process lives.
#[derive(Debug, Clone)]
pub(super) struct Signals {
    doing: Arc<Mutex<Doing>>,
}

impl Signals {
    /// Begins to listen. From here on Ctrl-C does not end the process.
    ///
    /// # Errors
    /// When the system has no thread or no handler left.
    pub(super) fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let interrupt = signal(SignalKind::interrupt())?;
        let ends = [(SignalKind::terminate(), 15), (SignalKind::hangup(), 1)];
        let ends =
            ends.into_iter().map(|(kind, number)| Ok((signal(kind)?, number))).collect::<io::Result<Vec<_>>>()?;
        drop(entered);
        let doing = Arc::new(Mutex::new(Doing::Editing));
        let before = tcgetattr(io::stdin()).ok();
        let heard = Arc::clone(&doing);
        std::thread::Builder::new().name(String::from("signals")).spawn(move || {
            for (end, number) in ends {
                let before = before.clone();
                runtime.spawn(async move { ending(end, number, before).await });
            }
            runtime.block_on(interrupts(interrupt, &heard));
        })?;
        Ok(Self { doing })
    }

    /// The editor has the terminal.
    pub(super) fn editing(&self) {
        *lock(&self.doing) = Doing::Editing;
    }

    /// A line is being read, behind a prompt.
    pub(super) fn reading(&self, prompt: &str) {
        *lock(&self.doing) = Doing::Reading { prompt: prompt.to_owned(), cancelled: false };
    }

    /// Whether what is being read was given up.
    pub(super) fn cancelled(&self) -> bool {
        matches!(*lock(&self.doing), Doing::Reading { cancelled: true, .. })
    }

    /// An entry is being answered.
    pub(super) fn working(&self) {
        *lock(&self.doing) = Doing::Working { said: false };
    }
}

fn lock(doing: &Mutex<Doing>) -> MutexGuard<'_, Doing> {
    doing.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn interrupts(mut signal: Signal, doing: &Mutex<Doing>) {
    while signal.recv().await.is_some() {
        match &mut *lock(doing) {
            Doing::Editing => {}
            Doing::Reading { prompt, cancelled } => {
                *cancelled = true;
                let mut out = io::stdout();
                let _ = write!(out, "\n{prompt}");
                let _ = out.flush();
            }
            Doing::Working { said } => {
                if !std::mem::replace(said, true) {
                    eprintln!("\ncanary: this entry goes on to its end; Ctrl-\\ ends the conversation");
                }
            }
        }
    }
}

/// Ends the process as the signal would, the terminal being as it was before.
async fn ending(mut signal: Signal, number: i32, before: Option<Termios>) {
    if signal.recv().await.is_none() {
        return;
    }
    if let Some(before) = before {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
        let mut out = io::stdout();
        // what is pasted is marked for the editor alone
        let _ = out.write_all(b"\x1b[?2004l\n");
        let _ = out.flush();
    }
    std::process::exit(128 + number);
}
