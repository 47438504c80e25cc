//! Which rights the roles of Lifeboat lack on a node, by what PostgreSQL itself says: what does not work without each, and
//! the statement that grants it. One place for all of them: what an operation needs stands here beside why it needs it.

use super::{durability, in_words};
use engine::{
    databases::MissingRight,
    estate::{Manager, Synchronous},
};
use tokio_postgres::Client;

/// From here on a role may be given CHECKPOINT without being a superuser.
const GRANTS_CHECKPOINT: i32 = 15_00_00;

/// The database that `pg_rewind` connects to.
pub const REWIND_DATABASE: &str = "postgres";

/// What it takes to rewind a node from another one.
const REWIND: [&str; 4] = [
    "pg_ls_dir(text, boolean, boolean)",
    "pg_stat_file(text, boolean)",
    "pg_read_binary_file(text)",
    "pg_read_binary_file(text, bigint, bigint, boolean)",
];

/// What the role that is signed in lacks, to watch and to carry out operations. Nodes that Patroni runs Lifeboat only watches,
/// and proves that they take writes.
///
/// # Errors
/// What PostgreSQL said: then nothing is known of the rights.
pub async fn missing(client: &Client, version: i32, manager: Manager, declared: Option<&Synchronous>) -> anyhow::Result<Vec<MissingRight>> {
    let checkpoint = if version < GRANTS_CHECKPOINT { "rolsuper" } else { "pg_has_role('pg_checkpoint', 'usage')" };
    let may_set = durability::may_set(version);
    let statement = format!(
        "select quote_ident(current_user) as role, current_database()::text as database, rolsuper or rolreplication as replication,
                pg_has_role('pg_monitor', 'usage') as monitor, pg_has_role('pg_read_all_stats', 'usage') as stats,
                has_function_privilege('pg_ls_waldir()', 'execute') as waldir,
                has_function_privilege('pg_ls_archive_statusdir()', 'execute') as archive_status,
                has_function_privilege('pg_promote(boolean, integer)', 'execute') as promote, {checkpoint} as checkpoint,
                current_setting('synchronous_standby_names') <> '' as waits, {may_set} as may_set,
                has_function_privilege('pg_reload_conf()', 'execute') as reload,
                to_regnamespace('lifeboat') is not null as has_schema,
                coalesce(has_schema_privilege(to_regnamespace('lifeboat'), 'usage')
                     and has_schema_privilege(to_regnamespace('lifeboat'), 'create'), false) as schema,
                coalesce(has_table_privilege(relation.oid, 'insert') and has_table_privilege(relation.oid, 'select'), true) as proof
         from pg_roles left join pg_class as relation on relation.relnamespace = to_regnamespace('lifeboat')::oid and relation.relname = 'write_proof'
         where rolname = current_user"
    );
    let row = client.query_one(&statement, &[]).await.map_err(in_words)?;
    let has = |column: &str| -> anyhow::Result<bool> { Ok(row.try_get(column)?) };
    let mut lacking = Lacking { role: row.try_get("role")?, database: row.try_get("database")?, list: Vec::new() };
    let role = lacking.role.clone();

    let monitoring = [
        (
            "stats",
            "membership in pg_read_all_stats",
            "who streams from here, how far, and which of them confirm commits is not seen",
            "GRANT pg_read_all_stats",
        ),
        (
            "waldir",
            "EXECUTE on pg_ls_waldir()",
            "the timeline of a standby is not known while its primary is gone",
            "GRANT EXECUTE ON FUNCTION pg_ls_waldir()",
        ),
        (
            "archive_status",
            "EXECUTE on pg_ls_archive_statusdir()",
            "how much WAL waits to be archived is not known",
            "GRANT EXECUTE ON FUNCTION pg_ls_archive_statusdir()",
        ),
    ];
    let mut without = Vec::new();
    for (column, right, effect, grant) in monitoring {
        if has(column)? {
            continue;
        }
        if has("monitor")? {
            lacking.add(right, effect, format!("{grant} TO {role};"));
        } else {
            without.push(effect);
        }
    }
    if !without.is_empty() {
        lacking.add("membership in pg_monitor", &without.join("; "), format!("GRANT pg_monitor TO {role};"));
    }
    if manager == Manager::Lifeboat {
        if !has("promote")? {
            let grant = format!("GRANT EXECUTE ON FUNCTION pg_promote(boolean, integer) TO {role};");
            lacking.add("EXECUTE on pg_promote(boolean, integer)", "Lifeboat cannot promote a standby", grant);
        }
        if !has("checkpoint")? {
            let (right, grant) = if version < GRANTS_CHECKPOINT {
                ("SUPERUSER, which CHECKPOINT takes before PostgreSQL 15,", format!("ALTER ROLE {role} SUPERUSER;"))
            } else {
                ("membership in pg_checkpoint", format!("GRANT pg_checkpoint TO {role};"))
            };
            lacking.add(right, "no node can rejoin: pg_rewind is wrong until the new primary has written a checkpoint", grant);
        }
        // Where commits wait for nobody, and are not to, it is not needed.
        if has("waits")? || declared.is_some() {
            let effect = "whom commits wait for cannot be told after a move, and a standby that inherited it is not promoted";
            if !has("may_set")? {
                let (right, grant) = if version < durability::GRANTS_PARAMETERS {
                    ("SUPERUSER, which ALTER SYSTEM takes before PostgreSQL 15,", format!("ALTER ROLE {role} SUPERUSER;"))
                } else {
                    let grant = format!("GRANT ALTER SYSTEM ON PARAMETER synchronous_standby_names TO {role};");
                    ("ALTER SYSTEM on the parameter synchronous_standby_names", grant)
                };
                lacking.add(right, effect, grant);
            }
            if !has("reload")? {
                lacking.add("EXECUTE on pg_reload_conf()", effect, format!("GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {role};"));
            }
        }
        if !has("replication")? {
            let effect = "replication slots can be neither made nor dropped, so no node can be told to follow another one";
            lacking.add("REPLICATION", effect, format!("ALTER ROLE {role} REPLICATION;"));
        }
    }
    let no_proof = "no move can be proven by a write";
    if !has("has_schema")? {
        lacking.add("a schema lifeboat", no_proof, format!("CREATE SCHEMA lifeboat AUTHORIZATION {role};"));
    } else if !has("schema")? {
        lacking.add("USAGE and CREATE on the schema lifeboat", no_proof, format!("GRANT USAGE, CREATE ON SCHEMA lifeboat TO {role};"));
    }
    if !has("proof")? {
        let grant = format!("GRANT SELECT, INSERT ON lifeboat.write_proof TO {role};");
        lacking.add("SELECT and INSERT on lifeboat.write_proof", no_proof, grant);
    }
    Ok(lacking.list)
}

