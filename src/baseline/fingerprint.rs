//! Which machine it was: figures of one machine say nothing about those of another.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::num;
use crate::record::{Broker, Environment};
use crate::stats;

/// Facts of a record that have to be equal. A value that one of two machines does not know differs from one that it does.
const FIXED: [&str; 7] =
    ["arch", "cpu", "usable_cores", "cpu_limit_cores", "virtualisation", "container", "store_filesystem"];
/// Facts whose differences are worth a warning.
const NOTED: [&str; 4] = ["kernel", "cpu_governor", "clock_source", "hostname"];
/// Memory may differ by this share: firmware and kernel take a little.
const MEMORY: f64 = 0.05;
/// A machine whose speed differs by more than this share is another one.
const SPEED: f64 = 0.15;

/// The machine and the kind of bus of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fingerprint {
    /// Facts that have to be equal.
    pub fixed: BTreeMap<String, String>,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// Facts that may differ.
    pub noted: BTreeMap<String, String>,
}

/// A difference between two fingerprints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The fact.
    pub fact: String,
    /// Its value in the baseline.
    pub was: String,
    /// Its value now.
    pub is: String,
    /// Does it make another machine?
    pub refused: bool,
}

impl Mismatch {
    /// `cpu was …, and is …`.
    #[must_use]
    pub fn in_words(&self) -> String {
        format!("{} was {}, and is {}", self.fact, self.was, self.is)
    }
}

impl Fingerprint {
    /// That of a run on a bus, by this version of tickgate.
    #[must_use]
    pub fn of(environment: &Environment, broker: &Broker, tickgate: &str) -> Self {
        let facts = &environment.facts;
        let some = |names: &[&str]| -> BTreeMap<String, String> {
            names.iter().filter_map(|name| Some(((*name).to_owned(), facts.get(*name)?.clone()))).collect()
        };
        let mut fixed = some(&FIXED);
        let mut add = |name: &str, value: &str| fixed.insert(name.to_owned(), value.to_owned());
        add("kernel series", &series(facts.get("kernel").map_or("", String::as_str)));
        add("bus", &broker.kind);
        add("broker mode", &broker.mode);
        add("durability", &broker.durability);
        let mut noted = some(&NOTED);
        noted.insert("tickgate".to_owned(), tickgate.to_owned());
        Self { fixed, memory_bytes: environment.memory_bytes, noted }
    }

    /// A short text that is the same for equal machines; what may differ is no part of it.
    #[must_use]
    pub fn hash(&self) -> String {
        let lines: Vec<String> = self.fixed.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        format!("{:016x}", xxh3_64(lines.concat().as_bytes()))
    }

    /// How a machine now differs from this one; what is refused comes first.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Mismatch> {
        let mut all = differing(&self.fixed, &now.fixed, true);
        let (was, is) = (num::f64_of(self.memory_bytes), num::f64_of(now.memory_bytes));
        if (was - is).abs() > MEMORY * was.max(is) {
            let shown = num::show::size;
            all.push(Mismatch {
                fact: "memory".into(),
                was: shown(self.memory_bytes),
                is: shown(now.memory_bytes),
                refused: true,
            });
        }
        all.extend(differing(&self.noted, &now.noted, false));
        all
    }
}

/// `6.1` of `6.1.0-18-amd64`.
fn series(kernel: &str) -> String {
    kernel.split(['.', '-']).take(2).collect::<Vec<_>>().join(".")
}

fn differing(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>, refused: bool) -> Vec<Mismatch> {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let of = |map: &BTreeMap<String, String>, name: &str| {
        map.get(name).cloned().unwrap_or_else(|| "unknown".into())
    };
    names
        .into_iter()
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| Mismatch { fact: name.clone(), was: of(was, name), is: of(is, name), refused })
        .collect()
}

/// How fast the machine is, by short measurements of its own before a session: equal facts do not make equal machines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Probes {
    /// Iterations a second of a fixed computation on one thread.
    pub compute_per_s: f64,
    /// Median round trip of a byte between two threads over loopback, ns.
    pub loopback_ns: f64,
    /// Median time of a write of 4 KiB that is synchronised to the disk of the store, ns.
    pub sync_ns: f64,
}

