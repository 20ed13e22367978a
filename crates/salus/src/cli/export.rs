use std::path::PathBuf;

use clap::Args;

use crate::export::DateRule;

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Take out who it is about; there is no export without this.
    #[arg(long)]
    pub(crate) deidentify: bool,
    /// A new or empty folder.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: PathBuf,
    /// The number of the request on the page Access, Exports, which another person agreed to.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) agreed: u64,
    /// Why; it is sealed with each decision.
    #[arg(long)]
    pub(crate) reason: String,
    /// What becomes of dates.
    #[arg(long, value_enum, default_value_t = DateRule::Shift)]
    pub(crate) dates: DateRule,
    /// A file of 16 random bytes or more: exports under the same secret give the same pseudonyms.
    /// Without it each export has a secret of its own, which nobody keeps.
    #[arg(long, value_name = "FILE")]
    pub(crate) secret: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportRequest {
    /// What is to leave, in words.
    #[arg(long)]
    pub(crate) what: Option<String>,
    /// What of it the command lets out: charts (all of them), ward, patients or study.
    #[arg(long, value_name = "SORT")]
    pub(crate) leaves: Option<String>,
    /// Which: the code of the ward, the ids of the patients, or the UID of the study.
    #[arg(long, requires = "leaves")]
    pub(crate) which: Option<String>,
    /// To whom.
    #[arg(long)]
    pub(crate) recipient: Option<String>,
    /// Why; it is sealed.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}
