//! A least rate, by which bodies with images and documents must come and go: who is slower than that for too long holds memory
//! that others want.

use std::time::Duration;

/// The rate, and how long somebody may be slower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second; 0: any.
    pub min: u64,
    /// For how long it may be less, as if nothing moved at all.
    pub grace: Duration,
}

/// What is left of the grace of one body. It runs while the other side is waited for, and bytes win it back.
#[derive(Debug, Clone, Copy)]
pub struct Credit {
    rate: Rate,
    left: Duration,
}

impl Rate {
    /// Nothing moved yet.
    pub const fn credit(self) -> Credit {
        Credit {
            left: self.grace,
            rate: self,
        }
    }
}

impl Credit {
    /// How long the other side may be waited for; `None`: for ever.
    pub const fn left(&self) -> Option<Duration> {
        match self.rate.min {
            0 => None,
            _ => Some(self.left),
        }
    }

    /// It was waited for.
    pub const fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// Bytes moved. No more is won back than the grace.
    pub fn moved(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let won = bytes.saturating_mul(1_000_000) / self.rate.min.max(1);
        let won = self.left.saturating_add(Duration::from_micros(won));
        self.left = won.min(self.rate.grace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        min: 1_000,
        grace: Duration::from_secs(10),
    };

    #[test]
    fn who_keeps_the_rate_goes_on_and_who_does_not_runs_out() {
        let mut kept = RATE.credit();
        let mut slower = RATE.credit();
        for _ in 0..100 {
            kept.waited(Duration::from_secs(1));
            kept.moved(1_000);
            slower.waited(Duration::from_secs(1));
            slower.moved(800);
        }
        assert_eq!(kept.left(), Some(RATE.grace));
        assert!(slower.left() < Some(Duration::from_secs(1)));
    }

    #[test]
    fn what_moved_fast_buys_no_more_than_the_grace() {
        let mut credit = RATE.credit();
        credit.moved(usize::MAX);
        assert_eq!(credit.left(), Some(RATE.grace));
        credit.waited(Duration::from_secs(11));
        assert_eq!(credit.left(), Some(Duration::ZERO));
    }

    #[test]
    fn without_a_rate_nothing_runs_out() {
        let mut credit = Rate { min: 0, ..RATE }.credit();
        credit.waited(Duration::from_secs(1 << 30));
        credit.moved(0);
        assert_eq!(credit.left(), None);
    }
}
