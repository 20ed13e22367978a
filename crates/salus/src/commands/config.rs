use anyhow::Result;
use serde::Serialize;

use crate::cli::{ConfigCommand, Format};
use crate::config::Config;
use crate::{assemble, output};

#[derive(Serialize)]
struct Checked {
    ok: bool,
}

pub(crate) fn run(config: &Config, command: &ConfigCommand, format: Format) -> Result<u8> {
    match command {
        ConfigCommand::Check => {
            assemble::policies(&config.policies)?;
            assemble::rota(&config.rota)?;
            chart::check_sensitivity(&config.chart()?.sensitivity)?;
            for feed in &config.mllp.feeds {
                inlets::mllp::Feed::new(feed, &config.mllp)?;
            }
            for feed in &config.dicom.feeds {
                inlets::dicom::Feed::new(feed, &config.dicom)?;
            }
            output::result(format, &Checked { ok: true }, |_| {
                "the configuration and the policies are sound".into()
            });
        }
        ConfigCommand::Show => {
            output::result(format, config, |config| {
                toml::to_string(config).unwrap_or_default()
            });
        }
    }
    Ok(output::WELL)
}
