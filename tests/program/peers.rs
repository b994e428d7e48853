//! `make bench-peers` reads the output of other tools correctly, and nothing from unexpected output.

use std::path::Path;

use crate::support::outside;

#[test]
fn the_words_of_other_tools_are_read_strictly() {
    let how = "install Python 3.10 or later with venv, and run scripts/python.sh";
    if outside::brought("python", "scripts/python.sh", how) {
        let said = outside::python("scripts/peers", &[Path::new("--selftest")]);
        assert!(said.contains("read as they should be"), "{said}");
    }
}
