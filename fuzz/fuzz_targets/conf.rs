#![no_main]

#[path = "../../tests/targets/mod.rs"]
#[allow(unused, reason = "each target is one of them")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::conf(bytes));
