//! What the database pages ask of the server.

use super::{
    plan::view::PlanPage,
    view::{ClusterPage, Directory},
};
use crate::fault::Fault;
use engine::failover::OperationKind;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use super::plan::view::Asked;
#[cfg(feature = "ssr")]
use crate::{port::port, session::viewer};

#[server(endpoint = "databases")]
pub async fn databases() -> Result<Directory, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    Ok(Directory::of(&picture))
}

#[server(endpoint = "cluster")]
pub async fn cluster(id: String) -> Result<ClusterPage, Fault> {
    let viewer = viewer()?;
    let picture = port()?.look(&viewer).await?;
    let page = id.parse().ok().and_then(|id| ClusterPage::of(&picture, &id));
    page.map(|page| page.for_viewer(&picture, &viewer)).ok_or(Fault::NotFound { what: "cluster".to_owned(), id })
}

/// The plan as it would be made now, with an operation id for the form.
#[server(endpoint = "plan")]
pub async fn plan(cluster: String, kind: OperationKind, node: Option<String>) -> Result<PlanPage, Fault> {
    let (port, viewer) = (port()?, viewer()?);
    let picture = port.look(&viewer).await?;
    let asked = asked(cluster, kind, node)?;
    PlanPage::of(&picture, &viewer, &asked, port.new_id()).ok_or_else(|| nothing_to_plan(&asked))
}

/// What would differ from the plan with `shown_hash`, if it were made now: only whether it is still the same.
#[server(endpoint = "plan_hash")]
pub async fn plan_hash(cluster: String, kind: OperationKind, node: Option<String>) -> Result<String, Fault> {
    let picture = port()?.look(&viewer()?).await?;
    let asked = asked(cluster, kind, node)?;
    let plan = picture.plan(asked.kind, &asked.cluster, asked.node.as_ref());
    plan.map(|plan| plan.hash()).ok_or_else(|| nothing_to_plan(&asked))
}

#[cfg(feature = "ssr")]
fn asked(cluster: String, kind: OperationKind, node: Option<String>) -> Result<Asked, Fault> {
    let missing = |what: &str, id: String| Fault::NotFound { what: what.to_owned(), id };
    let node = match node.filter(|node| !node.is_empty()) {
        Some(node) => Some(node.parse().map_err(|_| missing("node", node))?),
        None => None,
    };
    if kind == OperationKind::Rejoin && node.is_none() {
        return Err(Fault::BadInput("say which node is to rejoin: choose it on the page of the cluster".to_owned()));
    }
    let cluster = cluster.parse().map_err(|_| missing("cluster", cluster))?;
    Ok(Asked { cluster, kind, node })
}

#[cfg(feature = "ssr")]
fn nothing_to_plan(asked: &Asked) -> Fault {
    Fault::NotFound { what: "observed cluster".to_owned(), id: asked.cluster.to_string() }
}
