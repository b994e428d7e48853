//! "Is it still as good as it was?": a check of a bus against a baseline of earlier sessions.
//!
//! The *session*, one sitting of one machine, is a unit of noise of its own, so a fresh session is compared with sessions, not with
//! runs. It can only raise a *suspicion*: a stored baseline that is low by luck would raise false alarms all year. What decides is
//! the second stage, in which the old and the new side run in pairs, now: what the machine is like today cancels.

mod answer;
mod check;
mod described;
mod fingerprint;
mod history;
mod noise;
mod replay;
mod session;
mod stage;
mod trend;

pub use answer::{ANSWER_FAMILY, ANSWER_VERSION, Answer, FirstStage, Making, MetricAnswer, MetricFinding};
pub use check::{Check, Decision, Design, Figures, Finding, Judged, PAIRS, Run, Side, Stage, Step};
pub use described::{BASELINE_FAMILY, BASELINE_VERSION, Baseline, Seen, SettingsFile, Worth};
pub use fingerprint::{Fingerprint, Mismatch, Probes};
pub use history::{
    Accepted, Again, Begun, Checked, Decided, Epoch, History, HistoryError, Joined, Line, RunLine, SCHEMA,
    Sitting, Subject, What, merged,
};
pub use noise::{LARGEST_VISIBLE, Noise};
pub use replay::{CHANGE, Forecast, NIGHTS, Setting, TooNoisy, choose};
pub use session::{Session, State, USABLE, log};
pub use stage::{Glance, SUSPICIOUS, glance};
pub use trend::{Trend, otava, trends};

#[cfg(test)]
mod worlds;
