//! Secrets of ours towards other systems, each in a file of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// What begins in the place of a path the name of a credential of the service manager.
const CREDENTIAL: &str = "credential:";

/// The secret in a file, without the blanks around it. A file that every account of the machine can
/// read is none. Whoever the file belongs to and their group may: so are credentials that the service
/// manager hands over.
///
/// A name of a credential (`credential:NAME`) that stands there still was not handed over.
///
/// # Errors
/// In words: what is wrong with the file, never what is in it.
pub fn secret_in(path: &Path) -> Result<String, String> {
    if let Some(name) = path.to_str().and_then(|path| path.strip_prefix(CREDENTIAL)) {
        return Err(format!(
            "no credential `{name}` was handed over: only the service has it, with \
             `LoadCredentialEncrypted={name}:FILE`; start Salus by it, or name a file"
        ));
    }
    let file = path.display();
    let cannot = |why: std::io::Error| format!("cannot read the secret in `{file}`: {why}");
    let about = fs::metadata(path).map_err(cannot)?;
    if about.permissions().mode() & 0o007 != 0 {
        return Err(format!(
            "everybody can read the secret in `{file}`: chmod o-rwx {file}"
        ));
    }
    let text = fs::read_to_string(path).map_err(cannot)?;
    match text.trim() {
        "" => Err(format!("there is no secret in `{file}`")),
        secret => Ok(secret.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_everybody_can_read_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        assert!(secret_in(&path).unwrap_err().contains("secret`"));
        fs::write(&path, " hunter2 \n").unwrap();
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for closed in [0o600, 0o400, 0o440, 0o640] {
            mode(closed);
            assert_eq!(secret_in(&path).unwrap(), "hunter2", "{closed:o}");
        }
        for open in [0o644, 0o604, 0o602] {
            mode(open);
            let why = secret_in(&path).unwrap_err();
            assert!(why.contains("chmod o-rwx"), "{why}");
            assert!(!why.contains("hunter2"), "{why}");
        }
        mode(0o600);
        fs::write(&path, "\n").unwrap();
        assert!(secret_in(&path).unwrap_err().contains("no secret"));
        let why = secret_in(Path::new("credential:oidc-secret")).unwrap_err();
        assert!(
            why.contains("no credential `oidc-secret` was handed over"),
            "{why}"
        );
    }
}
