//! Resolves and checks the comparison that a command line asks for, before the first run.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

use crate::cli::args::Compare;
use crate::cli::outside::shown;
use crate::cli::{Exit, Failure, check, environment, with_sources};
use crate::compare::{
    Design, Difference, EARLY_PAIRS, FEWEST_PAIRS, Letter, Prices, Unit, durability_differences, named,
    pairs_needed, workload_differences,
};
use crate::num;
use crate::plan::Plan;
use crate::profile::comparison::{self, ComparisonFile, SideFile};
use crate::report::labels::distinct;
use crate::report::outside::address;
use crate::report::show;
use crate::session::{Asked, Choice, NamedBy, Way};
use crate::stats::LOOKS;

/// The longest label of a side.
const LABEL: usize = 40;

/// A checked comparison, ready to start.
pub(super) struct Task {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) profile: String,
    pub(super) sets: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) design: Design,
    pub(super) prices: Option<Prices>,
    /// Two or more, in the order of their letters.
    pub(super) sides: Vec<Side>,
    /// The side that the others are compared with.
    pub(super) reference: Letter,
    /// Warnings to show before the first run.
    pub(super) warnings: Vec<String>,
}

/// One side, ready to run.
pub(super) struct Side {
    pub(super) label: String,
    pub(super) overrides: Vec<String>,
    pub(super) plan: Plan,
    pub(super) asked: Asked,
    pub(super) choice: Choice,
}

impl Task {
    /// Reads the comparison or the profile, applies the flags, and checks all sides.
    pub(super) fn resolve(args: &Compare) -> Result<Self, Failure> {
        let found = comparison::find(&args.what).map_err(|error| Failure::usage(with_sources(&error)))?;
        let is_file = found.is_some();
        let mut file =
            found.unwrap_or_else(|| ComparisonFile { profile: args.what.clone(), ..Default::default() });
        if file.name.is_empty() {
            let name = args.what.rsplit('/').next().unwrap_or_default();
            name.trim_end_matches(".toml").clone_into(&mut file.name);
        }
        let by_file = over_file(&mut file, args)?;
        let letters = Letter::ALL.map(|letter| format!("--{}", letter.lower()));
        let sides: Vec<(&str, &[String])> = letters.iter().map(String::as_str).zip(args.sides()).collect();
        file.sets.extend(args.short.with(&args.sets, &sides)?);
        if !is_file && args.sides().iter().all(|flags| flags.is_empty()) {
            let text = format!(
                "say how the sides of `{}` differ, for example --a bus.storage=file --b bus.storage=memory, or name a \
                 comparison ({})",
                args.what,
                comparison::shipped().iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
            );
            return Err(Failure { exit: Exit::Usage, text });
        }
        let mut sides = Vec::new();
        let mut prices: Option<Prices> = None;
        for ((letter, of), by_file) in Letter::ALL.into_iter().zip(&file.sides).zip(by_file) {
            let (side, own) = side(letter, &file, of, args, by_file)?;
            prices = one_price(prices, own)?;
            sides.push(side);
        }
        file.name = shown(&file.name);
        let labels: Vec<String> = sides.iter().map(|side: &Side| side.label.clone()).collect();
        let named = args.reference.as_ref().or(file.reference.as_ref());
        let reference = reference(named, &labels.iter().map(String::as_str).collect::<Vec<_>>())?;
        for (side, short) in sides.iter_mut().zip(distinct(&labels, LABEL)) {
            side.label = short;
        }
        all_by_environment(&sides)?;
        let design = design(&file, args);
        let mut warnings = refused(&design, &sides, reference)?;
        warnings.extend(warned(&design, &sides));
        for note in sides.iter().flat_map(|side| crate::profile::left_out(&side.plan)) {
            if !warnings.contains(&note) {
                warnings.push(note);
            }
        }
        let ComparisonFile { name, description, profile, sets, notes, .. } = file;
        Ok(Self { name, description, profile, sets, notes, design, prices, sides, reference, warnings })
    }

