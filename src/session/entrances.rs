//! Faults of links on a bus that tickgate did not start: only those between its own clients and the servers that are named.

use super::target::Elsewhere;
use crate::plan::{Fault, Plan, Target};

/// Why a fault cannot act on links of such a bus, whose address names so many servers.
pub(super) fn refusal(fault: &Fault, label: &str, servers: usize) -> Option<String> {
    let Some(ends) = &fault.between else {
        return Some(
            "it does not say between which ends; expected `between = [\"clients\", \"all\"]`".to_owned(),
        );
    };
    let ([Target::Clients, end] | [end, Target::Clients]) = ends else {
        return Some(format!(
            "tickgate did not start {label}, and puts proxies only between its own clients and the servers of that address; take \
                 `between = [\"clients\", \"all\"]`, or `--broker local`"
        ));
    };
    match end {
        Target::All | Target::Any | Target::Node(1) => None,
        Target::Connected if servers == 1 => None,
        Target::Connected => Some(format!(
            "`connected` is not known on {label}, whose address names {servers} servers; take `all` or `any`, or name one server"
        )),
        end => Some(format!(
            "`{end}` is not known on {label}, which tickgate did not start: proxies are in front of the servers of that address only; \
             take `all`, `any`, or `node-1` for the first one"
        )),
    }
}

/// What is put in between, and what it costs.
pub(super) fn notice(plan: &Plan, elsewhere: &Elsewhere) -> Option<String> {
    let of_links: Vec<&Fault> = plan.faults.iter().filter(|fault| fault.action.is_of_links()).collect();
    let first = of_links.first()?;
    let more = match of_links.len() - 1 {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let hosts = elsewhere.target.hosts();
    Some(format!(
        "generators and members connect to {} through {} of tickgate's own on 127.0.0.1, for fault `{}`{more}: the times of the whole run \
         include this hop; only these servers are used, not those that they name",
        hosts.join(", "),
        if hosts.len() == 1 { "a proxy".to_owned() } else { format!("{} proxies", hosts.len()) },
        first.name,
    ))
}

#[cfg(test)]
mod tests {
    use crate::plan::{Action, BusKind, Fault, Plan, Span};
    use crate::selftest::swarm::{self, base};
    use crate::session::{Asked, Choice};

    fn resolved(at: &str, allow: bool, kind: BusKind, ends: [&str; 2]) -> Result<Vec<String>, String> {
        let between = Some(ends.map(|end| end.parse().unwrap()));
        let action = Action::Partition;
        let fault = Fault { action, target: None, between, ..swarm::fault("x", [Span::seconds(1); 3]) };
        let mut plan = Plan { faults: vec![fault], ..base(1) };
        plan.bus.kind = kind;
        let asked = Asked { at: Some(at.to_owned()), allow_faults: allow, ..Asked::default() };
        let choice = Choice::resolve(&asked, &plan, &|_| None).map_err(|error| error.to_string())?;
        Ok(choice.warnings)
    }

    #[test]
    fn the_links_of_our_clients_are_cut_if_the_command_line_allows_it() {
        let (one, two) = ("nats://h:1", "nats://h:1,tls://i:2");
        for (at, end) in
            [(one, "all"), (two, "all"), (one, "any"), (two, "any"), (one, "connected"), (two, "node-1")]
        {
            for ends in [["clients", end], [end, "clients"]] {
                let refused = resolved(at, false, BusKind::Nats, ends).unwrap_err();
                assert!(refused.contains("allow it with --allow-faults"), "{refused}");
                let said = resolved(at, true, BusKind::Nats, ends).unwrap();
                assert!(
                    said.iter().any(|line| line.contains("the times of the whole run include this hop")),
                    "{said:?}"
                );
            }
        }
        let said = resolved(two, true, BusKind::Nats, ["clients", "all"]).unwrap();
        assert!(said.iter().any(|line| line.contains("connect to h:1, i:2 through 2 proxies")), "{said:?}");
        assert_eq!(resolved("local", true, BusKind::Nats, ["clients", "all"]), Ok(Vec::new()));
    }

    #[test]
    fn what_cannot_be_resolved_is_refused_by_name() {
        let two = "nats://h:1,nats://i:2";
        for (at, ends, why) in [
            (
                two,
                ["clients", "connected"],
                "`connected` is not known on nats://h:1,nats://i:2, whose address names 2 servers",
            ),
            (two, ["clients", "stream-leader"], "`stream-leader` is not known on"),
            (two, ["majority", "clients"], "`majority` is not known on"),
            (two, ["all", "all"], "only between its own clients and the servers of that address"),
        ] {
            let refused = resolved(at, true, BusKind::Nats, ends).unwrap_err();
            assert!(refused.contains(why) && refused.contains("--set 'faults=[]'"), "{refused}");
        }
        if cfg!(feature = "kafka") {
            let refused = resolved("kafka://h:1", true, BusKind::Kafka, ["clients", "all"]).unwrap_err();
            assert!(refused.contains("this version injects no `partition`"), "{refused}");
        }
    }
}
