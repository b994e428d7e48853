//! Reads how a loss of power is emulated: `writeback` of the faults that are one, or `power` of `[cluster]`. A run has one model, since the
//! servers run below their supervisors from the start.

use super::faults::name_of;
use super::keys;
use super::place::quoted;
use super::section::Reader;
use super::tree::{Table, Value};
use crate::plan::{Action, Choice as _, Cluster, Span, Writeback};

/// Legal models, in words.
pub(super) const EXPECTED: &str = "`\"never\"` (only what was synced survives), or a time from 1s to 1h such as `\"30s\"` (also what was first changed so long ago)";
const LEAST: Span = Span::seconds(1);
const MOST: Span = Span::seconds(3600);

/// The model that a text names, if it is one.
pub(super) fn model(text: &str) -> Option<Writeback> {
    let model: Writeback = text.parse().ok()?;
    model.after().is_none_or(|after| (LEAST..=MOST).contains(&after)).then_some(model)
}

/// Takes the model from the faults.
pub(super) fn read(root: &Table, cluster: &mut Cluster, reader: &mut Reader) {
    let Some(Value::Array(items)) = root.get("faults").map(|entry| &entry.node.value) else { return };
    for item in items {
        let Value::Table(table) = &item.value else { continue };
        let Some(Value::Text(action)) = table.get("do").map(|entry| &entry.node.value) else { continue };
        if Action::of_word(action) != Some(Action::PowerLoss) {
            continue;
        }
        let path = format!("faults.{}.{}", name_of(item).unwrap_or_default(), keys::WRITEBACK);
        let Some(entry) = table.get(keys::WRITEBACK) else {
            if cluster.power.is_none() {
                reader.missing(&path, item.at, || format!("`{path}` is missing; expected {EXPECTED}"));
            }
            continue;
        };
        let text = match &entry.node.value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        };
        match (text.and_then(model), cluster.power) {
            (None, _) => {
                let found = text.map_or_else(|| entry.node.describe(), quoted);
                reader
                    .wrong_key(&path, entry.node.at, || format!("`{path}` is {found}; expected {EXPECTED}"));
            }
            (Some(model), Some(other)) if model != other => {
                reader.wrong_key(&path, entry.node.at, || {
                    format!(
                        "`{path}` is `{model}`, and the servers of this run are prepared for `{other}`; expected the same in each \
                         `power-loss`, and in `power` of [cluster]"
                    )
                });
            }
            (Some(model), _) => cluster.power = Some(model),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, Source, to_toml};

    fn plan(faults: &str) -> Result<crate::plan::Plan, String> {
        let text = format!(
            "groups = []\n[load]\nrate = \"1k/s\"\nduration = \"60s\"\n{faults}\n[objectives]\n\"delivery.not_stored\" = \"== 0\"\n"
        );
        let source = Source::new("p.toml", text);
        profile::read(&source, &[]).map_err(|errors| errors.to_string())
    }

    fn loss(at: u32, writeback: &str) -> String {
        format!(
            "[[faults]]\nname = \"f{at}\"\nat = \"{at}s\"\ndo = \"power-loss\"\ntarget = \"all\"\nfor = \"1s\"\nsettle = \"5s\"\n\
             expect = \"outage\"\n{writeback}\n"
        )
    }

    #[test]
    fn the_model_is_named_once_and_the_same_everywhere() {
        let never = plan(&loss(5, "writeback = \"never\"")).unwrap();
        assert_eq!(never.cluster.power, Some(Writeback::Never));
        let again = profile::read(&Source::new("p.toml", to_toml(&never)), &[]).unwrap();
        assert_eq!(again, never, "written as a profile and read again");
        let thirty = plan(&loss(5, "writeback = \"30s\"")).unwrap();
        assert_eq!(thirty.cluster.power, Some(Writeback::After(Span::seconds(30))));
        let of_cluster = plan(&format!("[cluster]\npower = \"5s\"\n{}", loss(5, ""))).unwrap();
        assert_eq!(of_cluster.cluster.power, Some(Writeback::After(Span::seconds(5))));
        for (faults, said) in [
            (loss(5, ""), "`faults.f5.writeback` is missing"),
            (loss(5, "writeback = \"always\""), "`faults.f5.writeback` is `always`"),
            (loss(5, "writeback = 30"), "expected `\"never\"`"),
            (loss(5, "writeback = \"10ms\""), "from 1s to 1h"),
            (
                format!("{}{}", loss(5, "writeback = \"never\""), loss(30, "writeback = \"30s\"")),
                "the servers of this run are prepared for `never`",
            ),
            (
                loss(5, "writeback = \"never\"").replace("power-loss", "kill"),
                "it belongs to `do = \"power-loss\"`",
            ),
            ("[cluster]\npower = \"no\"".to_owned(), "`cluster.power` is `no`"),
        ] {
            let errors = plan(&faults).unwrap_err();
            assert!(errors.contains(said), "{said}: {errors}");
        }
    }
}
