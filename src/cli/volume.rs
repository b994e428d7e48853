//! Describes a load before it starts: volume, duration, rate, subjects and bounds.

use crate::load;
use crate::plan::Plan;
use crate::report::show;
use crate::run;

/// Describes the load: events and their size, duration, peak rate, subjects, and the bound of the store.
pub(super) fn volume(plan: &Plan, subjects: &str) -> String {
    let (load, bus) = (&plan.load, &plan.bus);
    let store = run::memory::store(plan);
    let totals = load::totals(load);
    let peak = load::peak_rate(load);
    let (most, pace) = if load.is_closed() {
        ("at most ", "as fast as the bus accepts them, at most ")
    } else {
        ("", "at most ")
    };
    let bound = match store.topics {
        None => format!("a stream of at most {}", bus.max_bytes),
        Some(topics) => format!(
            "{} logs of at most {} each ({topics} topics × {} partitions × {} replicas)",
            store.logs * store.replicas,
            bus.max_bytes,
            bus.partitions,
            store.replicas
        ),
    };
    format!(
        "{most}{} events, about {} in the store, within {} s, {pace}{peak}, to {subjects}, in {bound}",
        show::count(totals.warmup_events + totals.measure_events),
        show::size(store.volume),
        load.sending().ns.div_ceil(1_000_000_000),
    )
}
