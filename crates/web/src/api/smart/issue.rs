//! Making tokens: sealed first, told afterwards.

use std::time::Duration;

use aws_lc_rs::rand;
use event::{Act, Actor, Body, Ended, Event, Issued, Leave, Refresh, Subject, Time, Token};
use guard::{Standing, admit};
use serde_json::{Map, Value};
use tokens::{Hash, Minted, Sort, hex, mint};

use super::assertion::Asserted;
use super::client::Caller;
use super::refusal::Refusal;
use super::scope::has;
use crate::App;

/// The shortest and the longest life of an access token, in milliseconds: 1 minute, 1 hour.
pub(super) const ACCESS_MS: (i64, i64) = (60_000, 3_600_000);

/// What tokens are made from.
pub(crate) struct Basis {
    /// The leave they carry.
    pub(crate) leave: Leave,
    /// What the access token covers of it.
    pub(crate) scopes: Vec<String>,
    /// What is used up for them, and until when it could be shown again.
    pub(crate) spent: Option<(Hash, Time)>,
}

/// A code or token of 256 random bits.
///
/// # Errors
/// Our own fault: the machine has no randomness.
pub(crate) fn minted(sort: Sort) -> Result<Minted, Refusal> {
    Ok(mint(sort, random()?))
}

/// A new family's id.
///
/// # Errors
/// Our own fault: the machine has no randomness.
pub(crate) fn family() -> Result<String, Refusal> {
    let random: [u8; 32] = random()?;
    Ok(hex(&random).chars().take(32).collect())
}

fn random() -> Result<[u8; 32], Refusal> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| Refusal::broken(&"this machine gives no random numbers"))?;
    Ok(bytes)
}

impl App {
    /// Issues tokens and returns what a token endpoint answers. What they are made from is used up
    /// with the same event, so that it is used up for ever or not at all.
    ///
    /// # Errors
    /// `invalid_grant` if somebody uses it up at this moment; our own faults.
    pub(crate) async fn issue(
        &self,
        caller: &Caller,
        basis: Basis,
    ) -> Result<Map<String, Value>, Refusal> {
        let now = self.tokens.now(self.clock.now());
        let claim = match &basis.spent {
            Some((hash, _)) => Some(self.tokens.claim(*hash).ok_or_else(used)?),
            None => None,
        };
        // Asked again with the claim in hand: it may have been used up just before.
        let spent = basis.spent.as_ref().map(|(hash, _)| hash);
        let again = spent.and_then(|hash| self.tokens.find_hash(hash, now));
        if again.is_some_and(|found| matches!(found.mark, tokens::Mark::Spent { .. })) {
            return Err(used());
        }
        let access = minted(Sort::Access)?;
        let refresh = match lasting(&basis.leave.scopes) && basis.leave.account.is_some() {
            true => Some(minted(Sort::Refresh)?),
            false => None,
        };
        let (life, last) = self.lives(&basis.leave, now)?;
        let issued = Issued {
            spent: spent.map(hex).unwrap_or_default(),
            spent_until: basis.spent.map_or(now, |(_, until)| until),
            access: access.hash,
            access_until: now.plus_millis(life),
            access_scopes: basis.scopes.clone(),
            refresh: refresh.as_ref().map(|refresh| Refresh {
                hash: refresh.hash.clone(),
                until: last.min(now.plus_millis(self.settings.refresh_token_ms)),
            }),
            leave: basis.leave,
        };
        self.seal_token(
            Act::SignIn,
            caller.identity.actor.clone(),
            Token::Issued(issued),
        )
        .await?;
        drop(claim);
        let mut told = Map::new();
        told.insert("access_token".to_owned(), access.text.into());
        told.insert("token_type".to_owned(), "Bearer".into());
        told.insert("expires_in".to_owned(), (life / 1_000).into());
        told.insert("scope".to_owned(), basis.scopes.join(" ").into());
        if let Some(refresh) = refresh {
            told.insert("refresh_token".to_owned(), refresh.text.into());
        }
        Ok(told)
    }

    /// How long a new access token is good, in milliseconds, and the moment at which everything ends
    /// that comes of this leave, however much it is used.
    ///
    /// # Errors
    /// `invalid_grant` if that moment has come.
    fn lives(&self, leave: &Leave, now: Time) -> Result<(i64, Time), Refusal> {
        let settings = &self.settings;
        let begun = self.tokens.lasting(&leave.family, now);
        let last = begun.map_or(now, |one| one.began);
        let last = last.plus_millis(settings.agreement_ms);
        let left = last.since(now);
        if left <= 0 {
            let why = "what the person agreed to has come to its end; ask them again";
            return Err(Refusal::grant(why));
        }
        let life = settings.access_token_ms.clamp(ACCESS_MS.0, ACCESS_MS.1);
        Ok((life.min(left), last))
    }

    /// Uses an assertion up that came with a code or a refresh token.
    ///
    /// # Errors
    /// `invalid_client` if it was used before; our own faults.
    pub(crate) async fn spend(&self, caller: &Caller, asserted: &Asserted) -> Result<(), Refusal> {
        let replayed = || Refusal::client("this assertion was used before").by(Some(caller.id()));
        let _claim = self.tokens.claim(asserted.hash).ok_or_else(replayed)?;
        if self
            .tokens
            .find_hash(&asserted.hash, self.clock.now())
            .is_some()
        {
            return Err(replayed());
        }
        let asserted = event::Asserted {
            client: caller.id().to_owned(),
            hash: hex(&asserted.hash),
            until: asserted.until,
        };
        let actor = caller.identity.actor.clone();
        self.seal_token(Act::SignIn, actor, Token::Asserted(asserted))
            .await
    }

    /// Ends all that belongs to a family.
    ///
    /// # Errors
    /// Our own faults.
    pub(crate) async fn end_leave(&self, family: &str, why: &str) -> Result<(), Refusal> {
        let ended = Ended {
            family: family.to_owned(),
            why: why.to_owned(),
        };
        self.seal_token(Act::SignOut, Actor::salus(), Token::Ended(ended))
            .await
    }

    /// Seals a step and waits until it is in force.
    ///
    /// # Errors
    /// Our own faults.
    pub(crate) async fn seal_token(
        &self,
        act: Act,
        actor: Actor,
        step: Token,
    ) -> Result<(), Refusal> {
        let subject = Subject::Account(match &step {
            Token::Agreed(agreed) => agreed.leave.client.clone(),
            Token::Issued(issued) => issued.leave.client.clone(),
            Token::Asserted(asserted) => asserted.client.clone(),
            Token::Ended(_) => actor.id.clone(),
        });
        let event = Event::new(actor, act, subject, Body::Token(step));
        let admitted = admit(event.into(), Standing::Salus, "");
        let admitted = admitted.map_err(|refused| Refusal::broken(&refused.words))?;
        let receipts = self.record.admit(vec![admitted]).await;
        let receipts = receipts.map_err(|why| Refusal::broken(&why))?;
        let size = receipts.first().map_or(0, |receipt| receipt.index + 1);
        let wait = Duration::from_millis(self.settings.chart_wait_ms);
        match self.tokens.caught_up(size, wait).await {
            true => Ok(()),
            false => Err(Refusal::broken(&"the view of tokens is behind")),
        }
    }
}

fn used() -> Refusal {
    Refusal::grant("this was used before")
}

/// Whether the app may ask for new tokens without asking the person again.
pub(crate) fn lasting(scopes: &[String]) -> bool {
    has(scopes, "offline_access") || has(scopes, "online_access")
}
