//! What people and brokers write: profiles, objectives, subject patterns, addresses, and any text.

use tickgate::bus::nats::model::Model;
use tickgate::bus::nats::{Auth, Secret, Target};
use tickgate::plan::Plan;
use tickgate::plan::grammar::{self, Side};
use tickgate::profile::{self, ProfileError, ProfileErrors, Source};
use tickgate::report::outside;
use tickgate::topology::Pattern;

/// The configuration of a stream or of consumers is the same when its JSON is read again, and can be held against a plan.
pub fn model(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let plan = profile::read(&Source::find("quick").unwrap(), &[]).unwrap();
    let file = "f.yaml";
    let either = [Model::read(Some((file, &text)), None, &[]), Model::read(None, None, &[(file, &text)])];
    for read in either {
        let model = match read {
            Ok(model) => model,
            Err(error) => {
                assert!(error.contains(file), "{error}");
                continue;
            }
        };
        drop(model.applied(&plan));
        drop(model.not_copied(&plan));
        let written = serde_json::json!({"config": model.stream}).to_string();
        let written = (!model.stream.is_empty()).then_some((file, &*written));
        let wrapped = |config| serde_json::json!({"stream_name": "S", "config": config}).to_string();
        let consumers: Vec<String> = model.consumers.iter().map(wrapped).collect();
        let consumers: Vec<(&str, &str)> = consumers.iter().map(|text| (file, &**text)).collect();
        let again = Model::read(written, None, &consumers).unwrap();
        assert_eq!((&again.stream, &again.consumers), (&model.stream, &model.consumers));
    }
}

/// Stands between a profile and each `--set` in the bytes of [`profile`].
const SEPARATOR: u8 = 0x1e;

/// A profile that is accepted is the same after it is written and read again; each mistake points into the text.
pub fn profile(bytes: &[u8]) {
    let mut parts = bytes.split(|&byte| byte == SEPARATOR);
    let text = parts.next().unwrap_or_default();
    let sets: Vec<String> = parts.map(|set| String::from_utf8_lossy(set).into_owned()).collect();
    match profile::read(&Source::new("p.toml", text), &sets) {
        Ok(plan) => {
            let written = profile::to_toml(&plan);
            assert_eq!(
                profile::read(&Source::new("p.toml", &*written), &[]).as_ref(),
                Ok(&plan),
                "{written}"
            );
            let json = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan, "{json}");
        }
        Err(errors) => errors_lie_in(&errors, text, &sets),
    }
}

fn errors_lie_in(errors: &ProfileErrors, text: &[u8], sets: &[String]) {
    assert!(!errors.errors.is_empty() && errors.errors.len() <= 50, "{errors}");
    let text = String::from_utf8_lossy(text);
    for error in &errors.errors {
        let there = match error.source.as_str() {
            "--set" => sets.iter().any(|set| lies_in(error, set)),
            _ => lies_in(error, &text),
        };
        assert!(there, "{}:{} is nowhere: {error}", error.line, error.column);
        assert!(!error.message.is_empty());
    }
    assert!(!errors.to_string().contains(|c: char| c.is_control() && c != '\n'), "{errors:?}");
}

fn lies_in(error: &ProfileError, text: &str) -> bool {
    let line = error.line.checked_sub(1).and_then(|line| text.split('\n').nth(line));
    line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&error.column))
}

/// An objective, `name` and `requirement` on a line each, prints as it parses; an error points into its side.
pub fn objective(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (name, requirement) = text.split_once('\n').unwrap_or((text, ""));
    match grammar::parse(name, requirement) {
        Ok(objective) => {
            let (name, requirement) = (objective.name(), objective.requirement());
            assert_eq!(grammar::parse(&name, &requirement), Ok(objective), "{name} {requirement}");
        }
        Err(error) => {
            let side = if error.side == Side::Name { name } else { requirement };
            assert!(side.get(error.at.clone()).is_some(), "{error:?} in {side:?}");
            assert!(!error.problem.is_empty() && !error.expected.is_empty(), "{error:?}");
            let near = error.nearest.is_none_or(|word| error.side == Side::Requirement || word.is_ascii());
            assert!(near, "a legal word is near, and no other");
        }
    }
}

/// Two patterns and a subject, on a line each, against matching as the NATS documentation words it.
pub fn pattern(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut lines = text.splitn(3, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (first, second, subject) = (line(), line(), line());
    for text in [first, second, subject] {
        let parsed = Pattern::parse(text);
        assert_eq!(parsed.is_ok(), legal(text), "{text:?}: {parsed:?}");
        match parsed {
            Ok(pattern) => {
                assert_eq!(pattern.to_string(), text);
                assert!(pattern.covers(&pattern) && pattern.overlaps(&pattern), "{text:?} with itself");
                let matching = is_subject(subject) && naive(&tokens(text), &tokens(subject));
                assert_eq!(pattern.matches(subject), matching, "{text:?} {subject:?}");
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control), "{error:?}"),
        }
    }
    if let (Ok(first), Ok(second)) = (Pattern::parse(first), Pattern::parse(second)) {
        relations(&first, &second);
        relations(&second, &first);
    }
}

