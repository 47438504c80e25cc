-- An operation may hold more than a cluster: `cluster/…`, `service/…` or `region/…`.
drop index one_active_operation_per_cluster;
alter table operation rename column cluster to scope;
update operation set scope = 'cluster/' || scope;
create unique index one_active_operation_per_scope on operation (scope)
    where state in ('requested', 'approved', 'running', 'compensating', 'in-doubt');
