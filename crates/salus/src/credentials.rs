//! Secrets that the service manager hands over: `credential:NAME` in the place of a secret's file is the
//! credential of that name (systemd: `LoadCredentialEncrypted=NAME:...`, which keeps it encrypted under
//! the machine's TPM or key until the service starts).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

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
    if let Some(pkcs11) = &mut config.keys.pkcs11 {
        all.push(("`pin_file` in `[keys.pkcs11]`", &mut pkcs11.pin_file));
    }
    all
}

/// Puts the files of credentials in the place of their names. `folder`: where the service manager put
/// them (`$CREDENTIALS_DIRECTORY`).
///
/// # Errors
/// A name that is none, or that no service manager handed over anything for.
pub(crate) fn resolve(config: &mut Config, folder: Option<&Path>) -> Result<()> {
    for (option, path) in options(config) {
        let Some(name) = path.to_str().and_then(|path| path.strip_prefix(MARK)) else {
            continue;
        };
        if name.is_empty() || name.contains('/') || name.starts_with('.') {
            bail!("{option}: `{name}` is no name of a credential");
        }
        let folder = folder.with_context(|| {
            format!(
                "{option}: no credential `{name}` was handed over; start Salus by its service, with \
                 `LoadCredentialEncrypted={name}:FILE`, or name a file"
            )
        })?;
        *path = folder.join(name);
    }
    Ok(())
}

/// The files of secrets that are configured.
pub(crate) fn files(config: &Config) -> Vec<PathBuf> {
    let mut config = config.clone();
    let all = options(&mut config).into_iter();
    let named = all.map(|(_, path)| path.clone());
    named.filter(|path| !path.as_os_str().is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_where_the_service_manager_put_it() {
        let mut config = Config::default();
        config.web.oidc.client_secret_file = "credential:oidc-secret".into();
        config.standby.token_file = "/etc/salus/token".into();
        let folder = Path::new("/run/credentials/salus.service");
        resolve(&mut config, Some(folder)).unwrap();
        let files = files(&config);
        let there = [
            "/etc/salus/token",
            "/run/credentials/salus.service/oidc-secret",
        ];
        assert_eq!(files, there.map(PathBuf::from));
    }

    #[test]
    fn a_name_that_is_none_and_one_that_nobody_handed_over_are_refused() {
        for (name, folder) in [
            ("credential:", Some("/run/credentials")),
            ("credential:../root.key", Some("/run/credentials")),
            ("credential:a/b", Some("/run/credentials")),
            ("credential:oidc-secret", None),
        ] {
            let mut config = Config::default();
            config.upstream.token_file = name.into();
            let why = resolve(&mut config, folder.map(Path::new)).unwrap_err();
            assert!(why.to_string().contains("[upstream]"), "{why}");
        }
    }
}
