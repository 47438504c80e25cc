-- What the journal must not hold: password hashes, and the sessions of those who signed in.
create table password (
    account text primary key check (length(account) between 1 and 63),
    hash    text not null
) strict;

create table session (
    id         text primary key,
    record     text not null,
    expires_at integer not null
) strict;

create index session_by_expiry on session (expires_at);
