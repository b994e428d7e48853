//! Replays on the simulated bus: it hands out what it stored, at a pace of its own or with the original pauses, with the faults
//! that it is asked for, and keeps an account of what it handed out.

use super::faults::Fault;
use super::truth::{Handed, Replay};
use super::world::World;
use super::{SimBus, Time};
use crate::bus::{BusError, Delivery, Position, ReplaySink, Replaying, Start};
use crate::num;
use crate::plan::Ns;

/// In virtual time an event that is handed out as fast as possible takes so long.
pub const PACE_NS: Ns = 1000;
/// The longest sleep between two looks whether a replay in real time is to stop.
const LOOK: std::time::Duration = std::time::Duration::from_millis(20);

impl World {
    /// Returns the copies that a replay hands out, in order, each with whether its content is damaged.
    fn handed_out(&self, from: Start, epoch_unix_ns: u64, number: usize) -> Vec<(u32, bool)> {
        let copies = || (0_u32..).zip(&self.truth.copies).zip(&self.server.stored);
        let mut last = std::collections::HashMap::new();
        if from == Start::LastOfEach {
            last = copies().map(|((copy, _), stored)| ((stored.topic, stored.symbol), copy)).collect();
        }
        let (mut out, mut late) = (Vec::new(), Vec::new());
        for ((copy, of), stored) in copies() {
            let wanted = match from {
                Start::First => true,
                Start::Since(unix_ns) => epoch_unix_ns.saturating_add(of.stored) >= unix_ns,
                Start::Position(position) => u64::from(copy) + 1 >= position,
                Start::LastOfEach => last.get(&(stored.topic, stored.symbol)) == Some(&copy),
            };
            let name = u64::from(copy) | num::count(number) << 40 | 1 << 60;
            let hit = |fault| self.suffers(of.event, name, fault);
            let comes = (wanted && !hit(Fault::ReplayLost)) || (!wanted && hit(Fault::ReplayEarly));
            if !comes {
                continue;
            }
            let damaged = of.damaged || hit(Fault::ReplayCorrupt);
            if hit(Fault::ReplayLate) {
                late.push((copy, damaged));
                continue;
            }
            out.push((copy, damaged));
            if hit(Fault::ReplayTwice) {
                out.push((copy, damaged));
            }
        }
        out.append(&mut late);
        out
    }
}

impl SimBus {
    /// Carries out a replay; in virtual time at once, with the times that it would have had.
    ///
    /// # Errors
    /// None: reading is fallible by its interface.
    pub fn replay(
        &self,
        wanted: &Replaying<'_>,
        epoch_unix_ns: u64,
        sink: &mut dyn ReplaySink,
    ) -> Result<bool, BusError> {
        let (begun, place, all) = {
            let mut world = self.shared.world();
            let now = self.shared.time.now();
            world.advance(now);
            if world.server.stopped.is_some() {
                return Ok(false);
            }
            let all = world.handed_out(wanted.from, epoch_unix_ns, wanted.number);
            let place = world.truth.replays.len();
            let events_before = num::count32(world.truth.events.len());
            world.truth.replays.push(Replay {
                number: wanted.number,
                at: now,
                events_before,
                handed: Vec::new(),
            });
            (now, place, all)
        };
        sink.opened();
        let (mut payload, mut text) = (Vec::new(), String::new());
        let mut first = None;
        for (index, &(copy, damaged)) in (1_u64..).zip(&all) {
            let (stored, late) = {
                let world = self.shared.world();
                let stored = world.truth.copies.get(num::index32(copy)).map_or(0, |of| of.stored);
                (stored, world.faults.replay_pause.saturating_mul(index - 1))
            };
            let since_first = stored.saturating_sub(*first.get_or_insert(stored));
            let after = if wanted.original { since_first.saturating_add(late) } else { index * PACE_NS };
            let due = begun.saturating_add(after);
            let Some(received) = self.wait_for(due, wanted) else { return Ok(false) };
            let mut world = self.shared.world();
            let Some(of) = world.server.stored.get(num::index32(copy)).copied() else { continue };
            if damaged {
                let intact = world.slots.payload(of.slot).to_vec();
                world.damage(&intact, u64::from(copy) + 1, &mut payload);
            } else {
                payload.clear();
                payload.extend_from_slice(world.slots.payload(of.slot));
            }
            if let Some(log) = world.truth.replays.get_mut(place) {
                log.handed.push(Handed { copy, damaged, received });
            }
            drop(world);
            let subject = self.shared.subject(of.topic, of.symbol, &mut text);
            let position = Position { partition: 0, offset: u64::from(copy) + 1 };
            let delivery = Delivery { subject, payload: &payload, received, position, attempt: 1 };
            sink.event(&delivery, epoch_unix_ns.saturating_add(stored));
        }
        Ok(true)
    }

    /// Returns when something that is due then is received; `None` if the replay is to stop before.
    fn wait_for(&self, due: Ns, wanted: &Replaying<'_>) -> Option<Ns> {
        let Time::Real(clock) = &self.shared.time else { return Some(due) };
        loop {
            let now = clock.now();
            if wanted.is_over(now) {
                return None;
            }
            if now >= due || !wanted.original {
                return Some(now);
            }
            std::thread::sleep(LOOK.min(std::time::Duration::from_nanos(due - now)));
        }
    }
}
