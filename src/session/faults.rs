//! Decides which faults a run may inject at the place where it finds its broker.

use super::asked::Asked;
use super::cluster::Site;
use super::entrances;
use super::error::SessionError;
use super::product::Product;
use crate::plan::grammar::list;
use crate::plan::{Action, Fault, Plan, Target};

/// Refuses faults that this version cannot carry out at the place, and those on a bus of others that the command line does not allow.
/// A bus of others is named by the addresses of so many `servers`.
pub(super) fn check(
    plan: &Plan,
    site: Site<'_>,
    product: &Product,
    asked: &Asked,
    servers: usize,
) -> Result<(), SessionError> {
    for fault in &plan.faults {
        let Some(refusal) = refusal(plan, fault, site, product, asked, servers) else { continue };
        return Err(SessionError::Asked(format!(
            "fault `{}` ({}): {refusal}; leave it out (`--set 'faults=[]'` for a run without faults)",
            fault.name,
            fault.in_words()
        )));
    }
    match (site, plan.faults.first()) {
        (Site::Elsewhere(label), Some(fault)) if !asked.allow_faults => Err(SessionError::Asked(format!(
            "the profile injects faults, `{}` ({}) first, and tickgate did not start {label}: its other clients may notice; allow it \
             with --allow-faults, or leave the faults out (`--set 'faults=[]'`)",
            fault.name,
            fault.in_words()
        ))),
        _ => Ok(()),
    }
}

/// Why a fault cannot be injected there, and where it can.
fn refusal(
    plan: &Plan,
    fault: &Fault,
    site: Site<'_>,
    product: &Product,
    asked: &Asked,
    servers: usize,
) -> Option<String> {
    let action = fault.action;
    let can = product.kind.product().faults;
    if fault.is_of_the_meta_leader() && matches!(site, Site::Processes) && asked.open {
        return Some("the system account needs a password; leave --open out".to_owned());
    }
    if fault.is_of_the_meta_leader() && matches!(site, Site::Container) {
        return Some(
            "tickgate starts a single container, and a single server has no `meta-leader`".to_owned(),
        );
    }
    match site {
        Site::Simulated if action.is_of_members() => None,
        Site::Simulated => Some(
            "the simulated bus has members of groups, and no servers or links; take `--broker local`".to_owned(),
        ),
        _ if !can.contains(&action) => {
            Some(format!("this version injects no `{action}` on {}, only {}", product.title(), list(can)))
        }
        Site::Container if action.is_of_links() => Some(
            "tickgate acts on links through proxies, which it does not put in front of a container; take `--broker local`, or start \
             the container yourself and name it with --broker"
                .to_owned(),
        ),
        Site::Elsewhere(label) if action.is_of_links() => entrances::refusal(fault, label, servers),
        Site::Container if action.is_of_processes() => Some(
            "the server's process is in a container, and tickgate acts on processes of its own only; take `--broker local`"
                .to_owned(),
        ),
        Site::Elsewhere(label) if action.is_of_processes() => Some(format!(
            "tickgate did not start the servers of {label}, and acts on processes of its own only; take `--broker local`"
        )),
        Site::Elsewhere(label) if action == Action::StepDown => elsewhere(plan, fault, label, product),
        Site::Processes | Site::Container | Site::Elsewhere(_) => None,
    }
}

/// On a bus of others only the run's own stream may lose its leader.
fn elsewhere(plan: &Plan, fault: &Fault, label: &str, product: &Product) -> Option<String> {
    if fault.target != Some(Target::StreamLeader) {
        return Some(format!(
            "on {label}, which tickgate did not start, only the leader of the run's own {} may step down",
            product.log()
        ));
    }
    plan.bus.attach().map(|stream| {
        format!("{} {stream} is not the run's own, so its leader stays; leave `attach` out", product.log())
    })
}

#[cfg(test)]
mod tests {
    use crate::plan::{Action, BusKind, Fault, Span, Target};
    use crate::selftest::swarm::{self, base};
    use crate::session::{Asked, Choice};

    const ALL: [Action; 14] = [
        Action::Kill,
        Action::Stop,
        Action::Restart,
        Action::LameDuck,
        Action::RollingRestart,
        Action::RollingUpgrade,
        Action::StepDown,
        Action::Partition,
        Action::Slow,
        Action::WriteError,
        Action::PowerLoss,
        Action::CrashMember,
        Action::RestartGroup,
        Action::Poison,
    ];

