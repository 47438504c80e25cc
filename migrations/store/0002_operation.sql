-- Which operation holds which cluster. The journal has the whole story; this table lets the database itself refuse a
-- second active operation on one cluster, whichever process asks.
create table operation (
    id      text primary key check (length(id) = 36),
    cluster text not null,
    kind    text not null,
    state   text not null check (state in ('requested', 'approved', 'running', 'compensating', 'in-doubt',
                                           'succeeded', 'failed', 'declined', 'cancelled', 'void', 'closed'))
) strict;

create unique index one_active_operation_per_cluster on operation (cluster)
    where state in ('requested', 'approved', 'running', 'compensating', 'in-doubt');
