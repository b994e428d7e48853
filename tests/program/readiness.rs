//! A client with little room is ready all the same, on the simulated bus and on a real server.

use crate::support::program::{Place, balances};

#[test]
fn a_client_with_room_for_one_event_becomes_ready() {
    for (window, publish) in [("bus.window=1", "bus.publish=async"), ("bus.window=512", "bus.publish=sync")] {
        for broker in ["sim", "local"] {
            let place = Place::new();
            let sets =
                ["load.rate=50/s", "load.warmup=0s", "load.duration=200ms", "bus.buffer=0", window, publish];
            // The topics of the ADR: many more than there is room for.
            let mut args = vec!["--broker", broker];
            args.extend(sets.iter().flat_map(|set| ["--set", set]));
            let done = place.start_gate(&args).wait();
            assert!([0, 1, 3].contains(&done.code), "{broker}, {window}, {publish}: {done:#?}");
            let record = place.record();
            balances(&record);
            assert!(record.plan.topology.topics.len() > 10 && record.load.acked > 0, "{:?}", record.load);
        }
    }
}
