//! Members of groups that crash and are replaced on the simulated bus, by the program and in real time.

use tickgate::record::Injection;

use crate::support::program::{Place, balances};

const PROFILE: &str = r#"
name = "members"
description = "A member crashes, and all are replaced."

[load]
rate = "500/s"
warmup = "500ms"
duration = "5s"
drain = "10s"
arrival = "constant"

[bus.nats]
ack_wait = "500ms"

[[groups]]
name = "engine"
subscribe = [">"]
members = 2

[[faults]]
name = "crash"
at = "1s"
do = "crash-member"
target = "engine/1"
for = "1s"
settle = "500ms"

[[faults]]
name = "deploy"
at = "3s"
do = "restart-group"
target = "engine"
settle = "1s"
"#;

#[test]
fn members_of_the_simulated_bus_crash_and_are_replaced() {
    let place = Place::new();
    let profile = place.write("members.toml", PROFILE);
    let done = place.run(&["run", &profile, "--broker", "sim"]);
    assert!([0, 1, 3].contains(&done.code), "{done:#?}");
    let record = place.record();
    balances(&record);
    let group = &record.groups[0];
    assert_eq!((group.delivered, group.lost, group.pending), (record.load.acked, 0, 0), "{group:?}");
    let injected = &record.faults.injected;
    let members = ["engine/1", "engine/2"];
    assert_eq!(
        (injected[0].resolved.as_slice(), injected[1].resolved.as_slice()),
        (&["engine/1".to_owned()][..], &members.map(str::to_owned)[..])
    );
    for fault in injected {
        // A busy machine may be late.
        assert!([Injection::Done, Injection::Late].contains(&fault.outcome), "{fault:?}");
        assert!(fault.effect.as_ref().is_some_and(|effect| effect.due > 0), "{fault:?}");
    }
    let kill = [
        "--set",
        "faults.crash.do=kill",
        "--set",
        "faults.crash.target=any",
        "--set",
        "faults.crash.expect=outage",
    ];
    place
        .run(&[&["run", &profile, "--broker", "sim"][..], &kill].concat())
        .fails(2, &["has members of groups"]);
}
