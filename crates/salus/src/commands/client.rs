use anyhow::Result;
use serde::Serialize;

use crate::cli::{Client, Format};
use crate::config::Config;
use crate::local::{NewClient, Operator};
use crate::output;

#[derive(Serialize)]
struct Made {
    id: String,
    token: Option<String>,
}

pub(crate) async fn run(config: Config, command: Client, format: Format) -> Result<u8> {
    let new = match command {
        Client::Add { id, name, scopes } => NewClient {
            name: name.unwrap_or_else(|| id.clone()),
            id,
            scopes: Some(scopes),
        },
        Client::Remove { id } => NewClient {
            name: String::new(),
            id,
            scopes: None,
        },
    };
    let operator = Operator::reach(config).await?;
    let made = operator.add_client(&new).await;
    operator.done().await;
    let token = made?;
    let made = Made {
        id: new.id,
        token: new.scopes.is_some().then_some(token),
    };
    output::result(format, &made, |made| match &made.token {
        Some(token) => format!(
            "client `{}` may sign in with this token, which is shown only now:\n  {token}",
            made.id
        ),
        None => format!("client `{}` has no access any more", made.id),
    });
    Ok(output::WELL)
}