    /// Each side with its letter.
    pub(super) fn lettered(&self) -> impl Iterator<Item = (&'static str, &Side)> {
        Letter::ALL.into_iter().map(Letter::as_str).zip(&self.sides)
    }
}

/// Lays the flags of each side over the file; returns for each side whether the file chooses its broker.
fn over_file(file: &mut ComparisonFile, args: &Compare) -> Result<Vec<bool>, Failure> {
    let least = file.sides.len().max(2);
    file.sides.resize_with(least, SideFile::default);
    for (at, (letter, flags)) in Letter::ALL.into_iter().zip(args.sides()).enumerate() {
        if flags.is_empty() || at < file.sides.len() {
            continue;
        }
        if let Some(missing) = Letter::ALL.get(file.sides.len()).filter(|missing| **missing != letter) {
            return Err(Failure::usage(format!(
                "there is a side --{} and no --{}; give the sides in the order of their letters",
                letter.lower(),
                missing.lower()
            )));
        }
        file.sides.push(SideFile::default());
    }
    let mut all = Vec::new();
    for ((letter, side), flags) in Letter::ALL.into_iter().zip(&mut file.sides).zip(args.sides()) {
        let flags = SideFile::of_flags(flags);
        all.push(by_file(letter.lower(), side, &flags, args)?);
        *side = std::mem::take(side).with(flags);
    }
    Ok(all)
}

/// The prices of all sides.
fn one_price(prices: Option<Prices>, own: Option<Prices>) -> Result<Option<Prices>, Failure> {
    match (prices, own) {
        (Some(a), Some(b)) if a != b => Err(Failure::usage(
            "the sides have different [prices], so their costs cannot be compared; set them for all, for example \
             --set prices.core=20",
        )),
        (a, b) => Ok(a.or(b)),
    }
}

/// The side that a letter or a label names; the first if nothing does.
pub(super) fn reference(named: Option<&String>, labels: &[&str]) -> Result<Letter, Failure> {
    let Some(named) = named.map(|named| shown(named.trim())) else { return Ok(Letter::A) };
    let lettered = || Letter::ALL.into_iter().zip(labels);
    let by_letter = lettered().find(|(letter, _)| letter.as_str().eq_ignore_ascii_case(&named));
    let found = by_letter.or_else(|| lettered().find(|(_, label)| **label == named));
    found.map(|(letter, _)| letter).ok_or_else(|| {
        let all: Vec<String> =
            lettered().map(|(letter, label)| format!("{} ({label})", letter.lower())).collect();
        Failure::usage(format!("`{named}` is not a side; the reference is one of {}", all.join(", ")))
    })
}

/// Warnings about a design and its sides.
fn warned(design: &Design, sides: &[Side]) -> Vec<String> {
    let mut warnings = Vec::new();
    let contrasts = sides.len() - 1;
    let needed = needed(design.decide.len(), contrasts);
    let last = LOOKS[LOOKS.len() - 1];
    if design.early && design.pairs < last {
        warnings.push(format!(
            "--early looks after {} pairs: with --pairs {} the last look is never reached",
            LOOKS.map(|pairs| pairs.to_string()).join(", "),
            design.pairs
        ));
    } else if design.pairs < FEWEST_PAIRS {
        warnings.push(format!(
            "with fewer than {FEWEST_PAIRS} pairs the comparison is always inconclusive: see --pairs"
        ));
    } else if contrasts > 1 && design.pairs < needed {
        warnings.push(format!(
            "{contrasts} sides that are compared with the reference need {needed} rounds to distinguish a difference from \
             chance: see --pairs"
        ));
    }
    let times = design.decide.iter().any(|name| named(name).is_some_and(|m| m.unit == Unit::Time));
    if times && sides.iter().any(|side| side.plan.load.is_closed()) {
        warnings.push(
            "a closed load (`load.rate = \"max\"`) has no latencies to compare: choose a metric that decides, for example \
             --decide broker.cpu"
                .into(),
        );
    }
    let same = |one: &Side, other: &Side| one.plan == other.plan && one.asked.same_bus(&other.asked);
    for (at, (letter, one)) in Letter::ALL.into_iter().zip(sides).enumerate() {
        let mut later = Letter::ALL.into_iter().zip(sides).skip(at + 1);
        if let Some((other, _)) = later.find(|(_, other)| same(one, other)) {
            let which = if contrasts == 1 {
                "both sides".to_owned()
            } else {
                format!("sides {} and {}", letter.as_str(), other.as_str())
            };
            warnings.push(format!("{which} are the same: this shows how much runs vary without any change"));
        }
    }
    warnings
}

