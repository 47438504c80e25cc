//! Commands of the configuration as fences, on real PostgreSQL: one that ends the primary, and one that only says so.

use crate::place::{EAST, Lab, REPLICA, Server, WEST, down, id, plan, protected, step, steps};
use app::operations::receipt::Receipt;
use engine::{
    failover::{Action, Blocker, FenceMeans, OperationKind, State, StepState},
    findings::Complaint,
};
use std::{io::Write as _, os::unix::fs::PermissionsExt as _, path::Path};

fn is_fence(action: &Action) -> bool {
    matches!(action, Action::Fence { by: FenceMeans::Command { .. }, .. })
}

/// A program that does this to every process of a node.
fn script(folder: &Path, name: &str, data: &Path, for_each: &str, in_the_end: &str) -> String {
    let path = folder.join(name);
    let data = data.canonicalize().unwrap();
    let text = format!(
        "#!/bin/sh\nfor process in /proc/[0-9]*; do\n  pid=${{process#/proc/}}\n  if [ \"$(readlink $process/cwd)\" = \"{}\" ]; then {for_each}; fi\ndone\n{in_the_end}\n",
        data.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Two nodes, and no host agent in the east: its primary names the command `power-east`.
async fn watched(lab: &Lab, fence: &str) -> Server {
    let mut config = std::fs::OpenOptions::new().append(true).open(lab.config()).unwrap();
    writeln!(config, "\n{fence}").unwrap();
    lab.run(&["kill", REPLICA]);
    Server::with_estate(lab, |estate| {
        estate.clusters[0].nodes.retain(|node| node.id.as_str() != REPLICA);
        estate.clusters[0].nodes[0].fence = Some(id("power-east"));
        estate.regions.iter_mut().filter(|region| region.id.as_str() == "us-east-1").for_each(|region| region.agent = None);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_primary_without_a_host_agent_is_turned_off_by_a_command_and_nothing_is_lost() {
    let lab = Lab::up(&["--synchronous"]);
    let folder = tempfile::tempdir().unwrap();
    let off = script(folder.path(), "off", &lab.data(EAST), "kill -9 $pid", "echo \"$LIFEBOAT_ACTION $LIFEBOAT_NODE key=abc\"");
    let proof = script(folder.path(), "proof", &lab.data(EAST), "exit 1", "echo none left");
    let server = watched(&lab, &format!("[fence.power-east]\ncommand = [\"{off}\"]\nproof = [\"{proof}\"]\ntimeout = \"10s\"")).await;
    server.until("all is well", protected).await;
    let load = lab.load();
    lab.writes_go_on().await;
    lab.run(&["hang", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let done = server.carry_out(OperationKind::Failover, WEST).await;
    assert_eq!(done.state, State::Succeeded, "{:#?}", steps(&done));
    let (state, said) = step(&done, is_fence);
    assert!(state == StepState::Done && said.starts_with("pg-primary-east is off: the command power-east ended well"), "{said}");
    assert!(said.contains("(“fence pg-primary-east key=…”), its proof succeeded (“none left”), and nobody answers at its address"), "{said}");
    assert_eq!(lab.writable().await, [WEST]);
    lab.writes_go_on().await;
    let (acknowledged, missing) = load.stop();
    assert!(acknowledged > 40 && missing == 0, "{missing} of {acknowledged} acknowledged rows are gone");
    let receipt = Receipt::of(&server.picture(), &done).unwrap();
    assert!(receipt.says.starts_with("NOT MEASURED YET"), "only its host has its log: {}", receipt.says);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_says_off_of_a_node_that_answers_fences_nothing_and_is_not_believed_again() {
    let lab = Lab::up(&[]);
    let folder = tempfile::tempdir().unwrap();
    let lies = script(folder.path(), "off", &lab.data(EAST), "kill -CONT $pid", "exit 0");
    let server = watched(&lab, &format!("[fence.power-east]\ncommand = [\"{lies}\"]\nproof = [\"/bin/true\"]\ntimeout = \"3s\"")).await;
    server.until("all is well", protected).await;
    lab.run(&["hang", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let done = server.carry_out(OperationKind::Failover, WEST).await;
    assert_eq!(done.state, State::InDoubt, "{:#?}", steps(&done));
    let (state, said) = step(&done, is_fence);
    assert!(state == StepState::Failed && said.ends_with("and yet it answers and takes writes"), "{said}");
    assert!(done.promoted().is_none(), "nobody else was promoted");
    assert_eq!(lab.writable().await, [EAST]);

    // It fails again, and cannot be looked at: what was caught lying proves nothing.
    lab.run(&["hang", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let again = plan(&server.picture(), OperationKind::Failover, Some(WEST));
    let why = again.blockers.iter().find_map(|blocker| match blocker {
        Blocker::FenceUnproven { why, .. } => Some(why.as_str()),
        _ => None,
    });
    let why = why.unwrap_or_else(|| panic!("{:?}", again.blockers));
    assert!(why.contains("its command power-east was run in vain: not fenced: the command power-east ended well"), "{why}");
    assert!(!again.steps.iter().any(|step| is_fence(&step.action)), "{again:#?}");
    lab.run(&["heal", EAST]);
    assert_eq!(lab.writable().await, [EAST]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_only_the_estate_names_is_a_finding_and_never_a_fence() {
    let lab = Lab::up(&[]);
    let server = watched(&lab, "").await;
    server.until("all is well", protected).await;
    let complains = |finding: &engine::findings::Finding| matches!(&finding.complaint, Complaint::FenceUnusable { node, why } if *node == id(EAST) && why.contains("power-east is not in the configuration"));
    server.until("it is a finding", |picture| picture.findings().iter().any(complains)).await;
    lab.run(&["hang", EAST]);
    server.until("the primary is down", down(EAST)).await;
    let wanted = plan(&server.picture(), OperationKind::Failover, Some(WEST));
    assert!(wanted.steps.iter().any(|step| matches!(step.action, Action::Fence { by: FenceMeans::Overridden, .. })), "{wanted:#?}");
    assert!(
        matches!(&wanted.blockers[..], [Blocker::FenceUnproven { why, .. }] if why.contains("is not in the configuration")),
        "{:?}",
        wanted.blockers
    );
}
