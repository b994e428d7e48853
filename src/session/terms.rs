//! Terms of use of a bus that tickgate did not start: the names of the events, and the maximum rate.

use super::asked::Asked;
use super::error::SessionError;
use crate::host::addresses;
use crate::load;
use crate::plan::{Plan, Rate};
use crate::topology::{Naming, lies_below};

/// Maximum rate to another machine without permission, events/s.
const UNASKED: f64 = 20_000.0;

/// Terms on which a run uses its bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Naming of the events.
    pub naming: Naming,
    /// Send events to addresses of this machine only.
    pub here_only: bool,
}

/// Returns the terms of use of a bus, or an error if nothing may be sent; does not connect. A server that tickgate
/// starts has no `hosts`, and nothing else listens there.
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

/// Returns private names, unless the profile's names are allowed; it is an error to allow only other prefixes.
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
