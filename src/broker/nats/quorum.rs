//! When the servers of a cluster are ready: all healthy, one leader, and every server current at the leader. Pure, from
//! what each server says of itself.

use super::monitor::Meta;

/// What one server of a cluster says of itself.
#[derive(Debug, Clone, Default)]
pub(in crate::broker) struct View {
    /// Name of the server.
    pub(in crate::broker) name: String,
    /// Why it does not count as healthy, after its name: `is not healthy (status 503)`.
    pub(in crate::broker) problem: Option<String>,
    /// The group that decides where streams are placed, as this server sees it.
    pub(in crate::broker) meta: Meta,
}

/// Returns what these servers lack to be ready, each with the server's name; empty if they are ready.
///
/// Only the leader knows whether the others are current.
pub(super) fn missing(views: &[View]) -> Vec<String> {
    let problem = |view: &View| view.problem.as_ref().map(|problem| format!("{} {problem}", view.name));
    let mut missing: Vec<String> = views.iter().filter_map(problem).collect();
    let sound = || views.iter().filter(|view| view.problem.is_none());
    let (led, leaderless): (Vec<_>, Vec<_>) = sound().partition(|view| !view.meta.leader.is_empty());
    missing.extend(leaderless.iter().map(|view| format!("{} sees no leader", view.name)));
    let Some(first) = led.first() else { return missing };
    let leader = &first.meta.leader;
    if led.iter().any(|view| view.meta.leader != *leader) {
        let each: Vec<String> =
            led.iter().map(|view| format!("{} sees {}", view.name, view.meta.leader)).collect();
        missing.push(format!("the servers see different leaders ({})", each.join(", ")));
        return missing;
    }
    match views.iter().find(|view| view.name == *leader) {
        None => missing.push(format!("{leader}, the leader, does not run")),
        Some(leading) if leading.problem.is_none() => {
            let current = |view: &&View| {
                leading
                    .meta
                    .replicas
                    .iter()
                    .any(|peer| peer.name == view.name && peer.current && !peer.offline)
            };
            let behind = views.iter().filter(|view| view.name != *leader).filter(|view| !current(view));
            missing
                .extend(behind.map(|view| format!("{} is not current at the leader, {leader}", view.name)));
        }
        Some(_) => {}
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::super::monitor::Peer;
    use super::*;

    fn view(name: &str, leader: &str, current: &[&str]) -> View {
        let replicas = current
            .iter()
            .map(|name| Peer { name: (*name).to_owned(), current: true, offline: false })
            .collect();
        let meta = Meta { leader: leader.to_owned(), cluster_size: 3, replicas };
        View { name: name.to_owned(), problem: None, meta }
    }

    /// A follower of `n2` sees the other follower as not current.
    fn ready() -> Vec<View> {
        vec![view("n1", "n2", &[]), view("n2", "n2", &["n1", "n3"]), view("n3", "n2", &[])]
    }

    #[test]
    fn a_cluster_is_ready_when_all_are_healthy_and_current_at_one_leader() {
        assert_eq!(missing(&ready()), Vec::<String>::new());
    }

    #[test]
    fn each_server_that_is_not_ready_is_named_with_what_it_lacks() {
        let mut views = ready();
        views[2].problem = Some("is not healthy (status 503)".into());
        assert_eq!(missing(&views), ["n3 is not healthy (status 503)"]);
        let mut views = ready();
        views[0].meta.leader.clear();
        assert_eq!(missing(&views), ["n1 sees no leader"]);
        let mut views = ready();
        views[0].meta.leader = "n1".into();
        assert_eq!(
            missing(&views),
            ["the servers see different leaders (n1 sees n1, n2 sees n2, n3 sees n2)"]
        );
        let mut views = ready();
        views[1].meta.replicas[1].current = false;
        assert_eq!(missing(&views), ["n3 is not current at the leader, n2"]);
        let mut views = ready();
        views[1].meta.replicas[0].offline = true;
        assert_eq!(missing(&views), ["n1 is not current at the leader, n2"]);
        let mut views = ready();
        views[1].problem = Some("does not answer".into());
        assert_eq!(missing(&views), ["n2 does not answer"], "what it sees of the others is not known");
        assert_eq!(missing(&ready()[2..]), ["n2, the leader, does not run"]);
        assert_eq!(missing(&[View { name: "n1".into(), ..View::default() }]), ["n1 sees no leader"]);
    }

    #[test]
    fn servers_that_do_not_run_are_not_waited_for() {
        // n1 has ended: the leader sees it offline, and the other two are ready.
        let mut views = ready();
        views[1].meta.replicas[0] = Peer { name: "n1".into(), current: false, offline: true };
        assert_eq!(missing(&views[1..]), Vec::<String>::new());
    }
}