/// What `streaming`, the role that standbys stream and are rewound as, lacks. Rights on functions belong to one database, so
/// `client` is connected to the one `pg_rewind` uses.
///
/// # Errors
/// As above.
pub async fn missing_of_streaming(client: &Client, streaming: &str) -> anyhow::Result<Vec<MissingRight>> {
    let statement = "select quote_ident($1::text) as role, current_database()::text as database, rolname is not null as exists,
            coalesce(rolcanlogin and (rolsuper or rolreplication), false) as streams
         from (select) as always left join pg_roles on rolname = $1::text";
    let row = client.query_one(statement, &[&streaming]).await.map_err(in_words)?;
    let mut lacking = Lacking { role: row.try_get("role")?, database: row.try_get("database")?, list: Vec::new() };
    let role = lacking.role.clone();
    if !row.try_get::<_, bool>("exists")? {
        let grant = format!("CREATE ROLE {role} LOGIN REPLICATION; then set its password as the agents' passfile has it");
        lacking.add("a role of this name", "no node can be told to follow another one", grant);
        return Ok(lacking.list);
    }
    if !row.try_get::<_, bool>("streams")? {
        lacking.add("LOGIN and REPLICATION", "no node can stream as it", format!("ALTER ROLE {role} LOGIN REPLICATION;"));
    }
    for function in REWIND {
        let statement = "select has_function_privilege($1::text::name, $2::text, 'execute')";
        let may: bool = client.query_one(statement, &[&streaming, &function]).await.map_err(in_words)?.try_get(0)?;
        if !may {
            let effect = "pg_rewind cannot read from here, so every rejoin copies the whole node anew";
            lacking.add(&format!("EXECUTE on {function}"), effect, format!("GRANT EXECUTE ON FUNCTION {function} TO {role};"));
        }
    }
    Ok(lacking.list)
}

/// What one role lacks in one database.
struct Lacking {
    /// Quoted where that is needed.
    role: String,
    database: String,
    list: Vec<MissingRight>,
}

impl Lacking {
    fn add(&mut self, right: &str, without: &str, grant: String) {
        let (right, without, database) = (format!("{right} for {}", self.role), without.to_owned(), self.database.clone());
        self.list.push(MissingRight { right, without, grant, database });
    }
}
