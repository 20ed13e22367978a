//! The chart over a real record: folding, searching, permits.

#[cfg(test)]
mod any_order;
#[cfg(test)]
mod carry;
#[cfg(test)]
mod compare;
#[cfg(test)]
mod consent;
#[cfg(test)]
mod contents;
#[cfg(test)]
mod erasing;
#[cfg(test)]
mod fold;
#[cfg(test)]
mod held;
#[cfg(test)]
mod hide;
#[cfg(test)]
mod house;
#[cfg(test)]
mod images;
#[cfg(test)]
mod looking;
#[cfg(test)]
mod mask;
#[cfg(test)]
mod medicines;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod permit;
#[cfg(test)]
mod permuted;
#[cfg(test)]
mod ready;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod search;
#[cfg(test)]
mod summary;
#[cfg(test)]
mod told;
#[cfg(test)]
mod written;
