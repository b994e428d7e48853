//! On which terms a bus that tickgate did not start is used: under whose names, and how much may be sent to it.

use super::asked::Asked;
use super::error::SessionError;
use crate::host::addresses;
use crate::load;
use crate::plan::{Plan, Rate};
use crate::topology::{Naming, lies_below};

/// What may be sent to another machine unasked.
const UNASKED: f64 = 20_000.0;

/// On which terms a run uses its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Under whose names the events go.
    pub naming: Naming,
    /// They may go to addresses of this machine only.
    pub here_only: bool,
}

/// On which terms a bus may be used, or why nothing may be sent. Connects to nothing. On a bus of our own, which has no
/// `hosts`, nobody else listens.
pub(super) fn terms(
    asked: &Asked,
    plan: &Plan,
    hosts: Option<&[String]>,
    own: Naming,
) -> Result<Terms, SessionError> {
    let Some(hosts) = hosts else { return Ok(Terms { naming: own, here_only: false }) };
    let peak = load::peak_rate(&plan.load);
    let here_only = !asked.allow_rate && needs_consent(peak);
    if here_only {
        let here = addresses::own();
        let far = hosts.iter().find(|host| !addresses::are_local(&addresses::of(host), &here));
        if let Some(host) = far {
            return Err(SessionError::Asked(too_much(host, plan, peak)));
        }
    }
    Ok(Terms { naming: allowed(&asked.allow_prefix, &plan.topology.prefix)?, here_only })
}

fn needs_consent(peak: Rate) -> bool {
    peak.per_second > UNASKED
}

fn too_much(host: &str, plan: &Plan, peak: Rate) -> String {
    let most = if plan.load.is_closed() { "as fast as the bus takes it, at most " } else { "" };
    format!(
        "the load's peak is {most}{peak}, and {host} is not an address of this machine; lower it to at most {} (see \
         `tickgate check`), or allow it with --allow-rate",
        Rate::per_second(UNASKED)
    )
}

/// Private names, unless the profile's own are allowed; to allow others only is a mistake.
fn allowed(allowed: &[String], prefix: &str) -> Result<Naming, SessionError> {
    if allowed.is_empty() {
        return Ok(Naming::Private);
    }
    if allowed.iter().any(|this| lies_below(prefix, this)) {
        return Ok(Naming::Profile);
    }
    Err(SessionError::Asked(format!(
        "--allow-prefix {} does not cover the profile's prefix `{prefix}`; give --allow-prefix {prefix}, or leave it out \
         for private subjects",
        allowed.join(" --allow-prefix ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_names_unless_the_profiles_are_allowed() {
        let naming = |given: &[&str], prefix| {
            let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
            allowed(&given, prefix).map_err(|error| error.to_string())
        };
        assert_eq!(naming(&[], "ai-trader"), Ok(Naming::Private));
        assert_eq!(naming(&["test", "ai-trader"], "ai-trader"), Ok(Naming::Profile));
        assert_eq!(naming(&["ai"], "ai.trader"), Ok(Naming::Profile));
        let text = naming(&["ai"], "ai-trader").unwrap_err();
        assert!(text.contains("--allow-prefix ai does not") && text.contains("`ai-trader`"), "{text}");
    }

    #[test]
    fn more_than_20k_a_second_is_asked_for() {
        assert!(!needs_consent(Rate::per_second(20_000.0)));
        assert!(needs_consent(Rate::per_second(20_000.5)));
    }
}
