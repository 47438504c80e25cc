//! A standby whose slot was lost: the log it would go on with is gone. pg_rewind calls such a node sound, and it never streams again.

use crate::place::{EAST, Lab, REPLICA, Server, WEST, id, protected, step, steps, until};
use engine::{
    failover::Action,
    findings::{Complaint, Severity},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_slot_is_a_finding_and_the_rejoin_makes_it_anew_and_copies_the_node() {
    let lab = Lab::up(&[]);
    let admin = lab.admin(EAST).await;
    for setting in ["max_slot_wal_keep_size = '16MB'", "wal_keep_size = '0'", "max_wal_size = '32MB'", "min_wal_size = '32MB'"] {
        admin.batch_execute(&format!("alter system set {setting}")).await.unwrap();
    }
    admin.batch_execute("select pg_reload_conf()").await.unwrap();
    let server = Server::start(&lab).await;
    server.until("all is well", protected).await;

    lab.run(&["kill", WEST]);
    let status = "select wal_status from pg_replication_slots where slot_name = 'pg_standby_west'";
    until("the slot is lost", async || {
        for statement in [
            "insert into app.load_rows (run, number) select 9, coalesce(max(number), 0) + 1 from app.load_rows",
            "select pg_switch_wal()",
            "checkpoint",
        ] {
            admin.batch_execute(statement).await.unwrap();
        }
        (lab.text(EAST, status).await == "lost").then_some(())
    })
    .await;
    let lost = |finding: &engine::findings::Finding| matches!(&finding.complaint, Complaint::SlotLost { of: Some(of), .. } if *of == id(WEST));
    server.until("it is a finding", |picture| picture.findings().iter().any(lost)).await;
    let finding = server.findings().into_iter().find(lost).unwrap();
    assert_eq!(finding.severity, Severity::Act);
    assert!(finding.remedy().starts_with("Rejoin pg-standby-west"), "{}", finding.remedy());

    // It runs again, and cannot stream.
    lab.run(&["heal", WEST]);
    let receiving = "select count(*)::text from pg_stat_wal_receiver where status = 'streaming'";
    assert_eq!(lab.text(WEST, receiving).await, "0");
    let rejoined = server.rejoined(WEST).await;
    let (_, said) = step(&rejoined, |action| matches!(action, Action::Rewind { .. }));
    assert!(said.contains("holds the log up to") && said.contains("was copied anew from pg-primary-east"), "{:#?}", steps(&rejoined));
    lab.arrives(EAST, &[WEST, REPLICA]).await;
    assert!(["reserved", "extended"].contains(&lab.text(EAST, status).await.as_str()));
    server.until("all is well", protected).await;
    server.until("it is no finding any more", |picture| !picture.findings().iter().any(lost)).await;
    assert_eq!(lab.writable().await, [EAST]);
}
