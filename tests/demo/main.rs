//! The demo: six services, a gate in front of them, and an agent that gets some things wrong.
//!
//! Run it with `make demo`, or, to see its runs in Phoenix, `make demo OTLP=http://127.0.0.1:6006`. It
//! fails, naming what did not happen, when the gate lets something pass that it should not, or refuses
//! what it should let pass.

mod agent;
mod gate;
mod operator;
mod options;
mod planning;
mod scenes;
mod scripted;
mod services;
mod stage;

use std::process::ExitCode;

use gate::Gate;
use options::Options;
use services::{Kind, Service};
use stage::Stage;

/// The tools that the agent works with, and its model.
pub struct Services {
    pub booking: Service,
    pub payments: Service,
    pub search: Service,
    pub rates: Service,
    pub weather: Service,
    pub model: Service,
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
    let options = Options::read(std::env::args().skip(1))?;
    let services = Services {
        booking: Service::start(Kind::Booking).await?,
        payments: Service::start(Kind::Payments).await?,
        search: Service::start(Kind::Search).await?,
        rates: Service::start(Kind::Rates).await?,
        weather: Service::start(Kind::Weather).await?,
        model: Service::start(Kind::Model).await?,
    };
    let Services { booking, payments, search, rates, weather, model } = &services;
    let addresses = [booking, payments, search, rates, weather, model].map(|it| it.address);
    let mut gate = Gate::start(addresses, &options.config()?).await?;
    let mut stage = Stage::new();
    stage.say(&format!(
        "An agent books hotels. Its calls to its model, to an MCP server and to the booking, payment\n\
         and search service go through the gate at {}, which holds them to\n\
         policies/verify-before-confirm.yaml, booking-limits.yaml, refund-approval.yaml and\n\
         run-budget.yaml.",
        gate.url
    ));
    scenes::guests(&gate.url, &services, &mut stage).await?;
    scenes::confirmation(&gate.url, &services, &mut stage).await?;
    scenes::cancellation(&gate.url, &services, &mut stage).await?;
    scenes::repetition(&gate.url, &services, &mut stage).await?;
    planning::meeting(&gate.url, &services, &mut stage).await?;
    operator::outage(&gate.url, &services, &mut stage).await?;
    operator::approval(&gate, &services, &mut stage).await?;
    operator::kill_switch(&gate, &services, &mut stage).await?;
    if options.keeps {
        stage.scene("The gate stays");
        stage.say(&format!(
            "Agents call {}, /metrics is at {}, events in {}; it ends when standard input does.",
            gate.url,
            gate.admin,
            gate.events.display()
        ));
        let waiting = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop));
        waiting.await.map_err(|error| error.to_string())?;
    }
    gate.end()?;
    scenes::explained(&gate, &mut stage)?;
    Ok(stage.missed())
}