/// What is said of two patterns has a subject that shows it.
fn relations(a: &Pattern, b: &Pattern) {
    let (ours, theirs) = (tokens(a.as_str()), tokens(b.as_str()));
    assert_eq!(a.overlaps(b), b.overlaps(a), "{a} {b}");
    // A word that neither has; a tail of every length that could make a difference.
    let word = "x".repeat(a.as_str().len() + b.as_str().len() + 1);
    let tails = || (1..=ours.len() + theirs.len()).map(|tail| vec![word.as_str(); tail]);
    let filled = |tail: &[&str]| -> Vec<String> {
        let (last, head) = theirs.split_last().unwrap();
        let tail = if *last == ">" { tail } else { std::slice::from_ref(last) };
        let all = head.iter().chain(tail);
        all.map(|token| if *token == "*" { word.clone() } else { (*token).to_owned() }).collect()
    };
    let matched = |pattern: &[&str], subject: &[String]| {
        naive(pattern, &subject.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let every = tails().all(|tail| matched(&ours, &filled(&tail)));
    assert_eq!(a.covers(b), every, "{a} covers {b}");
    let merged = |tail: &[&str]| -> Vec<String> {
        let ours = |at: usize| ours.get(at).filter(|token| !["*", ">"].contains(token));
        let pick = |(at, token): (usize, &String)| ours(at).map_or(token.clone(), |&ours| ours.to_owned());
        filled(tail)
            .iter()
            .enumerate()
            .map(|(at, token)| if *token == word { pick((at, token)) } else { token.clone() })
            .collect()
    };
    let common = tails().any(|tail| matched(&ours, &merged(&tail)) && matched(&theirs, &merged(&tail)));
    assert_eq!(a.overlaps(b), common, "{a} overlaps {b}");
}

fn tokens(text: &str) -> Vec<&str> {
    text.split('.').collect()
}

fn legal(text: &str) -> bool {
    let all = tokens(text);
    let token = |(at, token): (usize, &&str)| match *token {
        "" => false,
        "*" => true,
        ">" => at + 1 == all.len(),
        word => !word.contains(|c: char| "*>".contains(c) || c.is_whitespace() || c.is_control()),
    };
    all.iter().enumerate().all(token)
}

fn is_subject(text: &str) -> bool {
    legal(text) && !text.contains(['*', '>'])
}

fn naive(pattern: &[&str], subject: &[&str]) -> bool {
    match (pattern, subject) {
        ([], []) | ([">"], [_, ..]) => true,
        (["*", pattern @ ..], [_, subject @ ..]) => naive(pattern, subject),
        ([a, pattern @ ..], [b, subject @ ..]) => a == b && naive(pattern, subject),
        _ => false,
    }
}

/// Whatever a text from outside holds, what is shown of it moves no cursor, gives a CI system no command, forges no
/// line where it has one, and what stands before the `@` of a URL is gone.
pub fn outside(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let (plain, lines) = (outside::plain(&text), outside::lines(&text));
    for (shown, kept) in [(&plain, ""), (&lines, "\n\t")] {
        let moves = |c: char| (c.is_control() && !kept.contains(c)) || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!shown.contains(moves), "{shown:?}");
        assert!(!shown.contains("##[") && !shown.contains("##vso["), "{shown:?}");
    }
    assert!(!lines.split('\n').any(|line| line.trim_start().starts_with("::")), "{lines:?}");
    assert_eq!((outside::plain(&plain), outside::lines(&lines)), (plain, lines));
    let json = serde_json::to_string_pretty(&[&text]).unwrap();
    let shown = outside::json(&json);
    assert_eq!(serde_json::from_str::<[String; 1]>(&shown).unwrap()[0], text);
    assert!(!shown.contains("##") && !shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    secret(&text.replace(['\n', '\r'], " "));
}

/// A password of any characters reaches the server, and appears nowhere else.
fn secret(password: &str) {
    let (url, masked) = (format!("nats://me:{password}@h:1"), "nats://***@h:1");
    assert_eq!(outside::address(&url), masked);
    assert_eq!(outside::masked(&format!("side A: `{url}` is")), format!("side A: `{masked}` is"));
    match Target::parse(&url) {
        // A comma parts URLs, and what follows may be one.
        Ok(_) if password.contains(',') => {}
        Ok(target) => {
            assert_eq!((target.urls, target.label), (vec!["nats://h:1".to_owned()], "nats://h:1".to_owned()));
            if !password.contains('%') {
                let expected = Auth::User { user: "me".into(), password: Secret::new(password) };
                assert_eq!(target.auth, expected, "{password:?}");
            }
        }
        Err(error) => {
            assert!(password.contains(','), "{error}");
            let said = error.to_string();
            assert!(said.contains("***") && (password.len() < 9 || !said.contains(password)), "{said}");
        }
    }
}
