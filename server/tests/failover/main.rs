//! Failovers, switchovers and rejoins on real PostgreSQL: three nodes in two regions behind HAProxy, kept by real host agents
//! (`lab up`), watched and moved by the real watchers and the real executor. Each test has a lab of its own.

mod cascade;
mod cuts;
mod ends;
mod faults;
mod fences;
mod history;
mod place;
mod slots;
mod synchronous;
