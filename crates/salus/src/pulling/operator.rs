//! Pulling, as the operator of the machine asks for it, here or of a running server.

use std::sync::Arc;

use anyhow::Result;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};

use super::{Order, Pulled, Series, Word};
use crate::assemble::House;
use crate::local::{Operator, answer, call};

impl Operator {
    /// The series that a peer has of what is wanted.
    pub(crate) async fn pull_find(&self, order: &Order) -> Result<Vec<Series>> {
        match self {
            Operator::Here(house) => Box::pin(house.pull_find((order, &Word::Operator))).await,
            Operator::There(socket) => call(socket, "/pull", &serde_json::to_vec(order)?).await,
        }
    }

    /// Has what is not here of a series given.
    pub(crate) async fn pull_series(&self, order: &Order, series: &Series) -> Result<Pulled> {
        match self {
            Operator::Here(house) => {
                Box::pin(house.pull_series((order, &Word::Operator), series)).await
            }
            Operator::There(socket) => {
                let wanted = serde_json::to_vec(&(order, series))?;
                call(socket, "/pull/series", &wanted).await
            }
        }
    }
}

/// The doors for it.
pub(crate) fn mounted() -> Router<Arc<House>> {
    Router::new()
        .route("/pull", post(find))
        .route("/pull/series", post(series))
}

async fn find(State(house): State<Arc<House>>, Json(order): Json<Order>) -> Response {
    answer(Box::pin(house.pull_find((&order, &Word::Operator))).await)
}

async fn series(
    State(house): State<Arc<House>>,
    Json((order, series)): Json<(Order, Series)>,
) -> Response {
    answer(Box::pin(house.pull_series((&order, &Word::Operator), &series)).await)
}
