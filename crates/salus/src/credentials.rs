//! Secrets that the service manager hands over: `credential:NAME` in the place of a secret's file is the
//! credential of that name (systemd: `LoadCredentialEncrypted=NAME:...`, which keeps it encrypted under
//! the machine's TPM or key until the service starts).

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::config::Config;

/// What a path begins with that is no file but a credential's name.
const MARK: &str = "credential:";

/// Every option that names the file of a secret, with how it is called.
fn options(config: &mut Config) -> Vec<(&'static str, &mut PathBuf)> {
    let mut all = vec![
        (
            "`token_file` in `[standby]`",
            &mut config.standby.token_file,
        ),
        (
            "`token_file` in `[upstream]`",
            &mut config.upstream.token_file,
        ),
        (
            "`client_secret_file` in `[web.oidc]`",
            &mut config.web.oidc.client_secret_file,
        ),
    ];
    for route in &mut config.routes.routes {
        all.push(("`token_file` of a route", &mut route.token_file));
    }
    if let Some(pkcs11) = &mut config.keys.pkcs11 {
        all.push(("`pin_file` in `[keys.pkcs11]`", &mut pkcs11.pin_file));
    }
    all
}

/// The name of the credential that stands in the place of a file.
fn named(path: &Path) -> Option<&str> {
    path.to_str()?.strip_prefix(MARK)
}

/// Puts the files of credentials in the place of their names. `folder`: where the service manager put
/// them (`$CREDENTIALS_DIRECTORY`). Without it the names stay, and whoever reads such a secret says so:
/// a command from a shell has to work without those that it has no use for.
///
/// # Errors
/// A name that is none.
pub(crate) fn resolve(config: &mut Config, folder: Option<&Path>) -> Result<()> {
    for (option, path) in options(config) {
        let Some(name) = named(path) else {
            continue;
        };
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            bail!("{option}: `{name}` is no name of a credential");
        }
        if let Some(folder) = folder {
            *path = folder.join(name);
        }
    }
    Ok(())
}

/// Whether every credential was handed over: a server needs them all.
///
/// # Errors
/// The first that was not.
pub(crate) fn complete(config: &Config) -> Result<()> {
    for (option, path) in options(&mut config.clone()) {
        if let Some(name) = named(path) {
            bail!(
                "{option}: no credential `{name}` was handed over; start Salus by its service, with \
                 `LoadCredentialEncrypted={name}:FILE`, or name a file"
            );
        }
    }
    Ok(())
}

/// The files of secrets that are configured; a credential that was not handed over is none.
pub(crate) fn files(config: &Config) -> Vec<PathBuf> {
    let mut config = config.clone();
    let all = options(&mut config).into_iter().map(|(_, path)| path);
    let files = all.filter(|path| !path.as_os_str().is_empty() && named(path).is_none());
    files.map(|path| path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_where_the_service_manager_put_it() {
        let mut config = Config::default();
        config.web.oidc.client_secret_file = "credential:oidc-secret".into();
        config.standby.token_file = "/etc/salus/token".into();
        config.routes.routes.push(routes::RouteConfig {
            token_file: "credential:ehr".into(),
            ..routes::RouteConfig::default()
        });
        let folder = Path::new("/run/credentials/salus.service");
        resolve(&mut config, Some(folder)).unwrap();
        let files = files(&config);
        let there = [
            "/etc/salus/token",
            "/run/credentials/salus.service/oidc-secret",
            "/run/credentials/salus.service/ehr",
        ];
        assert_eq!(files, there.map(PathBuf::from));
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        for name in ["credential:", "credential:../root.key", "credential:a/b"] {
            for folder in [Some(Path::new("/run/credentials")), None] {
                let mut config = Config::default();
                config.upstream.token_file = name.into();
                let why = resolve(&mut config, folder).unwrap_err();
                assert!(why.to_string().contains("[upstream]"), "{why}");
            }
        }
    }

    #[test]
    fn a_server_needs_every_credential() {
        let mut config = Config::default();
        config.upstream.token_file = "credential:token".into();
        resolve(&mut config, None).unwrap();
        let why = complete(&config).unwrap_err().to_string();
        assert!(
            why.contains("[upstream]") && why.contains("LoadCredentialEncrypted=token:"),
            "{why}"
        );
        assert!(files(&config).is_empty());
        resolve(&mut config, Some(Path::new("/run/credentials"))).unwrap();
        complete(&config).unwrap();
    }
}
