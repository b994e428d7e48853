//! Reports in a real browser: light, dark, narrow and on paper.
//!
//! With `TICKGATE_PICTURES=1`, pictures of every page are kept in target/report-pages/, to be looked at.

use tickgate::profile;
use tickgate::report::{self, Beside};

use crate::support::capacities;
use crate::support::comparisons;
use crate::support::outside;
use crate::support::records;

#[test]
fn pages_are_sound_in_a_browser() {
    let python = outside::brought(
        "python",
        "scripts/python.sh",
        "install Python 3.10 or later with venv, and run scripts/python.sh",
    );
    let browser =
        outside::brought("browser", "scripts/browser.sh check", "as root on Debian, run scripts/browser.sh");
    if !python || !browser {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, record) in records::all() {
        let toml = profile::to_toml(&record.plan);
        let files = report::files(&record, &Beside { plan_toml: &toml, ..Beside::default() });
        for (file, bytes) in files.iter().filter(|(file, _)| {
            // The charts of the others are drawn alike.
            file == "report.html"
                || (file.starts_with("charts/")
                    && ["failing", "crowded", "three-faults", "many-faults"].contains(&name))
        }) {
            let path = folder.path().join(name).join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    for (name, comparison) in comparisons::all() {
        for (file, bytes) in report::compare::files(&comparison) {
            let path = folder.path().join(format!("compare-{name}")).join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    for (name, account) in capacities::all() {
        for (file, bytes) in report::capacity::files(&account) {
            let path = folder.path().join(format!("capacity-{name}")).join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
    let pictures = outside::root().join("target/report-pages");
    let mut places = vec![folder.path()];
    if std::env::var_os("TICKGATE_PICTURES").is_some() {
        std::fs::create_dir_all(&pictures).unwrap();
        places.push(&pictures);
    }
    let said = outside::python("tests/browser/look.py", &places);
    let all = records::all().len() + comparisons::all().len() + capacities::all().len();
    assert!(said.contains(&format!("{all} reports are sound")), "{said}");
}
