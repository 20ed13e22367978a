//! Whose account a token is for, and what of it changes.

use event::{Account, Role};

use super::token::Claims;
use super::{Accounts, Oidc};
use crate::App;
use crate::pages::account::{sound_account, sound_name};

/// The account that somebody signs in to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub account: String,
    /// The account as it has to become, if the claims say something else than it is.
    pub changed: Option<Account>,
    /// It is tied to this person from now on.
    pub link: bool,
}

/// What the house knows that bears on a token.
struct Known {
    /// The account that is tied to the person already.
    tied: Option<String>,
    /// The account that the token's claim names, with whom it is tied to.
    named: Option<(Account, Option<String>)>,
}

/// The account that a token names: the one that is tied to its person, or the one it says.
pub(crate) fn named(app: &App, claims: &Claims) -> String {
    let tied = app.staff.linked(claims.text("iss"), claims.text("sub"));
    tied.unwrap_or_else(|| claims.text(&app.settings.oidc.account_claim).to_owned())
}

/// Whose account a token is for.
///
/// # Errors
/// In words: why nobody's.
pub(crate) fn entry(app: &App, claims: &Claims) -> Result<Entry, String> {
    let oidc = &app.settings.oidc;
    let tied = app.staff.linked(claims.text("iss"), claims.text("sub"));
    let name = named(app, claims);
    if app.staff.clients().iter().any(|client| client.id == name) {
        return Err(format!("`{name}` is a system's name here"));
    }
    let named = app.staff.account(&name);
    if named.as_ref().is_some_and(|(_, disabled)| *disabled) {
        return Err(format!("the account `{name}` is disabled"));
    }
    let provider = app.staff.factors(&name).provider;
    let known = Known {
        tied,
        named: named.map(|(account, _)| (account, provider)),
    };
    decide(oidc, claims, &name, known)
}

fn decide(oidc: &Oidc, claims: &Claims, name: &str, known: Known) -> Result<Entry, String> {
    sound_account(name).map_err(|_| {
        format!(
            "the claim `{}` names no account that could be",
            oidc.account_claim
        )
    })?;
    let role = role(oidc, claims)?;
    let link = known.tied.is_none();
    let changed = match known.named {
        Some((_, Some(_))) if link => {
            return Err(format!(
                "the account `{name}` is tied to somebody else there"
            ));
        }
        Some((account, _)) => changed(account, role),
        None if oidc.accounts == Accounts::Made => Some(made(claims, name, role)?),
        None => {
            return Err(format!(
                "there is no account `{name}` here; an administrator adds it"
            ));
        }
    };
    Ok(Entry {
        account: name.to_owned(),
        changed,
        link,
    })
}

/// The role and wards by the rules; `None` if there are no rules.
fn role(oidc: &Oidc, claims: &Claims) -> Result<Option<(Role, Vec<String>)>, String> {
    if oidc.roles.is_empty() {
        return Ok(None);
    }
    let fits = |rule: &&super::RoleRule| claims.has(&rule.claim, &rule.value);
    let rule = oidc.roles.iter().find(fits);
    let rule = rule.ok_or("nothing that the provider says of you gives a role here")?;
    let role = Role::person(&rule.role);
    let role = role.ok_or_else(|| format!("`{}` in `[web.oidc]` is no role", rule.role))?;
    Ok(Some((role, rule.wards.clone())))
}

fn changed(old: Account, wanted: Option<(Role, Vec<String>)>) -> Option<Account> {
    let (role, wards) = wanted?;
    if old.role == role && (wards.is_empty() || old.wards == wards) {
        return None;
    }
    let wards = if wards.is_empty() {
        old.wards.clone()
    } else {
        wards
    };
    Some(Account { role, wards, ..old })
}

fn made(
    claims: &Claims,
    name: &str,
    wanted: Option<(Role, Vec<String>)>,
) -> Result<Account, String> {
    let (role, wards) = wanted.ok_or("`[web.oidc]` makes accounts but has no `roles`")?;
    let full = claims.text("name");
    let full = if sound_name(full).is_ok() { full } else { name };
    Ok(Account {
        name: full.to_owned(),
        role,
        wards,
        practitioner: None,
        secret: String::new(),
        scopes: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oidc::RoleRule;

    fn oidc(accounts: Accounts) -> Oidc {
        let rule = |value: &str, role: &str| RoleRule {
            claim: "groups".into(),
            value: value.into(),
            role: role.into(),
            wards: vec!["ICU".into()],
        };
        Oidc {
            accounts,
            roles: vec![rule("it", "administrator"), rule("icu", "nurse")],
            ..Oidc::default()
        }
    }

    fn claims(groups: &[&str]) -> Claims {
        Claims(json!({"sub": "s1", "name": "Anna Keller", "groups": groups}))
    }

    fn account(role: Role) -> Account {
        Account {
            name: "Anna".into(),
            role,
            wards: vec!["ICU".into()],
            practitioner: None,
            secret: "kept".into(),
            scopes: Vec::new(),
        }
    }

    fn known(named: Option<(Account, Option<String>)>) -> Known {
        Known { tied: None, named }
    }

    #[test]
    fn an_account_is_made_only_if_that_is_configured_and_a_role_fits() {
        let made = decide(
            &oidc(Accounts::Made),
            &claims(&["icu"]),
            "anna",
            known(None),
        )
        .unwrap();
        let account = made.changed.unwrap();
        assert_eq!(
            (account.role, account.name.as_str()),
            (Role::Nurse, "Anna Keller")
        );
        assert!(account.secret.is_empty() && made.link);
        assert!(decide(&oidc(Accounts::Made), &claims(&["x"]), "anna", known(None)).is_err());
        assert!(
            decide(
                &oidc(Accounts::Existing),
                &claims(&["icu"]),
                "anna",
                known(None)
            )
            .is_err()
        );
        assert!(
            decide(
                &oidc(Accounts::Made),
                &claims(&["icu"]),
                "Anna K",
                known(None)
            )
            .is_err()
        );
    }

    #[test]
    fn a_role_follows_the_provider_and_the_secret_stays() {
        let here = known(Some((account(Role::Nurse), None)));
        let entry = decide(&oidc(Accounts::Existing), &claims(&["it"]), "anna", here).unwrap();
        let changed = entry.changed.unwrap();
        assert_eq!(
            (changed.role, changed.secret.as_str()),
            (Role::Administrator, "kept")
        );
        let same = known(Some((account(Role::Nurse), None)));
        let entry = decide(&oidc(Accounts::Existing), &claims(&["icu"]), "anna", same).unwrap();
        assert!(entry.changed.is_none() && entry.link);
    }

    #[test]
    fn a_name_that_is_somebody_elses_there_is_not_taken_over() {
        let theirs = known(Some((account(Role::Nurse), Some("https://idp".into()))));
        assert!(decide(&oidc(Accounts::Made), &claims(&["icu"]), "anna", theirs).is_err());
    }
}
