use crate::{Ask, Decision, Facts};
pub struct Policies {}
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("x")]
    X,
}
impl Policies {
    pub fn load(_sources: &[(String, String)], _schema: &str) -> Result<Policies, PolicyError> {
        Err(PolicyError::X)
    }
    pub fn decide(&self, _ask: Ask, _facts: &Facts) -> Decision {
        loop {}
    }
}
