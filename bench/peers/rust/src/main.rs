//! The customers API of Clientele with axum, tokio-postgres and deadpool, for comparison in bench/run.

mod api;
mod customer;
mod id;
mod sql;
mod store;

use std::env;
use std::error::Error;

use tokio::net::UnixListener;
use tokio::signal::unix::{signal, SignalKind};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connections = env::var("PEER_CONNECTIONS")?.parse()?;
    let store = store::Store::open(&env::var("PEER_DATABASE")?, connections).await?;
    let listener = UnixListener::bind(env::var("PEER_SOCKET")?)?;
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = axum::serve(listener, api::router(store)) => ended?,
        _ = terminated.recv() => {}
    }
    Ok(())
}
