//! Times in buckets: 16 to every doubling of the microsecond, so that a quantile is within 6 %.

use std::time::Duration;

const STEPS: u64 = 16;
const BUCKETS: usize = 40 * 16;

/// A histogram of durations from 1 µs to days, in 5 KB.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    longest: Duration,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            buckets: vec![0; BUCKETS],
            count: 0,
            longest: Duration::ZERO,
        }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get_mut(place(micros)) {
            *bucket += 1;
        }
        self.count += 1;
        self.longest = self.longest.max(took);
    }

    /// Adds everything that another histogram counted.
    pub fn join(&mut self, other: &Histogram) {
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.count += other.count;
        self.longest = self.longest.max(other.longest);
    }

    /// How many durations were counted.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The duration in milliseconds that `in_thousand` of 1,000 did not exceed; 0 if none counted.
    pub fn quantile_ms(&self, in_thousand: u64) -> f64 {
        if in_thousand >= 1000 {
            return self.longest.as_secs_f64() * 1000.0;
        }
        let wanted = (self.count * in_thousand).div_ceil(1000).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let top = Duration::from_micros(upper(bucket)).min(self.longest);
                return top.as_secs_f64() * 1000.0;
            }
        }
        0.0
    }
}

/// Values below 16 have a bucket each; from there on the four bits after the highest one choose.
fn place(micros: u64) -> usize {
    let bucket = if micros < STEPS {
        micros
    } else {
        let doubling = u64::from(micros.ilog2());
        (doubling - 3) * STEPS + ((micros >> (doubling - 4)) & (STEPS - 1))
    };
    usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The largest number of microseconds that falls in a bucket.
const fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket;
    }
    let doubling = bucket / STEPS + 3;
    let step = STEPS + bucket % STEPS + 1;
    (step << (doubling - 4)) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        for micros in 0..100_000 {
            assert!(micros <= upper(place(micros)), "{micros}");
            assert!(
                place(micros) == 0 || micros > upper(place(micros) - 1),
                "{micros}"
            );
        }
    }

    #[test]
    fn quantiles_are_close() {
        let mut histogram = Histogram::default();
        for millis in 1..=1000 {
            histogram.add(Duration::from_millis(millis));
        }
        let close = |got: f64, wanted: f64| (got / wanted - 1.0).abs() < 0.07;
        assert!(close(histogram.quantile_ms(500), 500.0));
        assert!(close(histogram.quantile_ms(990), 990.0));
        assert!(close(histogram.quantile_ms(1000), 1000.0));
        assert_eq!(Histogram::default().quantile_ms(500), 0.0);
    }

    #[test]
    fn joined_histograms_count_together() {
        let (mut one, mut two) = (Histogram::default(), Histogram::default());
        one.add(Duration::from_micros(5));
        two.add(Duration::from_secs(2));
        one.join(&two);
        assert_eq!(one.count(), 2);
        assert_eq!(one.quantile_ms(1000), 2000.0);
    }
}