/// The rounds that the deciding metrics of all contrasts need together.
fn needed(decide: usize, contrasts: usize) -> u32 {
    pairs_needed(num::count32(decide * contrasts), Design::default().alpha)
}

/// Does the comparison file set the broker address or image of this side? An error unless the command line allows it.
fn by_file(letter: &str, file: &SideFile, flags: &SideFile, args: &Compare) -> Result<bool, Failure> {
    let Some(at) = &file.broker else { return Ok(false) };
    let named = flags.broker.is_some() || flags.context.is_some();
    let here = Asked { at: Some(at.clone()), ..Asked::default() };
    if named || matches!(here.way(), Way::Process | Way::Simulated) {
        return Ok(false);
    }
    if args.allow_broker {
        return Ok(true);
    }
    let at = address(at);
    Err(Failure::usage(format!(
        "the comparison `{}` names a broker for side {letter}: `{at}`; use --allow-broker to accept it, or \
         name one on the command line, for example --{letter} broker=local",
        args.what
    )))
}

fn side(
    letter: Letter,
    file: &ComparisonFile,
    side: &SideFile,
    args: &Compare,
    by_file: bool,
) -> Result<(Side, Option<Prices>), Failure> {
    let letter = letter.as_str();
    let profile = side.profile.as_ref().unwrap_or(&file.profile);
    // The comparison's prices override the profile's; `--set` overrides both.
    let sets: Vec<String> =
        file.priced().into_iter().chain(file.sets.iter().chain(&side.sets).cloned()).collect();
    let (plan, prices) = check::with_prices(profile, &sets)
        .map_err(|failure| Failure { text: format!("side {letter}: {}", failure.text), ..failure })?;
    let mut asked = args.like.over(args.broker.asked());
    if by_file {
        // Credentials from the command line and the environment are meant for the broker named there, not for the file's.
        let Asked { tls_ca, js_api_prefix, js_domain, inbox_prefix, port, store, .. } = asked;
        let Asked { stream_config, consumer_config, .. } = asked;
        asked = Asked {
            tls_ca,
            js_api_prefix,
            js_domain,
            inbox_prefix,
            port,
            store,
            stream_config,
            consumer_config,
            named_by: NamedBy::File,
            ..Asked::default()
        };
    }
    if let Some(at) = &side.broker {
        asked.at = Some(at.clone());
        asked.context = None;
    }
    if side.context.is_some() && side.broker.is_some() {
        return Err(Failure::usage(format!(
            "side {letter}: `broker` and `context` are mutually exclusive; give one"
        )));
    }
    if let Some(context) = &side.context {
        // The context includes the address.
        asked.at = None;
        asked.context = Some(context.clone().into());
    }
    if side.broker.is_some() || side.context.is_some() || side.is_monitored() {
        // What the command line names for both is not of this bus, or the side says it itself.
        asked = asked.unmonitored();
    }
    if let Some(monitor) = &side.monitor {
        asked.monitor = monitor.split(',').map(str::to_owned).collect();
    }
    asked.monitor_creds = side.monitor_creds.as_ref().map(PathBuf::from).or(asked.monitor_creds);
    asked.monitor_context = side.monitor_context.clone().or(asked.monitor_context);
    asked.monitor_user = side.monitor_user.clone().or(asked.monitor_user);
    asked.creds = side.creds.as_ref().map(PathBuf::from).or(asked.creds);
    let choice = Choice::resolve(&asked, &plan, &environment).map_err(Failure::from);
    let choice =
        choice.map_err(|failure| Failure { text: format!("side {letter}: {}", failure.text), ..failure })?;
    let said = side.said();
    let label = side.label.clone().or_else(|| said.first().map(|first| label(first))).unwrap_or_default();
    let label = shown(&label);
    Ok((Side { label, overrides: said, plan, asked, choice }, prices))
}

