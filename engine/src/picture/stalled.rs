//! Verdicts that nobody has looked at for too long: they say what was believed once, and must not look like the present.

use super::{EndpointView, Observations};
use crate::{
    health::{Health, Judgement},
    time::{Instant, Span},
};
use std::sync::Arc;

impl Observations {
    /// Verdicts are looked at several times a second. This much later none of them is taken for true any more; a machine that
    /// is short of breath is given some.
    pub const STALE_AFTER: Span = Span::from_secs(10);

    /// The observations as they may be believed at `now`: as they are, or, where nothing has judged them for too long, all
    /// unknown. What nobody judges at all, because no board is at work on it, is left as it is.
    pub fn as_of(self: Arc<Self>, now: Instant) -> Arc<Self> {
        match self.judged_at {
            Some(at) if Span::between(at, now) > Self::STALE_AFTER => Arc::new(self.stalled(at)),
            _ => self,
        }
    }

    fn stalled(&self, at: Instant) -> Self {
        let unknown = Judgement {
            health: Health::Unknown,
            since: Some(at),
            why: format!("nothing has been judged since {}: watching has stalled, restart the server", at.format("%H:%M:%S UTC")),
        };
        let mut stalled = self.clone();
        // Nothing is settled either, so that no request becomes void because of what is only not known.
        stalled.since = None;
        for view in stalled.clusters.values_mut() {
            (view.routed_to, view.failed_regions) = (None, Default::default());
            view.nodes.iter_mut().for_each(|node| node.judgement.clone_from(&unknown));
        }
        for view in stalled.endpoints.values_mut() {
            *view = EndpointView { last: view.last.take(), judgement: unknown.clone(), ..EndpointView::unseen() };
        }
        let judgements = stalled.agents.values_mut().chain(stalled.routers.values_mut());
        let judgements = judgements.chain(stalled.patroni.values_mut().map(|view| &mut view.judgement));
        judgements.chain(stalled.traffic.values_mut().map(|view| &mut view.judgement)).for_each(|judgement| judgement.clone_from(&unknown));
        stalled
    }
}
