//! Separate cores for the broker and for tickgate, so that neither waits for a core used by the other.

use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The affinity of this process before any placement.
static BEFORE: OnceLock<Option<CpuSet>> = OnceLock::new();

/// The cores that this process may use, regardless of a current [`Placement`]; `None` if the system does not report them.
pub(super) fn cores() -> Option<CpuSet> {
    *BEFORE.get_or_init(|| sched_getaffinity(None).ok())
}

/// The cores of this process, divided into two sets.
#[derive(Debug, Clone)]
pub struct Placement {
    all: CpuSet,
    broker: Vec<usize>,
    own: Vec<usize>,
}

impl Placement {
    /// Divides the cores that this process may use: tickgate gets the first half, rounded down, the broker the rest.
    ///
    /// # Errors
    /// With the reason, if there are fewer than two cores.
    pub fn of_this_process() -> Result<Self, String> {
        let all = cores().ok_or("the system does not report which cores this process may use")?;
        let (own, broker) = parted(numbers(&all)).ok_or("this process may use one core only")?;
        Ok(Self { all, broker, own })
    }

    /// Calls `start`; processes that it starts run on the broker's cores.
    pub fn start_broker<T>(&self, start: impl FnOnce() -> T) -> T {
        let _back = Placed::on(&self.broker, self.all);
        start()
    }

    /// Places the calling thread, and threads it starts, on tickgate's cores until the result is dropped.
    #[must_use]
    pub fn begin(&self) -> Placed {
        Placed::on(&self.own, self.all)
    }

    /// Number of the broker's cores.
    #[must_use]
    pub const fn broker_cores(&self) -> usize {
        self.broker.len()
    }

    /// Describes the division: `broker 1, tickgate 0`.
    #[must_use]
    pub fn in_words(&self) -> String {
        let list = |cores: &[usize]| cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        format!("broker {}, tickgate {}", list(&self.broker), list(&self.own))
    }
}

/// Keeps a thread on some cores until dropped.
#[derive(Debug)]
pub struct Placed {
    back: CpuSet,
}

impl Placed {
    fn on(cores: &[usize], back: CpuSet) -> Self {
        let mut set = CpuSet::new();
        for &core in cores {
            set.set(core);
        }
        // A sandbox may forbid this; the measured use of the cores shows it.
        let _ = sched_setaffinity(None, &set);
        Self { back }
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.back);
    }
}

/// The core numbers of a set.
pub(super) fn numbers(set: &CpuSet) -> Vec<usize> {
    (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect()
}

/// Tickgate's cores and the broker's.
fn parted(mut own: Vec<usize>) -> Option<(Vec<usize>, Vec<usize>)> {
    let broker = own.split_off(own.len() / 2);
    (!own.is_empty()).then_some((own, broker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_broker_has_no_fewer_cores() {
        assert_eq!(parted(vec![]), None);
        assert_eq!(parted(vec![4]), None);
        assert_eq!(parted(vec![0, 1]), Some((vec![0], vec![1])));
        assert_eq!(parted(vec![1, 3, 5]), Some((vec![1], vec![3, 5])));
        assert_eq!(parted((0..8).collect()), Some((vec![0, 1, 2, 3], vec![4, 5, 6, 7])));
    }

    #[test]
    fn what_is_started_meanwhile_is_placed_and_the_thread_comes_back() {
        // On a separate thread, so that other threads of this process keep their cores.
        std::thread::spawn(|| {
            let Ok(placement) = Placement::of_this_process() else { return };
            let here = || numbers(&sched_getaffinity(None).expect("cores"));
            let all = here();
            let child = || std::thread::spawn(|| numbers(&sched_getaffinity(None).expect("cores"))).join();
            let broker = placement.start_broker(|| child().expect("a thread"));
            assert_eq!((broker, here()), (placement.broker.clone(), all.clone()));
            let placed = placement.begin();
            assert_eq!((here(), child().expect("a thread")), (placement.own.clone(), placement.own.clone()));
            assert_eq!(numbers(&cores().expect("cores")), all, "the machine is what it was");
            drop(placed);
            assert_eq!(here(), all);
        })
        .join()
        .expect("as expected");
    }
}