/// Default label of a side: the value of its first flag, without TOML quotes.
fn label(flag: &str) -> String {
    flag.trim().replace('"', "")
}

/// The environment names the bus of all sides or of none: otherwise one of them would run on a bus that was not asked for.
fn all_by_environment(sides: &[Side]) -> Result<(), Failure> {
    if sides.iter().all(|side| side.choice.is_by_environment()) {
        return Ok(());
    }
    let mut lettered = Letter::ALL.into_iter().zip(sides);
    let Some((letter, by)) = lettered.find(|(_, side)| side.choice.is_by_environment()) else {
        return Ok(());
    };
    let others = if sides.len() > 2 { "another side" } else { "the other side" };
    Err(Failure::usage(format!(
        "side {} would run on {}, and {others} elsewhere; say where it is to run: --{low} broker=local, or \
         --{low} broker= with an address",
        letter.as_str(),
        by.choice.target(),
        low = letter.lower(),
    )))
}

fn design(file: &ComparisonFile, args: &Compare) -> Design {
    let default = Design::default();
    let decide = if args.decide.is_empty() { &file.decide } else { &args.decide };
    let equivalent = args.equivalent.or(file.equivalent);
    // Two sides have the default, whatever decides.
    let contrasts = file.sides.len().saturating_sub(1);
    let needed = if contrasts > 1 { needed(decide.len().max(1), contrasts) } else { 0 };
    let pairs = if args.early { EARLY_PAIRS } else { default.pairs.max(needed) };
    Design {
        pairs: args.pairs.or(file.pairs).unwrap_or(pairs),
        seed: args.seed.unwrap_or_else(|| RandomState::new().hash_one("order") >> 12),
        cool_down: args.cool_down.or(file.cool_down).unwrap_or(default.cool_down),
        min_effect: args.min_effect.or(file.min_effect).unwrap_or(default.min_effect),
        equivalent: equivalent.unwrap_or(default.equivalent),
        equivalence_asked: equivalent.is_some(),
        allow_unequal: args.allow_unequal || file.allow_unequal,
        allow_different_workload: args.allow_different_workload || file.allow_different_workload,
        decide: if decide.is_empty() { default.decide.clone() } else { decide.clone() },
        early: args.early,
        worse_only: args.worse_only,
        ..default
    }
}

/// Rejects sides with different load or durability before anything is sent. Differences that a flag allows are warnings.
fn refused(design: &Design, sides: &[Side], reference: Letter) -> Result<Vec<String>, Failure> {
    let mut warnings = Vec::new();
    let a = &sides[reference.index()];
    for (letter, b) in Letter::ALL.into_iter().zip(sides).filter(|(letter, _)| *letter != reference) {
        let which = match sides.len() {
            2 => "the sides".to_owned(),
            _ => format!("sides {} and {}", reference.as_str(), letter.as_str()),
        };
        let workload = workload_differences(&a.plan, &b.plan);
        if !workload.is_empty() {
            let text = format!("{which} do not have the same load: {}", list(&workload));
            if !design.allow_different_workload {
                return Err(Failure::usage(format!(
                    "{text}; set the same for all (--set), or use --allow-different-workload"
                )));
            }
            warnings.push(text);
        }
        let durability = durability_differences(&a.plan, &b.plan);
        if !durability.is_empty() && !design.allow_unequal {
            return Err(Failure::usage(format!(
                "{which} are not equally durable, so neither can be called better: {}; set the same for all, or use \
                 --allow-unequal",
                list(&durability)
            )));
        }
    }
    Ok(warnings)
}

