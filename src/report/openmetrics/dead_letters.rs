//! Counters of dead letters, for each group of a plan that has some.

use super::Out;
use crate::num;
use crate::record::{Audit, DeadLetters, Record};

/// Reads a count of the store.
type Count = fn(&DeadLetters) -> u64;

/// The counters; none for a plan without dead letters or poison events.
pub(super) fn dead_letters(out: &mut Out, record: &Record) {
    let all = &record.faults.dead_letters;
    if all.is_empty() {
        return;
    }
    let known = record.audit.as_ref().is_some_and(Audit::settles_loss);
    let poison = "tickgate_poison_events";
    out.family(poison, "gauge", "", "Events that a group had to refuse.");
    for of in all {
        out.sample(poison, &[("group", &of.group)], num::f64_of(of.poison));
    }
    let counts: [(&str, Count); 4] = [
        ("stored", |of| of.stored),
        ("missing", |of| of.missing),
        ("duplicate", |of| of.duplicate),
        ("unexpected", |of| of.unexpected),
    ];
    let letters = "tickgate_dead_letters";
    out.family(
        letters,
        "gauge",
        "",
        "Dead letters of a group in the store, and how they differ from its poison events.",
    );
    for of in all {
        for (kind, count) in counts {
            let n = if known { num::f64_of(count(of)) } else { f64::NAN };
            out.sample(letters, &[("group", &of.group), ("kind", kind)], n);
        }
    }
}
