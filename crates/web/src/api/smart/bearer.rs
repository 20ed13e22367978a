//! Who is behind an access token, at this moment.

use std::sync::Arc;

use event::{Leave, Role};
use guard::{Identity, Through};
use tokens::Mark;

use super::certificate::ClientCertificate;
use crate::App;

/// An access token that is good now.
#[derive(Debug, Clone)]
pub(crate) struct Good {
    pub(crate) leave: Arc<Leave>,
    pub(crate) scopes: Vec<String>,
    pub(crate) issued: event::Time,
    pub(crate) until: event::Time,
}

impl App {
    /// The access token, if it is good for whoever shows this certificate or none.
    pub(crate) fn access(
        &self,
        token: &str,
        certificate: Option<&ClientCertificate>,
    ) -> Option<Good> {
        let good = self.access_of_anybody(token)?;
        let bound = good.leave.certificate.as_ref();
        let shown = certificate.map(ClientCertificate::thumbprint);
        bound
            .is_none_or(|bound| Some(bound) == shown.as_ref())
            .then_some(good)
    }

    /// The access token, if it is good; who shows it is not asked.
    pub(crate) fn access_of_anybody(&self, token: &str) -> Option<Good> {
        let found = self.tokens.find(token, self.clock.now())?;
        let Mark::Access {
            scopes,
            issued,
            until,
        } = found.mark
        else {
            return None;
        };
        let leave = found.leave.filter(|leave| self.leave_stands(leave))?;
        Some(Good {
            leave,
            scopes,
            issued,
            until,
        })
    }

    /// Whether the client and the person still have accounts, and the session still lives that
    /// the leave was tied to.
    pub(crate) fn leave_stands(&self, leave: &Leave) -> bool {
        let client = self.staff.identity(&leave.client);
        let client = client.is_some_and(|client| client.role() == Role::Client);
        let person = leave.account.as_ref().is_none_or(|account| {
            let person = self.staff.identity(account);
            person.is_some_and(|person| person.role() != Role::Client)
        });
        let session = leave.session.as_ref();
        let session = session.is_none_or(|key| self.sessions.lives_by(key, self.clock.now()));
        client && person && session
    }

    /// Who asks with a good token: the program, or the person through it, with what they may now.
    ///
    /// # Errors
    /// The chart's, if it cannot say who the patient is now.
    pub(crate) async fn asker(&self, good: &Good) -> Result<Option<Identity>, chart::ChartError> {
        let leave = &good.leave;
        let account = leave.account.as_ref().unwrap_or(&leave.client);
        let Some(mut identity) = self.staff.identity(account) else {
            return Ok(None);
        };
        identity.scopes.clone_from(&good.scopes);
        if leave.account.is_some() {
            let patient = match &leave.patient {
                Some(id) => Some(self.chart.survivor(id).await?.unwrap_or_else(|| id.clone())),
                None => None,
            };
            identity.through = Some(Through {
                app: leave.client.clone(),
                patient,
            });
        }
        Ok(Some(identity))
    }
}
