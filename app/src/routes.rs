//! The list of all pages. Every page waits for its data before the first byte, so that it is whole without JavaScript.

use crate::{
    chunk::{backups, databases, decisions, dr_tests, failover, journal, moves, notifications, operations, overview, runbooks, services},
    live::Live,
    shell::Frame,
    sign_in::{SetupPage, SignInPage},
    ui::trouble::NotFound,
};
use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{FlatRoutes, Route, Router},
    path,
};

#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    provide_context(Live::new());
    view! {
        <Title formatter=|title: String| if title.is_empty() { "Lifeboat".to_owned() } else { format!("{title} · Lifeboat") }/>
        <Router>
            <Frame>
                <FlatRoutes fallback=NotFound>
                    <Route path=path!("/") view=overview::Page::OverviewPage ssr=SsrMode::Async/>
                    <Route path=path!("/services") view=services::Page::ServicesPage ssr=SsrMode::Async/>
                    <Route path=path!("/services/:service") view=services::Page::ServicesPage ssr=SsrMode::Async/>
                    <Route path=path!("/failover") view=failover::Page::FailoverPage ssr=SsrMode::Async/>
                    <Route path=path!("/failover/decisions") view=decisions::Page::DecisionsPage ssr=SsrMode::Async/>
                    <Route path=path!("/failover/evacuate/:region") view=moves::Page::EvacuationPage ssr=SsrMode::Async/>
                    <Route path=path!("/failover/:service") view=failover::Page::FailoverServicePage ssr=SsrMode::Async/>
                    <Route path=path!("/failover/:service/plan") view=moves::Page::MovePage ssr=SsrMode::Async/>
                    <Route path=path!("/databases") view=databases::Page::DatabasesPage ssr=SsrMode::Async/>
                    <Route path=path!("/databases/:cluster") view=databases::Page::DatabasePage ssr=SsrMode::Async/>
                    <Route path=path!("/databases/:cluster/plan") view=moves::Page::PlanPage ssr=SsrMode::Async/>
                    <Route path=path!("/backups") view=backups::Page::BackupsPage ssr=SsrMode::Async/>
                    <Route path=path!("/backups/:policy") view=backups::Page::PolicyPage ssr=SsrMode::Async/>
                    <Route path=path!("/backups/:policy/plan") view=moves::Page::RestorePage ssr=SsrMode::Async/>
                    <Route path=path!("/runbooks") view=runbooks::Page::RunbooksPage ssr=SsrMode::Async/>
                    <Route path=path!("/runbooks/new") view=runbooks::Page::NewPage ssr=SsrMode::Async/>
                    <Route path=path!("/runbooks/runs/:run") view=runbooks::Page::RunPage ssr=SsrMode::Async/>
                    <Route path=path!("/runbooks/:name") view=runbooks::Page::RunbookPage ssr=SsrMode::Async/>
                    <Route path=path!("/runbooks/:name/edit") view=runbooks::Page::EditPage ssr=SsrMode::Async/>
                    <Route path=path!("/runbooks/:name/versions") view=runbooks::Page::VersionsPage ssr=SsrMode::Async/>
                    <Route path=path!("/dr-tests") view=dr_tests::Page::DrTestsPage ssr=SsrMode::Async/>
                    <Route path=path!("/dr-tests/runs/:run") view=dr_tests::Page::TestRunPage ssr=SsrMode::Async/>
                    <Route path=path!("/dr-tests/:scenario") view=dr_tests::Page::ScenarioPage ssr=SsrMode::Async/>
                    <Route path=path!("/operations") view=operations::Page::OperationsPage ssr=SsrMode::Async/>
                    <Route path=path!("/operations/:operation") view=operations::Page::OperationPage ssr=SsrMode::Async/>
                    <Route path=path!("/operations/:operation/receipt") view=operations::Page::ReceiptPage ssr=SsrMode::Async/>
                    <Route path=path!("/journal") view=journal::Page::JournalPage ssr=SsrMode::Async/>
                    <Route path=path!("/notifications") view=notifications::Page::NotificationsPage ssr=SsrMode::Async/>
                    <Route path=path!("/login") view=SignInPage ssr=SsrMode::Async/>
                    <Route path=path!("/setup") view=SetupPage ssr=SsrMode::Async/>
                </FlatRoutes>
            </Frame>
        </Router>
    }
}

/// One place of the product, as the rail and the tabs show it. Only what exists is listed.
pub struct Place {
    pub href: &'static str,
    pub name: &'static str,
    pub icon: &'static str,
}

pub const PLACES: [Place; 9] = [
    Place { href: "/", name: "Overview", icon: "overview" },
    Place { href: "/services", name: "Services", icon: "services" },
    Place { href: "/failover", name: "Failover", icon: "failover" },
    Place { href: "/databases", name: "Databases", icon: "databases" },
    Place { href: "/backups", name: "Backups", icon: "backups" },
    Place { href: "/dr-tests", name: "DR tests", icon: "dr-tests" },
    Place { href: "/runbooks", name: "Runbooks", icon: "runbooks" },
    Place { href: "/operations", name: "Operations", icon: "operations" },
    Place { href: "/journal", name: "Journal", icon: "journal" },
];
