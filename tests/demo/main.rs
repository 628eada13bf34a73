//! The demo: four tools, a gate in front of them, and an agent that gets some things wrong.
//!
//! Run it with `make demo`. It fails, naming what did not happen, when the gate lets something pass
//! that it should not, or refuses what it should let pass.

mod agent;
mod gate;
mod operator;
mod scenes;
mod services;
mod stage;

use std::process::ExitCode;

use gate::Gate;
use services::{Kind, Service};
use stage::Stage;

/// The tools that the agent works with.
pub struct Services {
    pub booking: Service,
    pub payments: Service,
    pub search: Service,
    pub rates: Service,
}

#[tokio::main]
async fn main() -> ExitCode {
    match play().await {
        Ok(missed) if missed.is_empty() => ExitCode::SUCCESS,
        Ok(missed) => {
            eprintln!("\nThe demo failed. This did not happen:");
            for what in missed {
                eprintln!("  - {what}");
            }
            ExitCode::FAILURE
        }
        Err(trouble) => {
            eprintln!("\nThe demo could not be played: {trouble}");
            ExitCode::FAILURE
        }
    }
}

async fn play() -> Result<Vec<String>, String> {
    let services = Services {
        booking: Service::start(Kind::Booking).await?,
        payments: Service::start(Kind::Payments).await?,
        search: Service::start(Kind::Search).await?,
        rates: Service::start(Kind::Rates).await?,
    };
    let Services { booking, payments, search, rates } = &services;
    let addresses = [booking.address, payments.address, search.address, rates.address];
    let mut gate = Gate::start(addresses).await?;
    let mut stage = Stage::new();
    stage.say(&format!(
        "An agent books hotels. Its calls to the booking, payment and search service go through\n\
         the gate at {}, which holds them to policies/verify-before-confirm.yaml,\n\
         booking-limits.yaml, refund-approval.yaml and run-budget.yaml.",
        gate.url
    ));
    scenes::guests(&gate.url, &services, &mut stage).await?;
    scenes::confirmation(&gate.url, &services, &mut stage).await?;
    scenes::cancellation(&gate.url, &services, &mut stage).await?;
    scenes::repetition(&gate.url, &services, &mut stage).await?;
    operator::outage(&gate.url, &services, &mut stage).await?;
    operator::approval(&gate, &services, &mut stage).await?;
    operator::kill_switch(&gate, &services, &mut stage).await?;
    gate.end()?;
    scenes::explained(&gate, &mut stage)?;
    Ok(stage.missed())
}
