//! The doors for signals with a real record behind them, over real sockets and files.

#[cfg(test)]
mod audit;
#[cfg(test)]
#[path = "../mllp/authority.rs"]
mod authority;
#[cfg(test)]
mod files;
#[cfg(test)]
mod house;
#[cfg(test)]
mod syslog;
