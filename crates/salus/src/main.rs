//! **In**: a command line, a configuration file, signals.
//! **Out**: a running hospital record, or the answer of one command, and an exit code.
//! **Never**: a default password; an unknown option that is ignored; a panic that is silent.
//! **Start here**: [`cli`], then [`assemble`].

mod alike;
mod asking;
mod assemble;
mod backing;
mod backups;
mod bringing;
mod capturing;
mod certificate;
mod cleaning;
mod cli;
mod clock;
mod commands;
mod config;
mod credentials;
mod disclosing;
mod doors;
mod drill;
mod expecting;
mod export;
mod fence;
mod files;
mod folding;
mod following;
mod framing;
mod images;
mod keeping;
mod leaving;
mod local;
mod logging;
mod lost;
mod operations;
mod output;
mod patience;
mod peer;
mod policies;
mod promoting;
mod pulling;
mod queries;
mod registration;
mod remote;
mod routing;
mod scrub;
mod served;
mod signals;
mod study_out;
mod supervise;
mod tls;
mod witnessing;

use std::process::ExitCode;

use clap::Parser as _;

/// Folding and mapping make many small values; this allocator is a third faster at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(why) => return output::fail(&anyhow::anyhow!("cannot start: {why}")),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => code,
        Err(why) => output::fail(&why),
    }
}
