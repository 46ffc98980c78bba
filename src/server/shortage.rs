//! A shortage of descriptors, or of memory for connections: one to all workers, and one warning.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long it lasts before it is told. By then every worker, be it a little late, has closed those of its peers
/// that had ended.
const PATIENCE: Duration = super::event_loop::IDLE_PATIENCE.saturating_mul(3);

/// No shortage, or one that has been told; anything between is the time when it began.
const NONE: u64 = 0;
const TOLD: u64 = u64::MAX;

pub struct Shortage {
    epoch: Instant,
    /// In milliseconds after just before `epoch`: never [`NONE`].
    since: AtomicU64,
}

impl Shortage {
    pub fn new() -> Self {
        Self { epoch: Instant::now(), since: AtomicU64::new(NONE) }
    }

    /// Somebody waits at the moment `now`. Answers, once a shortage, whether it is time to tell of it.
    pub fn goes_on(&self, now: Instant) -> bool {
        let time = |moment: Instant| 1 + moment.duration_since(self.epoch).as_millis() as u64;
        match self.since.compare_exchange(NONE, time(now), Relaxed, Relaxed) {
            Ok(_) | Err(TOLD) => false,
            Err(since) => {
                since + PATIENCE.as_millis() as u64 <= time(now)
                    && self.since.compare_exchange(since, TOLD, Relaxed, Relaxed).is_ok()
            }
        }
    }

    /// Nobody waits.
    pub fn ends(&self) {
        // Reading first keeps the common case, no shortage, from contending for the cache line.
        if self.since.load(Relaxed) != NONE {
            self.since.store(NONE, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_once_and_only_when_it_lasts() {
        let shortage = Shortage::new();
        let after = |milliseconds| shortage.epoch + Duration::from_millis(milliseconds);
        for (moment, is_time) in
            [(0, false), (299, false), (300, true), (301, false), (9999, false)]
        {
            assert_eq!(shortage.goes_on(after(moment)), is_time, "{moment}");
        }
        shortage.ends();
        for (moment, is_time) in [(10_000, false), (10_299, false), (10_300, true)] {
            assert_eq!(shortage.goes_on(after(moment)), is_time, "{moment}");
        }
    }

    #[test]
    fn short_ones_are_never_told_however_many() {
        let shortage = Shortage::new();
        for moment in (0..1000).step_by(10) {
            assert!(!shortage.goes_on(shortage.epoch + Duration::from_millis(moment)));
            shortage.ends();
        }
    }
}
