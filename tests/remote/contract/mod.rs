//! What every back end must do for the engine, against the embedded server in both of its personalities.

/// Makes a test of each function for each personality.
macro_rules! contract {
    ($($name:ident),* $(,)?) => {
        mod exchange {
            $(#[tokio::test] async fn $name() { super::$name(super::House::like(super::Personality::Exchange)).await })*
        }
        mod gromox {
            $(#[tokio::test] async fn $name() { super::$name(super::House::like(super::Personality::Gromox)).await })*
        }
    };
}

mod categories;
mod entries;
mod events;
mod listening;
mod lists;
mod meetings;
mod reading;
mod sending;
mod writing;

use pimsync::exchange::Action;

fn throttling() -> Vec<Action> {
    vec![
        Action::ServerBusyFault { backoff_ms: Some(20_000) },
        Action::ServerBusyFault { backoff_ms: None },
        Action::ServerBusyInMessage { backoff_ms: Some(20_000) },
        Action::ServerBusyInMessage { backoff_ms: None },
        Action::InternalServerErrorWithInnerBusy,
        Action::Http429 { retry_after: Some(20) },
        Action::Http429 { retry_after: None },
        Action::Http503 { retry_after: Some(20) },
        Action::Http503 { retry_after: None },
        Action::Redirect302,
        Action::HtmlErrorPage,
        Action::ExceededConnectionCount,
        Action::Unauthorized401,
    ]
}
