-- The last good reading of each database node, so that a restart during an outage still knows where the primary was.
create table reading (
    cluster text not null,
    node    text not null,
    at      text not null,
    reading text not null,
    primary key (cluster, node)
) strict;
