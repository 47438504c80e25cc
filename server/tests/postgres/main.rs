//! What Lifeboat reads of PostgreSQL, against a real one: what changes slowly, the rights of its roles, and TLS. The programs
//! are those of `LIFEBOAT_TEST_POSTGRES`, a folder, where that is set: so the same tests run on any version from 12 on.

mod node;

mod ask;
mod check;
mod details;
mod files;
mod refusal;
mod rights;
mod tls;
mod watch;
