//! Short flags for profile keys: `--rate` and `--duration` become `--set`.

use super::Failure;
use crate::plan::{Rate, Span};
use crate::profile;

/// Short forms of the profile keys that are set most often.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Short {
    /// Rate of the load, for example 20k/s: short for --set load.rate=RATE
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(super) rate: Option<String>,
    /// Length of the measure phase, for example 30s: short for --set load.duration=TIME
    #[arg(long, short = 'd', value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<String>,
}

/// Reads a rate; a number alone is events per second, as other load tools take it.
pub(super) fn rate(text: &str) -> Result<String, String> {
    let text = text.trim();
    let number = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '_');
    let text = if number { format!("{text}/s") } else { text.to_owned() };
    if text == "max" {
        return Ok(text);
    }
    text.parse::<Rate>().map(|_| text).map_err(|error| error.to_string())
}

/// Reads a length of time.
pub(super) fn duration(text: &str) -> Result<String, String> {
    text.parse::<Span>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

impl Short {
    /// Each flag that is given, the key that it sets, and the value.
    fn given(&self) -> impl Iterator<Item = (&'static str, &'static str, &String)> {
        let all = [("--rate", "load.rate", &self.rate), ("--duration", "load.duration", &self.duration)];
        all.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value.as_ref()?)))
    }

    /// The overrides of a command line: those of `--set`, then the short flags. `sides` are the flags of single sides with their
    /// own overrides.
    ///
    /// # Errors
    /// When a short flag and another one set the same key: which of them is meant is unknown.
    pub(super) fn with(&self, sets: &[String], sides: &[(&str, &[String])]) -> Result<Vec<String>, Failure> {
        let given = [("--set", sets)].into_iter().chain(sides.iter().copied());
        for (other, set) in given.flat_map(|(other, sets)| sets.iter().map(move |set| (other, set))) {
            let Some(key) = profile::key_of(set) else { continue };
            if let Some((flag, of, _)) = self.given().find(|(_, of, _)| *of == key || key == "load") {
                let text = format!("`{flag}` and `{other} {set}` both set {of}; use one of them");
                return Err(Failure::usage(text));
            }
        }
        let short = self.given().map(|(_, key, value)| format!("{key}={value}"));
        Ok(sets.iter().cloned().chain(short).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_alone_is_a_rate_per_second() {
        for (text, expected) in [("5000", "5000/s"), ("20k/s", "20k/s"), ("max", "max"), (" 1k/s", "1k/s")] {
            assert_eq!(rate(text), Ok(expected.to_owned()));
        }
        for bad in ["", "5x", "k/s", "-1", "5000/m/s"] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert!(duration("30").is_err() && duration("30s").is_ok());
    }

    #[test]
    fn a_short_flag_and_a_set_of_the_same_key_are_refused_by_name() {
        let short = Short { rate: Some("5k/s".into()), duration: Some("3s".into()) };
        let with = |set: &str| short.with(&[set.to_owned()], &[]).map_err(|failure| failure.text);
        assert_eq!(
            with("market.symbols=5").unwrap(),
            ["market.symbols=5", "load.rate=5k/s", "load.duration=3s"]
        );
        for (set, flag) in [
            ("load.rate=1k/s", "--rate"),
            (" load . rate = 1", "--rate"),
            ("\"load\".rate=1", "--rate"),
            ("load={rate=\"1k/s\"}", "--rate"),
            ("load.duration=5s", "--duration"),
        ] {
            let error = with(set).unwrap_err();
            assert!(error.contains(flag) && error.contains(set), "{error}");
        }
        let longer = ["load.duration=5s".to_owned()];
        assert!(
            short.with(&[], &[("--b", &longer[..])]).unwrap_err().text.contains("`--b load.duration=5s`")
        );
        assert!(Short::default().with(&["load.rate=1".to_owned()], &[]).is_ok());
    }
}
