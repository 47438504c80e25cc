//! What chance decides, all of it from one seed.

use engine::time::Span;

/// One stream of chance. Each part of the simulation has a stream of its own, so that a change to one of them leaves what
/// the others do as it was.
#[derive(Debug)]
pub struct Dice(fastrand::Rng);

impl Dice {
    /// The stream of one seed for one purpose.
    pub fn of(seed: u64, purpose: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ purpose.wrapping_mul(0xD1B5_4A32_D192_ED03)))
    }
    /// Below or equal to `most`.
    pub fn up_to(&mut self, most: u64) -> u64 {
        self.0.u64(0..=most)
    }
    pub fn between(&mut self, least: u64, most: u64) -> u64 {
        self.0.u64(least..=most.max(least))
    }
    pub fn millis(&mut self, least: u64, most: u64) -> Span {
        Span::from_millis(self.between(least, most))
    }
    pub fn secs(&mut self, least: u64, most: u64) -> Span {
        Span::from_millis(self.between(least * 1_000, most * 1_000))
    }
    pub fn one_in(&mut self, count: u64) -> bool {
        self.0.u64(0..count) == 0
    }
    /// True in so many of a thousand.
    pub fn permille(&mut self, share: u64) -> bool {
        self.0.u64(0..1_000) < share
    }
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.0.usize(0..of.len())]
    }
    /// One of them, where there is any.
    pub fn any<T>(&mut self, mut of: Vec<T>) -> Option<T> {
        if of.is_empty() { None } else { Some(of.swap_remove(self.0.usize(0..of.len()))) }
    }
}
