//! The rates of a run as a table.

use super::show;
use super::table::Table;
use crate::num;
use crate::record::Record;

/// What was offered, sent, confirmed and delivered in the measure phase; no rows where nothing was due.
pub(crate) fn rates(record: &Record) -> Table {
    let mut table = Table::new(["rate", "a second", "events", "of those due"]);
    let (load, seconds) = (&record.load, record.measured_seconds());
    if load.measured_intended == 0 || seconds <= 0.0 {
        return table;
    }
    let mut row = |name: String, rate: f64, events: u64, due: u64| {
        table.row([name, show::fine_rate(rate), show::count(events), show::part(events, due)]);
    };
    let due = load.measured_intended;
    row("offered".into(), load.offered_rate, due, due);
    row("sent".into(), load.sent_rate, load.measured_sent, due);
    row("confirmed".into(), load.acked_rate, load.measured_acked, due);
    for group in record.groups.iter().filter(|group| group.measured_intended > 0) {
        let rate = num::f64_of(group.measured_in_time) / seconds;
        row(
            show::plain(&format!("in time to {}", group.name)),
            rate,
            group.measured_in_time,
            group.measured_intended,
        );
    }
    table
}
