use anyhow::{Context as _, Result};
use event::App;
use serde::Serialize;

use crate::cli::{Client, ClientAdd, Format};
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
        Client::Add(add) => new(add)?,
        Client::Remove { id } => NewClient {
            name: String::new(),
            id,
            scopes: None,
            app: None,
        },
    };
    let operator = Operator::reach(config).await?;
    let made = operator.add_client(&new).await;
    operator.done().await;
    let token = Some(made?).filter(|token| !token.is_empty());
    let (app, ended) = (new.app.is_some(), new.scopes.is_none());
    let made = Made { id: new.id, token };
    output::result(format, &made, |made| match &made.token {
        Some(secret) if app => format!(
            "client `{}` proves itself with this secret, which is shown only now:\n  {secret}",
            made.id
        ),
        Some(token) => format!(
            "client `{}` may sign in with this token, which is shown only now:\n  {token}",
            made.id
        ),
        None if ended => format!("client `{}` has no access any more", made.id),
        None => format!("client `{}` may ask for tokens at /oauth/token", made.id),
    });
    Ok(output::WELL)
}

fn new(add: ClientAdd) -> Result<NewClient> {
    let jwks = add.jwks_file.map(|path| {
        let read = std::fs::read_to_string(&path);
        read.with_context(|| format!("cannot read the keys in `{}`", path.display()))
    });
    let app = App {
        redirect_uris: add.redirect_uris,
        launch_url: add.launch_url,
        jwks_url: add.jwks_url,
        jwks: jwks.transpose()?,
        certificates: add.certificates,
        secret: add.confidential,
    };
    Ok(NewClient {
        name: add.name.unwrap_or_else(|| add.id.clone()),
        id: add.id,
        scopes: Some(add.scopes),
        app: (app != App::default()).then_some(app),
    })
}
