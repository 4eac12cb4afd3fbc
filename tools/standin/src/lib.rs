//! Native stand-ins for what workerd talks to: the Cache API back end, Workers KV and an origin, with a control
//! port to inject faults. One thread, plain HTTP/1.1, loopback only: small enough that the CPU time of the workerd
//! process is what a benchmark measures.

pub mod cache;
pub mod client;
pub mod control;
pub mod fault;
pub mod http1;
pub mod kv;
pub mod origin;
pub mod state;

use std::{cell::RefCell, future::Future, io, net::Ipv4Addr, rc::Rc};

use tokio::net::TcpListener;

use crate::{
    http1::{Outcome, Request},
    state::{Role, State},
};

/// The ports a set of stand-ins listens on. Zero asks for any free one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ports {
    pub cache: u16,
    pub kv: u16,
    pub origin: u16,
    pub control: u16,
}

/// Binds the four listeners on loopback and serves them in the background of the current `LocalSet`.
pub async fn start(wanted: Ports) -> io::Result<(Ports, Rc<State>)> {
    let state = Rc::new(State::default());
    let ports = Ports {
        cache: listen(wanted.cache, &state, Some(Role::Cache), cache::handle).await?,
        kv: listen(wanted.kv, &state, Some(Role::Kv), kv::handle).await?,
        origin: listen(wanted.origin, &state, Some(Role::Origin), origin::handle).await?,
        control: listen(wanted.control, &state, None, control::handle).await?,
    };
    Ok((ports, state))
}

async fn listen<H, F>(port: u16, state: &Rc<State>, role: Option<Role>, handler: H) -> io::Result<u16>
where
    H: Fn(Rc<State>, Request) -> F + Copy + 'static,
    F: Future<Output = Outcome> + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    let state = state.clone();
    tokio::task::spawn_local(async move {
        loop {
            // An error here concerns one connection (or a shortage of descriptors): the listener goes on.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            };
            let state = state.clone();
            tokio::task::spawn_local(async move {
                // A peer that goes away in the middle is part of the job, not an error to report.
                let stalls = |request: &Request| role.is_some_and(|role| state.stalls(role, request));
                let _ = http1::serve(stream, stalls, |request| handler(state.clone(), request)).await;
            });
        }
    });
    Ok(port)
}

/// A `RefCell` whose borrows never outlive a call, which is what keeps them from colliding across `await`s.
#[derive(Default)]
pub struct Guarded<T>(RefCell<T>);

impl<T> Guarded<T> {
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        f(&mut self.0.borrow_mut())
    }
}
