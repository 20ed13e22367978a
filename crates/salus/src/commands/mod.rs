//! One file a command.

mod backup;
mod bench;
mod capture;
mod check;
mod client;
mod compare;
mod config;
mod deidentify;
mod demo;
mod doctor;
mod drill;
mod erase;
mod export;
mod export_request;
mod files;
mod import;
mod keys;
mod moving;
pub(crate) mod people;
mod policy;
mod promote;
mod proof;
mod pull;
mod recovering;
mod refold;
mod restore;
mod rewind;
mod route;
mod scrub;
mod send;
mod serve;
mod standby;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::config::Config;

/// Carries out what the command line asks for.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode> {
    if let Command::Completions { shell } = cli.command {
        let mut out = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "salus", &mut out);
        crate::output::line(&String::from_utf8_lossy(&out));
        return Ok(ExitCode::SUCCESS);
    }
    let config = Config::load(&cli)?;
    let filter = if cli.command.serves() {
        &config.log
    } else {
        "warn"
    };
    crate::logging::begin(filter, config.log_format);
    let format = cli.format;
    let code = match cli.command {
        Command::Backup(command) => Box::pin(backup::run(config, command, format)).await?,
        Command::Bench(args) => bench::run(&args, format).await?,
        Command::Capture(args) => Box::pin(capture::run(config, &args, format)).await?,
        Command::Check(args) => check::run(&config, &args, format).await?,
        Command::Client(command) => Box::pin(client::run(config, command, format)).await?,
        Command::Compare => Box::pin(compare::run(config, format)).await?,
        Command::Config(command) => config::run(&config, &command, format)?,
        Command::Demo(args) => Box::pin(demo::run(config, &args, format)).await?,
        Command::Doctor => doctor::run(&config, format).await?,
        Command::Drill(args) => Box::pin(drill::run(config, &args, format)).await?,
        Command::Erase(args) => erase::run(config, args, format).await?,
        Command::Deidentify(args) => Box::pin(deidentify::run(config, &args, format)).await?,
        Command::Export(args) => Box::pin(export::run(config, &args, format)).await?,
        Command::ExportRequest(args) => Box::pin(export_request::run(config, args, format)).await?,
        Command::Import(args) => Box::pin(import::run(config, &args, format)).await?,
        Command::Send(args) => Box::pin(send::run(&args, format)).await?,
        Command::Move(args) => moving::run(config, args, format).await?,
        Command::People(command) => Box::pin(people::run(config, command, format)).await?,
        Command::Policy(command) => Box::pin(policy::run(config, command, format)).await?,
        Command::Keys(command) => Box::pin(keys::run(config, command, format)).await?,
        Command::Promote(args) => Box::pin(promote::run(config, &args, format)).await?,
        Command::Proof(args) => Box::pin(proof::run(config, &args, format)).await?,
        Command::Pull(args) => Box::pin(pull::run(config, args, format)).await?,
        Command::Refold(args) => refold::run(config, &args, format).await?,
        Command::Rewind(args) => Box::pin(rewind::run(config, &args, format)).await?,
        Command::Route(command) => Box::pin(route::run(config, command, format)).await?,
        Command::Scrub => scrub::run(config, format).await?,
        Command::Restore(command) => Box::pin(restore::run(&config, command, format)).await?,
        Command::Serve(args) => Box::pin(serve::run(config, &args, format)).await?,
        Command::Standby(args) => Box::pin(standby::run(config, &args, format)).await?,
        Command::Verify => verify::run(&config, format).await?,
        Command::Completions { .. } => crate::output::WELL,
    };
    Ok(ExitCode::from(code))
}
