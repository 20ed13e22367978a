//! The FHIR door over a real record and a real chart, in a folder of its own.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bundles;
#[cfg(test)]
mod house;
#[cfg(test)]
mod importing;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod real_data;
#[cfg(test)]
mod writes;
