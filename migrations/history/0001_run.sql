-- What probes saw, as stretches of rounds that were alike. Instants and durations are milliseconds, instants since 1970 (UTC).

-- One probed thing as one observer sees it. `subject` is spelled as in the journal.
create table target (
    id       integer primary key,
    subject  text not null,
    observer text not null,
    unique (subject, observer)
) strict;

-- Finished runs, and what the roll-up made of them. Stored in the order in which they are read.
create table run (
    target     integer not null references target (id),
    first      integer not null,
    last       integer not null,
    good       integer not null,
    complained integer not null,
    failed     integer not null,
    worst      integer not null,
    said       text,
    said_last  text,
    primary key (target, first),
    check (last >= first),
    check (good >= 0 and complained >= 0 and failed >= 0 and good + complained + failed > 0)
) strict, without rowid;

-- The run that is going on for each target, in a table of its own: it is written over again and again, and all of these
-- together are few pages.
create table open_run (
    target     integer primary key references target (id),
    first      integer not null,
    last       integer not null,
    good       integer not null,
    complained integer not null,
    failed     integer not null,
    worst      integer not null,
    said       text,
    said_last  text,
    check (last >= first),
    check (good >= 0 and complained >= 0 and failed >= 0 and good + complained + failed > 0)
) strict;