    fn fault(action: Action, target: Target) -> Fault {
        Fault { action, target: Some(target), ..swarm::fault("x", [Span::seconds(1); 3]) }
    }

    fn resolved(at: &str, allow: bool, kind: BusKind, fault: Fault) -> Result<(), String> {
        let mut plan = base(1);
        plan.bus.kind = kind;
        plan.faults = vec![fault];
        let asked = Asked { at: Some(at.to_owned()), allow_faults: allow, ..Asked::default() };
        Choice::resolve(&asked, &plan, &|_| None).map(|_| ()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_place_has_its_faults() {
        use Action::{CrashMember, Kill, PowerLoss, Restart, RestartGroup, Stop};
        let possible = |at: &str, kind: BusKind| -> Vec<Action> {
            let target = Target::StreamLeader;
            ALL.into_iter()
                .filter(|action| resolved(at, true, kind, fault(*action, target.clone())).is_ok())
                .collect()
        };
        let processes = ALL.to_vec();
        assert_eq!(possible("local", BusKind::Nats), processes);
        let members = [Action::CrashMember, Action::RestartGroup];
        let few = [Action::StepDown, Action::CrashMember, Action::RestartGroup, Action::Poison];
        assert_eq!(possible("nats://h:1", BusKind::Nats), few, "a link has two ends");
        if cfg!(feature = "containers") {
            assert_eq!(possible("container", BusKind::Nats), few);
        }
        assert_eq!(possible("sim", BusKind::Nats), members);
        if cfg!(feature = "kafka") {
            assert_eq!(
                possible("local", BusKind::Kafka),
                [Kill, Stop, Restart, PowerLoss, CrashMember, RestartGroup]
            );
            assert_eq!(possible("kafka://h:1", BusKind::Kafka), members);
            let mut plan = base(1);
            (plan.bus.kind, plan.cluster.nodes) = (BusKind::Kafka, 3);
            let of = |target: Target| {
                let plan = crate::plan::Plan { faults: vec![fault(Kill, target)], ..plan.clone() };
                let asked = Asked { at: Some("local".into()), ..Asked::default() };
                Choice::resolve(&asked, &plan, &|_| None).map(|_| ()).map_err(|error| error.to_string())
            };
            for role in [Target::StreamLeader, Target::MetaLeader, Target::Follower, Target::Connected] {
                assert_eq!(of(role.clone()), Ok(()), "{role}");
            }
        }
    }

    #[test]
    fn a_refusal_says_why_and_what_to_do() {
        let said = |at: &str, allow: bool, action: Action, target: Target| {
            resolved(at, allow, BusKind::Nats, fault(action, target)).unwrap_err()
        };
        let kill = said("nats://h:1", true, Action::Kill, Target::Any);
        assert!(
            kill.contains("did not start the servers of nats://h:1") && kill.contains("`--broker local`"),
            "{kill}"
        );
        let meta = said("nats://h:1", true, Action::StepDown, Target::MetaLeader);
        assert!(meta.contains("only the leader of the run's own stream may step down"), "{meta}");
        let meta = fault(Action::StepDown, Target::MetaLeader);
        assert_eq!(resolved("local", true, BusKind::Nats, meta.clone()), Ok(()));
        let asked = Asked { at: Some("local".into()), open: true, ..Asked::default() };
        let plan = crate::plan::Plan { faults: vec![meta], ..base(1) };
        let open = Choice::resolve(&asked, &plan, &|_| None).unwrap_err().to_string();
        assert!(open.contains("needs a password; leave --open out"), "{open}");
        let flag = said("nats://h:1", false, Action::StepDown, Target::StreamLeader);
        assert!(flag.contains("--allow-faults") && flag.contains("--set 'faults=[]'"), "{flag}");
        assert!(
            resolved("nats://h:1", true, BusKind::Nats, fault(Action::StepDown, Target::StreamLeader))
                .is_ok()
        );
        let mut plan = base(1);
        plan.faults = vec![fault(Action::StepDown, Target::StreamLeader)];
        plan.bus.nats.attach = Some("ORDERS".into());
        let asked = Asked {
            at: Some("nats://h:1".into()),
            allow_faults: true,
            allow_attach: true,
            ..Asked::default()
        };
        let error = Choice::resolve(&asked, &plan, &|_| None).unwrap_err().to_string();
        assert!(error.contains("stream ORDERS is not the run's own"), "{error}");
    }
}
