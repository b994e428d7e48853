//! The machine, of which a test that measures needs all: such a test has it alone, and whatever else loads it shares it. These
//! are locks on files, so they also hold between test binaries and between checkouts.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

/// A hold on the machine; its locks end with the value.
#[derive(Clone)]
pub struct Hold(Arc<Locked>);

struct Locked {
    alone: bool,
    _file: File,
}

thread_local! {
    /// A thread that holds the machine and asks again gets the same hold: it would wait for itself otherwise.
    static MINE: RefCell<Weak<Locked>> = const { RefCell::new(Weak::new()) };
}

/// Waits until no other test loads the machine, and keeps others away.
#[track_caller]
pub fn alone() -> Hold {
    let hold = hold(true);
    assert!(hold.0.alone, "a test that measures takes the machine before it starts anything");
    hold
}

/// What a test of a cluster holds while it runs.
pub struct ClusterTurn(Option<Hold>);

/// Tests of clusters at the same time. They wait for elections and restarts more than they compute.
const CLUSTERS: usize = 3;

static CLUSTER: Mutex<(usize, Weak<Locked>)> = Mutex::new((0, Weak::new()));
static CLUSTER_ENDED: Condvar = Condvar::new();

/// Waits until nothing but tests of clusters in this process loads the machine, and fewer than three of those: the timers of a
/// cluster tolerate two more clusters, but no test that needs all CPUs.
pub fn beside_clusters() -> ClusterTurn {
    let running = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut running = CLUSTER_ENDED
        .wait_while(running, |(count, _)| *count >= CLUSTERS)
        .unwrap_or_else(PoisonError::into_inner);
    running.0 += 1;
    let hold = running.1.upgrade().map_or_else(
        || {
            let hold = hold(true);
            running.1 = Arc::downgrade(&hold.0);
            hold
        },
        |shared| {
            MINE.set(Arc::downgrade(&shared));
            Hold(shared)
        },
    );
    ClusterTurn(Some(hold))
}

impl Drop for ClusterTurn {
    fn drop(&mut self) {
        let mut running = CLUSTER.lock().unwrap_or_else(PoisonError::into_inner);
        running.0 -= 1;
        drop(self.0.take());
        CLUSTER_ENDED.notify_one();
    }
}

/// Waits until no test has the machine alone.
pub fn beside_others() -> Hold {
    hold(false)
}

fn hold(alone: bool) -> Hold {
    if let Some(mine) = MINE.with_borrow(Weak::upgrade) {
        return Hold(mine);
    }
    // Who waits for the machine keeps the door, or those who share it would come and go past it for ever.
    let door = open("door");
    door.lock().expect("a lock");
    let file = open("machine");
    if alone { file.lock() } else { file.lock_shared() }.expect("a lock");
    let locked = Arc::new(Locked { alone, _file: file });
    MINE.set(Arc::downgrade(&locked));
    Hold(locked)
}

fn open(name: &str) -> File {
    let path = std::env::temp_dir().join(format!("tickgate-tests.{name}"));
    let ours = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
    // Another user's file can be locked, but not written to.
    ours.or_else(|_| File::open(&path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
