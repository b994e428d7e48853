//! Decides whether a run may publish into an existing stream or topic: only if the command line allows it.

use super::asked::Asked;
use super::driver::Flag;
use super::error::SessionError;
use super::product::Product;
use crate::load;
use crate::plan::Plan;
use crate::report::show;

/// Returns warnings about a run in an existing stream.
///
/// # Errors
/// When the command line does not allow it, or tickgate starts the bus.
pub(super) fn allowed(
    asked: &Asked,
    plan: &Plan,
    stream: &str,
    product: &Product,
    elsewhere: bool,
) -> Result<Vec<String>, SessionError> {
    let key = format!("`bus.{}.attach`", product.name());
    let log = product.log();
    let way = if product.flags.contains(&Flag::Context) { "--broker or --context" } else { "--broker" };
    if !elsewhere {
        return Err(SessionError::Asked(format!(
            "{key} names {log} {stream} of a running bus; name that bus with {way}, or leave it out"
        )));
    }
    if !asked.allow_attach {
        return Err(SessionError::Asked(format!(
            "{key} publishes the run's events into {log} {stream}, where all its consumers receive them; allow it with \
             --allow-attach, or take a copy of the {log} with `bus.{}.like`",
            product.name()
        )));
    }
    let totals = load::totals(&plan.load);
    // A stream has subjects, of which the run's are below its prefix; a topic has none.
    let below = if product.kind.product().partitioned {
        String::new()
    } else {
        format!(" below {}", plan.topology.prefix)
    };
    let mut warnings = vec![format!(
        "{} events go into {log} {stream}{below}: its other consumers receive them, and they stay there until the {log} removes \
         them",
        show::count(totals.warmup_events + totals.measure_events),
    )];
    if product.kind.product().partitioned {
        return Ok(warnings);
    }
    for (group, name) in
        plan.groups.iter().filter_map(|group| group.consumer.as_ref().map(|name| (group, name)))
    {
        if !asked.allow_consumer.contains(name) {
            return Err(SessionError::Asked(format!(
                "group {} reads through consumer {name} of stream {stream}, and acknowledges whatever it delivers, others' \
                 events too; allow it with --allow-consumer {name}, or leave `groups.{}.consumer` out",
                group.name, group.name
            )));
        }
        warnings.push(format!(
            "group {} reads through consumer {name}: whatever others publish meanwhile is delivered to the run and acknowledged, so \
             that nobody else receives it through {name}",
            group.name
        ));
    }
    Ok(warnings)
}
