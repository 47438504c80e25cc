//! Each adapter that sends clients to regions, and the one that tells monitoring, against the real thing: HAProxy, BIND,
//! programs, a web service that behaves well or badly, Alertmanager, and for AWS what comes nearest. Everything runs on loopback and
//! in temporary folders, and ends by its own process id.

mod place;

mod alertmanager;
#[cfg(feature = "aws")]
mod arc;
mod command;
mod dns;
mod haproxy;
#[cfg(feature = "aws")]
mod moto;
mod named;
mod objects;
mod patroni;
#[cfg(feature = "aws")]
mod route53;
mod silences;
mod simulated;
mod telling;
mod webhook;
