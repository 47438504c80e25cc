-- What people are told outside of the pages. Incidents are recorded for telling, so that one keeps its key over a restart;
-- deliveries are written before they are sent, so that none is lost when the server dies in between.
create table incident (
    key         text primary key check (length(key) between 1 and 200),
    severity    text not null check (severity in ('lost', 'act', 'unknown', 'watch')),
    title       text not null,
    next        text not null,
    link        text not null,
    hush        text,
    clear_since text,
    grace       text not null,
    resolved_at text
) strict;

create index open_incident on incident (key) where resolved_at is null;
create index incident_by_end on incident (resolved_at) where resolved_at is not null;

create table delivery (
    id           text primary key check (length(id) = 36),
    channel      text not null check (length(channel) between 1 and 63),
    incident     text references incident (key) on delete cascade,
    kind         text not null check (kind in ('opened', 'reminder', 'changed', 'acknowledged', 'resolved', 'test')),
    severity     text not null check (severity in ('lost', 'act', 'unknown', 'watch')),
    title        text not null,
    next         text not null,
    link         text not null,
    written_at   text not null,
    attempts     integer not null default 0 check (attempts >= 0),
    said         text,
    next_attempt text,
    delivered_at text,
    given_up_at  text,
    -- Only a test is about no incident; and a delivery waits, or was delivered, or was given up.
    check ((incident is null) = (kind = 'test')),
    check ((next_attempt is not null) + (delivered_at is not null) + (given_up_at is not null) = 1)
) strict;

create index waiting_delivery on delivery (channel, next_attempt) where next_attempt is not null;
create index delivery_by_incident on delivery (incident, channel, id);

-- How the attempts of each channel went.
create table channel (
    name          text primary key check (length(name) between 1 and 63),
    delivered_at  text,
    delivered     text,
    failed_at     text,
    failed        text,
    failing_since text
) strict;
