use super::*;
use crate::plan::{Plan, Target};

const SMALL: &str = r#"
profile = "quick"
set = ["load.rate=2k/s", "load.duration=30s"]

[[configuration]]
name = "R1"

[[configuration]]
name = "R3"
set = ["cluster.nodes=3", "bus.replicas=3"]

[[fault]]
name = "none"

[[fault]]
name = "kill-one"
do = "kill"
target = "stream-leader"
at = "2s"
for = "3s"

[[cell]]
configuration = "R1"
expect = "survives"

[[cell]]
configuration = "R1"
fault = "kill-one"
skip = "one server"
"#;

fn plan(file: &MatrixFile, configuration: usize, fault: usize, more: &[&str]) -> Result<Plan, String> {
    let (configuration, fault) = (&file.configurations[configuration], &file.faults[fault]);
    let more: Vec<String> = more.iter().map(|set| (*set).to_owned()).collect();
    let source = file.source(configuration).map_err(|error| error.to_string())?;
    let read = |outage| crate::profile::read(&source, &file.sets(configuration, fault, &more, outage));
    read(false).or_else(|first| read(true).map_err(|_| first)).map_err(|error| error.to_string())
}

#[test]
fn a_cell_is_the_profile_with_what_the_file_sets_and_the_fault() {
    let file = read("small", SMALL).unwrap();
    assert_eq!((file.name.as_str(), file.runs), ("small", None));
    let plain = plan(&file, 0, 0, &[]).unwrap();
    assert!(plain.faults.is_empty());
    assert_eq!((plain.load.rate.per_second, plain.cluster.nodes), (2000.0, 1));
    let struck = plan(&file, 1, 1, &["faults.kill-one.for=4s"]).unwrap();
    let [fault] = struck.faults.as_slice() else { panic!("{:?}", struck.faults) };
    assert_eq!((fault.name.as_str(), fault.target.clone()), ("kill-one", Some(Target::StreamLeader)));
    assert_eq!(
        (fault.at, fault.length),
        (Span::seconds(2), Span::seconds(4)),
        "keys of the fault can be set"
    );
    assert_eq!((struck.cluster.nodes, struck.bus.replicas), (3, 3));
    assert_eq!(fault.expect, crate::plan::Expect::Service);
    let single = plan(&file, 0, 1, &[]).unwrap();
    assert_eq!(
        single.faults[0].expect,
        crate::plan::Expect::Outage,
        "as the configuration has no other server"
    );
}

#[test]
fn what_is_said_of_a_cell_is_what_is_said_last() {
    let file = read("small", SMALL).unwrap();
    let said = |configuration, fault| {
        let said = file.said(configuration, fault);
        (said.skip.is_some(), said.expect)
    };
    assert_eq!(said("R1", "none"), (false, Some(Expect::Survives)));
    assert_eq!(said("R1", "kill-one"), (true, None));
    assert_eq!(said("R3", "kill-one"), (false, None));
}

#[test]
fn a_profile_may_stand_in_the_file() {
    let text = SMALL.replace("profile = \"quick\"\n", "")
        + "[profile.load]\nrate = \"1k/s\"\n[[profile.groups]]\nname = \"trading-engine\"\n";
    let file = read("own", &text).unwrap();
    let plan = plan(&file, 0, 0, &[]).unwrap();
    assert_eq!((plan.groups.len(), plan.groups[0].name.as_str()), (1, "trading-engine"));
    let wrong = read("own", &text.replace("[profile.load]\nrate", "[profile.load]\nraet")).unwrap();
    let source = wrong.source(&wrong.configurations[0]).unwrap();
    let error = crate::profile::read(&source, &[]).unwrap_err().to_string();
    assert!(error.contains("[profile] of own") && error.contains("raet"), "{error}");
}

#[test]
fn mistakes_say_where_and_what_was_expected() {
    let with = |more: &str| format!("{SMALL}{more}");
    let cases = [
        ("name = 1".to_owned(), "name"),
        (with("[[cell]]\nconfiguration = \"R2\"\nexpect = \"any\""), "`R2`, which is none of R1, R3"),
        (with("[[cell]]\nfault = \"kill-on\"\nexpect = \"any\""), "did you mean `kill-one`"),
        (with("[[cell]]\nfault = \"none\""), "a [[cell]] says nothing; expected `skip`, `set` or `expect`"),
        (with("[[cell]]\nskip = \"x\"\nexpect = \"any\""), "`skip` and `expect`"),
        (with("[[cell]]\nskip = \"\""), "an empty `skip`"),
        (with("[[cell]]\nexpect = \"lives\""), "unknown variant `lives`"),
        (with("[[fault]]\nname = \"none\""), "two [[fault]] are called `none`"),
        (with("[[fault]]\ndo = \"kill\""), "a [[fault]] has no `name`"),
        (with("[[fault]]\nname = \"x\"\nat = \"2s\""), "`at` has no effect without `do`"),
        (with("[[fault]]\nname = \"x\"\nset = [1]"), "`set` is not a list of texts"),
        (with("[[configuration]]\nname = \"a/b\""), "`a/b` cannot be the name"),
        (format!("runs = 0\n{SMALL}"), "expected 1 to 100"),
        (format!("rounds = 3\n{SMALL}"), "unknown field `rounds`"),
        (
            "profile = 3\n[[configuration]]\nname = \"a\"\n[[fault]]\nname = \"b\"".to_owned(),
            "`profile` is 3",
        ),
        ("profile = \"quick\"\n[[configuration]]\nname = \"a\"".to_owned(), "no [[fault]]"),
        ("profile = \"quick\"\n[[fault]]\nname = \"a\"".to_owned(), "no [[configuration]]"),
    ];
    for (text, expected) in cases {
        let error = read("x", &text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n{error}");
    }
    let error = find("nats-durabilty").unwrap_err().to_string();
    assert!(error.contains("did you mean `nats-durability`"), "{error}");
}

#[test]
fn every_shipped_matrix_can_be_read_and_so_can_the_plans_of_its_cells() {
    assert!(shipped().len() > 1);
    for (name, description) in shipped() {
        let file = read(name, shipped_text(name).unwrap()).unwrap();
        assert!(!description.is_empty() && file.name == name, "{name}");
        for taken in [crate::profile::builtin::get(name), crate::profile::comparison::shipped_text(name)] {
            assert!(taken.is_none(), "{name} is something else, too");
        }
        for (at, configuration) in file.configurations.iter().enumerate() {
            for (fault, of) in file.faults.iter().enumerate() {
                if file.said(&configuration.name, &of.name).skip.is_none() {
                    plan(&file, at, fault, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
                }
            }
        }
    }
}

#[test]
fn a_matrix_of_faults_that_this_version_does_not_know_is_not_shown_but_can_be_read() {
    let known: Vec<&str> = shipped().iter().map(|(name, _)| *name).collect();
    for (name, text) in SHIPPED {
        let file = read(name, text).unwrap_or_else(|error| panic!("{error}"));
        let is_injected =
            |fault: &FaultFile| fault.action.as_deref().is_none_or(|word| Action::of_word(word).is_some());
        assert_eq!(known.contains(&name), file.faults.iter().all(is_injected), "{name}");
    }
}
