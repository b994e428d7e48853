//! The configuration of a NATS server.

use tickgate::lint::conf::World;
use tickgate::lint::{Conf, Here, Needs, json, lint_all, text};

/// Whatever a file holds, reading and linting it ends, each finding lies in a file that was read, and none shows a
/// password.
pub fn conf(bytes: &[u8]) {
    let own = String::from_utf8_lossy(bytes).into_owned();
    // An included file is the text once more: the reader must end.
    let include = |_: &str, path: &str| {
        if path.len() > 3 { Ok((path.to_owned(), own.clone())) } else { Err("no file".to_owned()) }
    };
    let variable = |name: &str| match name {
        "HOSTNAME" => Some("n1".to_owned()),
        "V" => Some("[ $HOSTNAME ]".to_owned()),
        _ => None,
    };
    let needs = Needs {
        profile: Some("p".into()),
        replicas: Some(3),
        event_bytes: 2 << 20,
        store_bytes: 1 << 30,
        connections: 200,
        consumers: 3,
        ..Needs::adr()
    };
    let findings = match Conf::read("n.conf", &own, World::new(&include, &variable)) {
        Err(finding) => vec![*finding],
        Ok(conf) => {
            let here =
                Here { in_memory: true, disk_bytes: 1 << 30, memory_bytes: 1 << 30, ..Here::default() };
            lint_all(&[(conf.clone(), Some(here)), (conf, None)], &needs)
        }
    };
    for finding in &findings {
        let at = finding.at.as_ref().filter(|at| at.file == "n.conf");
        if let Some(at) = at {
            let lines = own.split('\n').count();
            assert!(
                (1..=lines).contains(&usize::try_from(at.line).unwrap()) && at.column >= 1,
                "{finding:?}"
            );
        }
        assert!(!finding.what.is_empty() && !finding.why.is_empty() && !finding.instead.is_empty());
    }
    let shown = text(&["n.conf".to_owned()], &findings);
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    let document = json(&["n.conf".to_owned()], &findings);
    let document: serde_json::Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["findings"].as_array().unwrap().len(), findings.len());
}
