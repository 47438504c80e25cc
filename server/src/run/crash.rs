//! Ends the process at a step boundary on purpose, so that tests can prove what a restart makes of it. Accepted only
//! where the configuration says `lab = true`.

use std::str::FromStr;

/// Where in a step the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The intent is in the journal, nothing was done.
    Intended,
    /// It was done, the journal does not know yet.
    Done,
    /// The journal knows.
    Recorded,
}

/// A step and a boundary of it: `3:done`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrashAt {
    pub step: usize,
    pub boundary: Boundary,
}

impl FromStr for CrashAt {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let error = || format!("“{text}” is not STEP:intended, STEP:done or STEP:recorded");
        let (step, boundary) = text.split_once(':').ok_or_else(error)?;
        let boundary = match boundary {
            "intended" => Boundary::Intended,
            "done" => Boundary::Done,
            "recorded" => Boundary::Recorded,
            _ => return Err(error()),
        };
        Ok(Self { step: step.parse().map_err(|_| error())?, boundary })
    }
}

/// Ends the process as SIGKILL would, if this is the place that was asked for.
pub(super) fn here(wanted: Option<&CrashAt>, step: usize, boundary: Boundary) {
    if wanted.is_some_and(|wanted| *wanted == CrashAt { step, boundary }) {
        tracing::warn!(step, ?boundary, "ending here, as --crash-at asked");
        let own = rustix::process::getpid();
        if let Err(error) = rustix::process::kill_process(own, rustix::process::Signal::KILL) {
            tracing::error!(%error, "could not end the process");
        }
    }
}
