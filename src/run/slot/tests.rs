use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::bus::Position;

const WAIT: Duration = Duration::from_millis(1);

/// Notes what becomes of it; each of its calls hands over an event, and its orderly end another one.
struct Noted {
    name: u64,
    ends: Arc<Mutex<Vec<(u64, &'static str)>>>,
}

impl Noted {
    fn end(&self, how: &'static str) {
        self.ends.lock().unwrap().push((self.name, how));
    }
}

fn hand_over(offset: u64, sink: &mut dyn FnMut(&Delivery<'_>)) {
    let position = Position { partition: 0, offset };
    sink(&Delivery { subject: "", payload: b"", received: 0, position, attempt: 1 });
}

impl Member for Noted {
    fn receive(&mut self, _: Duration, sink: &mut dyn FnMut(&Delivery<'_>)) -> Result<usize, BusError> {
        hand_over(self.name, sink);
        Ok(1)
    }

    fn leave(self, sink: &mut dyn FnMut(&Delivery<'_>)) {
        hand_over(self.name + 100, sink);
        self.end("left");
    }

    fn crash(self) -> Option<Left> {
        self.end("crashed");
        Some(Left { last: self.name, ..Left::default() })
    }
}

/// The offsets of one call.
fn received(slot: &mut Slot<Noted>) -> Vec<u64> {
    let mut offsets = Vec::new();
    let said = slot.receive(WAIT, &mut |delivery| offsets.push(delivery.position.offset)).unwrap();
    assert_eq!(said, offsets.len(), "the number that it says");
    offsets
}

#[test]
fn a_place_outlives_its_members_and_hands_over_what_each_of_them_has() {
    let ends = Arc::<Mutex<Vec<_>>>::default();
    let noted = |name| Noted { name, ends: Arc::clone(&ends) };
    let (mut slot, orders) = Slot::open(noted(1));
    let give = |order: fn(Sender<()>) -> Order<Noted>| {
        let (done, answer) = channel();
        orders.send(order(done)).unwrap();
        answer
    };
    let crash = || {
        let (done, answer) = channel();
        orders.send(Order::Crash(done)).unwrap();
        answer
    };
    assert_eq!(received(&mut slot), [1]);
    let crashed = crash();
    assert!(crashed.try_recv().is_err(), "not before the thread comes to it");
    let left = Left { last: 1, ..Left::default() };
    assert_eq!((received(&mut slot), crashed.try_recv()), (vec![], Ok(Some(left))));
    assert_eq!(received(&mut slot), [0; 0], "the slot is empty");
    // An empty slot has no member to end.
    let again = crash();
    assert_eq!((received(&mut slot), again.try_recv()), (vec![], Ok(None)));

    let (done, taken) = channel();
    orders.send(Order::Succeed(noted(2), done)).unwrap();
    assert_eq!((received(&mut slot), taken.try_recv()), (vec![], Ok(())));
    assert_eq!(received(&mut slot), [2]);
    let left = give(Order::Leave);
    assert_eq!((received(&mut slot), left.try_recv()), (vec![102], Ok(())), "what was on its way");
    assert_eq!(*ends.lock().unwrap(), [(1, "crashed"), (2, "left")]);
    drop(orders);
    assert_eq!(received(&mut slot), [0; 0], "no more orders can come");
    assert_eq!(received(&mut Slot::of(noted(3))), [3]);
}

#[test]
fn a_roster_acts_on_the_members_of_running_threads() {
    let ends = Arc::<Mutex<Vec<_>>>::default();
    let stop = Arc::new(AtomicBool::new(false));
    let (mut threads, mut orders) = (Vec::new(), Vec::new());
    for name in 0..2 {
        let (mut slot, send) = Slot::open(Noted { name, ends: Arc::clone(&ends) });
        orders.push(send);
        let stop = Arc::clone(&stop);
        threads.push(std::thread::spawn(move || {
            let mut last = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                last.extend(received(&mut slot));
            }
            last
        }));
    }
    let (noted, signals) = (Arc::clone(&ends), Arc::<GroupSignals>::default());
    let successors: Successors<Noted> =
        Box::new(move |_, member| Ok(Noted { name: 10 + u64::from(member), ends: Arc::clone(&noted) }));
    let roster = Roster::new(vec![orders], successors, vec![Arc::clone(&signals)]);
    roster.crash(0, 1).unwrap();
    let crashes = signals.take_crashes();
    assert_eq!(crashes.len(), 1);
    assert_eq!((crashes[0].member, crashes[0].left.as_ref().map(|left| left.last)), (1, Some(1)));
    assert_eq!(*ends.lock().unwrap(), [(1, "crashed")]);
    roster.succeed(0, 1).unwrap();
    roster.dismiss(0, &[0, 1]).unwrap();
    assert_eq!(ends.lock().unwrap()[1..].iter().map(|(_, how)| *how).collect::<Vec<_>>(), ["left", "left"]);
    roster.succeed(0, 0).unwrap();
    for missing in [roster.crash(0, 2), roster.crash(1, 0), roster.dismiss(0, &[0, 5])] {
        assert_eq!(missing.unwrap_err(), "the plan has no such member");
    }
    stop.store(true, Ordering::Relaxed);
    let handed: Vec<Vec<u64>> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    assert!(handed[0].contains(&100) && handed[1].contains(&111), "what was on its way at the orderly ends");
    assert_eq!(roster.crash(0, 0).unwrap_err(), "the member's thread has ended");
}