impl Probes {
    fn named(&self) -> [(&'static str, f64); 3] {
        [
            ("computation", self.compute_per_s),
            ("loopback", self.loopback_ns),
            ("synchronised write", self.sync_ns),
        ]
    }

    /// Which of them differ from the median of a baseline's sessions by more than 15 %. A probe that is not known says nothing.
    #[must_use]
    pub fn off(&self, past: &[Self]) -> Vec<Mismatch> {
        let median = |at: usize| {
            let known = past.iter().map(|probes| probes.named()[at].1).filter(|value| *value > 0.0);
            stats::median(&known.collect::<Vec<_>>())
        };
        let mut all = Vec::new();
        for (at, (name, now)) in self.named().into_iter().enumerate() {
            let Some(was) = median(at).filter(|_| now > 0.0) else { continue };
            if (now / was).max(was / now) > 1.0 + SPEED {
                let of = |value: f64| {
                    if at == 0 { num::show::rate(value) } else { num::show::time(num::u64_of(value)) }
                };
                all.push(Mismatch {
                    fact: format!("the speed probe `{name}`"),
                    was: of(was),
                    is: of(now),
                    refused: true,
                });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(facts: &[(&str, &str)]) -> Fingerprint {
        let facts = facts.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let environment = Environment { cores: 2, memory_bytes: 8 << 30, facts };
        Fingerprint::of(&environment, &Broker::default(), "0.1.0")
    }

    #[test]
    fn another_processor_is_another_machine_and_another_kernel_patch_is_not() {
        let was = fingerprint(&[("cpu", "EPYC"), ("kernel", "6.1.0-18-amd64"), ("usable_cores", "2")]);
        assert_eq!(was.differences(&was), []);
        let is = fingerprint(&[("cpu", "Xeon"), ("kernel", "6.1.0-19-amd64"), ("hostname", "b")]);
        let found: Vec<(String, bool)> =
            was.differences(&is).into_iter().map(|one| (one.in_words(), one.refused)).collect();
        assert_eq!(
            found,
            [
                ("cpu was EPYC, and is Xeon".to_owned(), true),
                ("usable_cores was 2, and is unknown".to_owned(), true),
                ("hostname was unknown, and is b".to_owned(), false),
                ("kernel was 6.1.0-18-amd64, and is 6.1.0-19-amd64".to_owned(), false),
            ]
        );
        let newer = fingerprint(&[("cpu", "EPYC"), ("kernel", "6.6.0"), ("usable_cores", "2")]);
        assert!(was.differences(&newer).iter().any(|one| one.fact == "kernel series" && one.refused));
        assert_ne!(was.hash(), is.hash());
        assert_eq!(
            was.hash(),
            fingerprint(&[("usable_cores", "2"), ("kernel", "6.1.9"), ("cpu", "EPYC")]).hash()
        );
    }

    #[test]
    fn a_little_memory_may_be_missing() {
        let mut was = fingerprint(&[]);
        let mut is = was.clone();
        is.memory_bytes = (8 << 30) - (200 << 20);
        assert_eq!(was.differences(&is), []);
        is.memory_bytes = 6 << 30;
        assert_eq!(was.differences(&is)[0].in_words(), "memory was 8.00GiB, and is 6.00GiB");
        was.memory_bytes = 0;
        is.memory_bytes = 0;
        assert_eq!(was.differences(&is), []);
    }

    #[test]
    fn a_machine_that_is_faster_or_slower_is_another_one() {
        let probes = |compute: f64, loopback: f64| Probes {
            compute_per_s: compute,
            loopback_ns: loopback,
            sync_ns: 0.0,
        };
        let past = [probes(1e8, 20_000.0), probes(1.02e8, 21_000.0), probes(9e7, 19_000.0)];
        assert_eq!(probes(1.1e8, 22_000.0).off(&past), []);
        let found = probes(1e8, 24_000.0).off(&past);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].in_words(), "the speed probe `loopback` was 20.0µs, and is 24.0µs");
        assert_eq!(probes(8e7, 16_000.0).off(&past).len(), 2);
        assert_eq!(probes(8e7, 16_000.0).off(&[]), [], "nothing to compare with");
    }
}
