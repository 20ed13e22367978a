//! The drills as their users see them.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod hospital;
#[cfg(test)]
mod load;
#[cfg(test)]
mod meaning;
