//! Command lines to do again what a report is about.

use super::show;
use crate::plan::Plan;
use crate::record::{Broker, Record};

/// The command to run the plan of a record again.
pub(crate) fn again(record: &Record) -> String {
    let broker = destination(&record.broker, &record.plan);
    format!("tickgate run ./profile.toml {broker}")
}

/// A text from outside, quoted for the shell.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", show::plain(text).replace('\'', "'\\''"))
}

/// The flags that name a bus.
pub(crate) fn destination(broker: &Broker, plan: &Plan) -> String {
    match broker.mode.as_str() {
        "local" => "--broker local".to_owned(),
        "sim" => "--broker sim".to_owned(),
        "container" => {
            let image = broker.settings.get("container.image").map_or("", String::as_str);
            format!("--broker container:{}", show::plain(image))
        }
        mode => {
            let prefix = &plan.topology.prefix;
            let subjects = broker.settings.get("subjects").map(String::as_str).unwrap_or_default();
            // The profile's own prefix, which had to be allowed.
            let is_allowed =
                subjects.strip_prefix(prefix.as_str()).is_some_and(|tail| [".>", ".*"].contains(&tail));
            let allowed =
                if is_allowed { format!(" --allow-prefix {}", quoted(prefix)) } else { String::new() };
            let named = match mode.strip_prefix("context ") {
                Some(context) => format!("--context {}", quoted(context)),
                None => format!("--broker {}", quoted(&broker.address)),
            };
            format!("{named}{allowed}")
        }
    }
}