fn list(differences: &[Difference]) -> String {
    const SHOWN: usize = 5;
    let one = |d: &Difference| format!("{} is {} and {}", d.key, show::fit(&d.a, 60), show::fit(&d.b, 60));
    let mut all: Vec<String> = differences.iter().take(SHOWN).map(one).collect();
    if differences.len() > SHOWN {
        all.push(format!("and {} more", differences.len() - SHOWN));
    }
    all.join("; ")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::{Args, Command};

    /// Whatever the environment of the tests names.
    const HERE: [&str; 2] = ["--broker", "local"];

    fn prices(more: &[&str]) -> Result<Option<Prices>, String> {
        let words = [&["tickgate", "compare"], more, &HERE].concat();
        let Command::Compare(args) = Args::try_parse_from(words).unwrap().command else {
            panic!("a comparison")
        };
        Task::resolve(&args).map(|task| task.prices).map_err(|failure| failure.text)
    }

    fn warnings(more: &[&str]) -> Vec<String> {
        let words = [
            &["tickgate", "compare", "quick", "--a", "bus.window=500", "--b", "bus.window=1000"],
            more,
            &HERE,
        ]
        .concat();
        let Command::Compare(args) = Args::try_parse_from(words).unwrap().command else {
            panic!("a comparison")
        };
        Task::resolve(&args).map_or_else(|failure| panic!("{}", failure.text), |task| task.warnings)
    }

    #[test]
    fn a_closed_load_has_no_times_to_decide_by() {
        let closed = ["--set", "load.rate=max", "--set", "load.arrival=closed", "--set", "objectives={}"];
        assert!(warnings(&closed).iter().any(|w| w.contains("has no latencies")), "{:?}", warnings(&closed));
        let by_use = [&closed[..], &["--decide", "broker.cpu"]].concat();
        assert_eq!(warnings(&by_use), [""; 0]);
        assert_eq!(warnings(&[]), [""; 0]);
    }

    #[test]
    fn a_comparisons_prices_lie_over_the_profiles_and_what_is_set_over_both() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let quick = crate::profile::builtin::get("quick").unwrap();
        let table = |core: u32| format!("\n[prices]\ncore = {core}\ngib_memory = 4\ngb_disk = 0.5\n");
        let profile = write("priced.toml", &format!("{quick}{}currency = \"EUR\"\n", table(10)));
        let sides = "[a]\nbus.window = 500\n[b]\nbus.window = 1000\n";
        let bare = write("bare.toml", &format!("profile = {profile:?}\n{sides}"));
        let own = write("own.toml", &format!("profile = {profile:?}\n{sides}{}", table(20)));
        let of = |more: &[&str]| prices(more).unwrap().map(|prices| (prices.currency, prices.core));
        let flags = ["--a", "bus.window=500", "--b", "bus.window=1000"];
        assert_eq!(of(&[&["quick"], &flags[..]].concat()), None);
        assert_eq!(of(&[&[profile.as_str()], &flags[..]].concat()), Some(("EUR".into(), 10.0)));
        assert_eq!(of(&[&bare]), Some(("EUR".into(), 10.0)));
        assert_eq!(of(&[&own]), Some(("USD".into(), 20.0)));
        assert_eq!(of(&[&own, "--set", "prices.core=30"]), Some(("USD".into(), 30.0)));
        assert_eq!(of(&[&own, "--b", "profile=quick"]), Some(("USD".into(), 20.0)), "they are of both sides");
        let differing = prices(&[&bare, "--b", "prices.core=30"]).unwrap_err();
        assert!(differing.contains("different [prices]"), "{differing}");
    }
}
