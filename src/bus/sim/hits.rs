//! Which faults hit what, and when.

use super::faults::{Cut, Fault, Hits, How, Stretch};
use super::world::World;
use crate::num;
use crate::plan::Ns;

impl World {
    /// Returns a fault's parameter if the fault hits. `event` is the event it would hit; `name` keeps its random
    /// draws separate.
    pub(super) fn mishap<T>(
        &self,
        event: Option<u32>,
        name: u64,
        pick: impl Fn(Fault) -> Option<T>,
    ) -> Option<T> {
        if self.faults.healed.is_some_and(|healed| healed <= self.agenda.now()) {
            return None;
        }
        for (nth, mishap) in (1_u64..).zip(&self.faults.mishaps) {
            let Some(found) = pick(mishap.fault) else { continue };
            let hit = match mishap.hits {
                Hits::Share(share) => self.random.unit([name, nth << 32]) <= share,
                Hits::Events { symbol, from, to } => event.is_some_and(|event| {
                    let event = &self.truth.events[num::index32(event)];
                    symbol.is_none_or(|symbol| symbol == event.symbol)
                        && (from..=to).contains(&event.sequence)
                }),
            };
            if hit {
                return Some(found);
            }
        }
        None
    }

    /// Returns whether a fault without a parameter hits.
    #[inline]
    pub(super) fn suffers(&self, event: Option<u32>, name: u64, fault: Fault) -> bool {
        !self.faults.mishaps.is_empty()
            && self.mishap(event, name, |other| (other == fault).then_some(())).is_some()
    }

    /// Returns the outage of a kind at a moment.
    #[inline]
    pub(super) fn outage(&self, at: Ns, how: How) -> Option<Stretch> {
        let mut of_kind = self.faults.outages.iter().filter(|outage| outage.how == how);
        of_kind.find(|outage| outage.time.contains(at)).map(|outage| outage.time)
    }

    /// Returns the cut that takes what is on the wire from `sent` to `arriving`.
    pub(super) fn cut_between(&self, sent: Ns, arriving: Ns) -> Option<Cut> {
        self.faults.cuts.iter().copied().find(|cut| cut.time.from <= arriving && sent < cut.time.end())
    }
}
