//! An account as a SCIM user.

use event::Account;
use serde_json::{Value, json};

pub(super) const SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// Our own extension: the wards of a person and their id in messages.
pub(super) const PERSON: &str = "urn:salus:scim:schemas:Person";

/// The user `id`; `base` is the address of the console.
pub(super) fn json(id: &str, account: &Account, (disabled, base): (bool, &str)) -> Value {
    json!({
        "schemas": [SCHEMA, PERSON],
        "id": id,
        "userName": id,
        "displayName": account.name,
        "name": {"formatted": account.name},
        "active": !disabled,
        "roles": [{"value": account.role.word(), "primary": true}],
        PERSON: {"wards": account.wards, "practitioner": account.practitioner},
        "meta": {"resourceType": "User", "location": format!("{base}/scim/v2/Users/{id}")},
    })
}
