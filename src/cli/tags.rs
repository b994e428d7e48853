//! Tags of a run: those of `--tag`, and commit, branch and job from the variables of a CI system.

use std::collections::BTreeMap;

use super::Failure;
use super::outside::shown;
use crate::report::show;

/// Most tags of a run.
const MOST: usize = 32;
/// Longest key and longest value, in characters.
const LONGEST: (usize, usize) = (40, 200);
/// Names that the files of a report use for facts of their own.
const RESERVED: [&str; 6] = ["broker", "durability", "profile", "refused", "run", "tickgate"];

/// The variables of a CI system; of several for one tag, the first that is set counts.
struct System {
    /// Set where a job of this system runs.
    marker: &'static str,
    commit: &'static [&'static str],
    /// The source branch comes first: on a pull request, the other one names what it is to be merged into.
    branch: &'static [&'static str],
    job: &'static [&'static str],
    /// Number or id of the workflow's run.
    pipeline: &'static [&'static str],
}

const SYSTEMS: [System; 4] = [
    System {
        marker: "GITHUB_SHA",
        commit: &["GITHUB_SHA"],
        branch: &["GITHUB_HEAD_REF", "GITHUB_REF_NAME"],
        job: &["GITHUB_JOB"],
        pipeline: &["GITHUB_RUN_ID"],
    },
    System {
        marker: "CI_COMMIT_SHA",
        commit: &["CI_COMMIT_SHA"],
        branch: &["CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "CI_COMMIT_REF_NAME"],
        job: &["CI_JOB_NAME"],
        pipeline: &["CI_PIPELINE_ID"],
    },
    System {
        marker: "BUILDKITE_COMMIT",
        commit: &["BUILDKITE_COMMIT"],
        branch: &["BUILDKITE_BRANCH"],
        job: &["BUILDKITE_STEP_KEY", "BUILDKITE_LABEL"],
        pipeline: &["BUILDKITE_BUILD_NUMBER"],
    },
    System {
        marker: "JENKINS_URL",
        commit: &["GIT_COMMIT"],
        branch: &["CHANGE_BRANCH", "BRANCH_NAME", "GIT_BRANCH"],
        job: &["JOB_NAME"],
        pipeline: &["BUILD_NUMBER"],
    },
];

/// The tags of a run. `--tag` wins over the variables of a CI system.
///
/// # Errors
/// When there are too many tags.
pub(super) fn tags(
    given: &[(String, String)],
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut tags = of_ci(environment);
    for (key, value) in given {
        tags.insert(key.clone(), clean(value));
    }
    if tags.len() > MOST {
        return Err(Failure::usage(format!("{} tags; a run has at most {MOST}", tags.len())));
    }
    Ok(tags)
}

fn of_ci(environment: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let set = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    let Some(system) = SYSTEMS.iter().find(|system| set(system.marker).is_some()) else {
        return BTreeMap::new();
    };
    let tags = [
        ("commit", system.commit),
        ("branch", system.branch),
        ("job", system.job),
        ("pipeline", system.pipeline),
    ];
    let found = tags
        .into_iter()
        .filter_map(|(key, names)| Some((key.to_owned(), clean(&names.iter().find_map(|name| set(name))?))));
    found.collect()
}

/// A value on one line, without secrets, and not too long.
fn clean(value: &str) -> String {
    show::fit(&shown(value), LONGEST.1)
}

/// Reads `KEY=VALUE`.
pub(super) fn parse(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as `team=pricing`")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !key.starts_with(|c: char| c.is_ascii_alphabetic()) || !key.chars().all(legal) || key.len() > LONGEST.0
    {
        let most = LONGEST.0;
        return Err(format!(
            "the key may have ASCII letters, digits and `_`, at most {most}, and begins with a letter"
        ));
    }
    if RESERVED.contains(&key) {
        return Err(format!("`{key}` is a fact of the report itself; choose another key"));
    }
    if value.trim().is_empty() {
        return Err("the value is empty".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], given: &[&str]) -> String {
        let environment =
            |name: &str| variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned());
        let given: Vec<_> = given.iter().map(|text| parse(text).unwrap()).collect();
        let tags = tags(&given, &environment).unwrap();
        tags.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn commit_branch_and_job_come_from_the_ci_system() {
        let github = [("GITHUB_SHA", "1a2b"), ("GITHUB_REF_NAME", "7/merge"), ("GITHUB_JOB", "gate")];
        assert_eq!(found(&github, &[]), "branch=7/merge commit=1a2b job=gate");
        let request = [&github[..], &[("GITHUB_HEAD_REF", "fix"), ("GITHUB_RUN_ID", "99")]].concat();
        assert_eq!(found(&request, &[]), "branch=fix commit=1a2b job=gate pipeline=99");
        let push = [&github[..], &[("GITHUB_HEAD_REF", "")]].concat();
        assert_eq!(found(&push, &[]), "branch=7/merge commit=1a2b job=gate", "it is empty on a push");
        let gitlab = [("CI_COMMIT_SHA", "3c"), ("CI_COMMIT_REF_NAME", "main"), ("CI_JOB_NAME", "gate: [a]")];
        assert_eq!(found(&gitlab, &[]), "branch=main commit=3c job=gate: [a]");
        let buildkite = [("BUILDKITE_COMMIT", "5d"), ("BUILDKITE_BRANCH", "b"), ("BUILDKITE_LABEL", "gate")];
        assert_eq!(found(&buildkite, &[]), "branch=b commit=5d job=gate");
        let jenkins = [("JENKINS_URL", "http://j/"), ("GIT_COMMIT", "6e"), ("GIT_BRANCH", "origin/x")];
        assert_eq!(found(&jenkins, &[]), "branch=origin/x commit=6e");
        assert_eq!(found(&[("GIT_COMMIT", "6e"), ("JOB_NAME", "x")], &[]), "", "not in a job");
    }

    #[test]
    fn a_tag_wins_over_the_environment_and_is_one_clean_line() {
        let github = [("GITHUB_SHA", "1a2b\n::error::x"), ("GITHUB_JOB", "\u{1b}[31mgate")];
        assert_eq!(found(&github, &[]), "commit=1a2b : :error::x job=\u{fffd}[31mgate");
        assert_eq!(
            found(&github, &["commit=main", "team=a b=c"]),
            "commit=main job=\u{fffd}[31mgate team=a b=c"
        );
        let long = found(&[], &[&format!("x={}", "y".repeat(5_000))]);
        assert_eq!(long.chars().count(), "x=".len() + LONGEST.1);
        assert_eq!(found(&[], &["x=nats://u:s3cret@h"]), "x=nats://***@h");
    }

    #[test]
    fn what_is_not_a_tag_is_refused() {
        for bad in ["x", "=x", "x=", "x= ", "a-b=c", "1=x", "a b=c", "run=x", "tickgate=x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("{}=x", "k".repeat(41))).is_err());
        let many: Vec<_> = (0..33).map(|n| (format!("k{n}"), "v".to_owned())).collect();
        assert!(tags(&many, &|_| None).is_err());
        assert!(tags(&many[1..], &|_| None).is_ok());
    }
}
