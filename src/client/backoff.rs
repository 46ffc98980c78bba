//! Exponential backoff with jitter, so that clients that lost a server together do not come back together.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// The pauses between attempts. Each is from half to the whole of a bound, which doubles up to two seconds.
#[derive(Debug)]
pub struct Backoff(Duration);

impl Backoff {
    pub fn new() -> Self {
        Self(FIRST)
    }

    /// The next pause: 25 to 50 ms at first, 1 to 2 s in the end.
    pub fn pause(&mut self) -> Duration {
        let bound = self.0;
        self.0 = LONGEST.min(bound * 2);
        // std has no random numbers, but its hash maps have random keys.
        let random = RandomState::new().build_hasher().finish();
        bound.mul_f64(0.5 + 0.5 * (random as f64 / u64::MAX as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn doubles_up_to_two_seconds_with_jitter() {
        let mut backoff = Backoff::new();
        for bound in [50, 100, 200, 400, 800, 1600, 2000, 2000] {
            let (pause, bound) = (backoff.pause(), Duration::from_millis(bound));
            assert!(bound / 2 <= pause && pause <= bound, "{pause:?} of {bound:?}");
        }
        let pauses: Vec<_> = (0..8).map(|_| backoff.pause()).collect();
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "no jitter");
    }
}
