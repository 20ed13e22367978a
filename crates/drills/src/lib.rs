//! **In**: a seed and a moment; or the address of a running Salus.
//! **Out**: a synthetic hospital's traffic, load with figures, faults with what they left behind.
//! **Never**: a wall clock or the machine's randomness in what is made; a real patient.
//! **Start here**: [`hospital::Hospital`], then [`load::Figures`].

pub mod dice;
pub mod faults;
pub mod hospital;
pub mod load;
pub mod sample;
pub mod tamper;
pub mod traffic;
