//! The options of `salus route`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Route {
    /// How each route does: what waits, how old, what was refused.
    #[command(after_help = "\
Examples:
  salus route list                   beside a running server or without one
  salus route list --format json | jq '.[].set_aside'
Exit code 1: something was refused or came back, or a receiver is not reached.")]
    List,
    /// Say what a route would send of a message in a file; nothing is sent.
    #[command(after_help = "\
Examples:
  salus route test message.hl7 --route lab
  salus route test message.hl7 --route lab --feed adt --format json
Exit code 1: it would not be passed on, and the output says so.")]
    Test(RouteTest),
    /// Send nothing on a route until it is resumed; what arrives waits.
    Pause(RouteWhy),
    /// Send again.
    Resume(RouteWhy),
    /// Do not send one message that waits.
    #[command(after_help = "\
Example:
  salus route skip --route lab 4711 --reason 'the receiver cannot take it, typed in there by hand'")]
    Skip(RouteSkip),
    /// Send sealed messages once more, each once for this order.
    #[command(after_help = "\
Examples:
  salus route replay --route lab 4711 4720-4790 --reason 'the laboratory lost its disk'
  salus route replay --route lab --since 2026-11-26T10:00:00Z --until 2026-11-26T12:00:00Z --reason '...'
Indices go whatever the route's conditions say; of a span of time goes what they let through.")]
    Replay(RouteReplay),
}

#[derive(Debug, Args)]
pub(crate) struct RouteTest {
    /// An HL7 v2 message.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The route, by its name in the configuration.
    #[arg(long)]
    pub(crate) route: String,
    /// The feed it is taken to have come by [default: the first that the route names].
    #[arg(long)]
    pub(crate) feed: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct RouteWhy {
    /// The route.
    #[arg(long)]
    pub(crate) route: String,
    /// Why; it is sealed.
    #[arg(long)]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct RouteSkip {
    #[command(flatten)]
    pub(crate) why: RouteWhy,
    /// The index of the message.
    pub(crate) message: u64,
}

#[derive(Debug, Args)]
pub(crate) struct RouteReplay {
    #[command(flatten)]
    pub(crate) why: RouteWhy,
    /// Indices of messages, or spans of them such as `4720-4790`.
    #[arg(required_unless_present = "since", conflicts_with = "since")]
    pub(crate) messages: Vec<String>,
    /// All that were sealed from this moment on (RFC 3339).
    #[arg(long, requires = "until")]
    pub(crate) since: Option<String>,
    /// And before this moment.
    #[arg(long, requires = "since")]
    pub(crate) until: Option<String>,
}
