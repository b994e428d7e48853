//! What a user needs to be allowed to do, for messages about a missing right.

use super::names::Names;
use crate::topology::{Naming, OWN};

/// Where the least rights of a run are listed.
const LISTED: &str = "docs/permissions.md lists what a run needs";

/// Returns the prefix of the names of a run's topics, in words.
fn topics(names: &Names) -> String {
    match (names.attached(), names.naming()) {
        (true, _) => format!("topic {}", names.topics().first().map_or("", String::as_str)),
        (false, Naming::Private) => format!("topics whose names begin with `{OWN}`"),
        (false, Naming::Profile) => format!("topics whose names begin with `{}`", names.prefix()),
    }
}

pub(super) fn create(names: &Names) -> String {
    format!("allow the user to Create {}; {LISTED}", topics(names))
}

pub(super) fn write(names: &Names) -> String {
    format!("allow the user to Write to {}; {LISTED}", topics(names))
}

pub(super) fn delete() -> String {
    format!("allow the user to Delete topics and groups whose names begin with `{OWN}` ({LISTED})")
}

pub(super) fn read(names: &Names) -> String {
    format!("allow the user to Read {}, and groups whose names begin with `{OWN}`; {LISTED}", topics(names))
}

pub(super) fn describe(names: &Names) -> String {
    format!("allow the user to Describe {}; {LISTED}", topics(names))
}

pub(super) fn describe_configs(topic: &str) -> String {
    format!("allow the user to DescribeConfigs of topic {topic}; {LISTED}")
}
