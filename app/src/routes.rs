//! The list of all pages. Every page waits for its data before the first byte, so that it is whole without JavaScript.

use crate::{
    backups::{BackupsPage, PolicyPage},
    databases::{DatabasePage, DatabasesPage, PlanPage},
    failover::{DecisionsPage, EvacuationPage, FailoverPage, FailoverServicePage, MovePage},
    journal::JournalPage,
    live::Live,
    notifications::NotificationsPage,
    operations::{OperationPage, OperationsPage, ReceiptPage},
    overview::OverviewPage,
    services::ServicesPage,
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
                    <Route path=path!("/") view=OverviewPage ssr=SsrMode::Async/>
                    <Route path=path!("/services") view=ServicesPage ssr=SsrMode::Async/>
                    <Route path=path!("/services/:service") view=ServicesPage ssr=SsrMode::Async/>
                    <Route path=path!("/failover") view=FailoverPage ssr=SsrMode::Async/>
                    <Route path=path!("/failover/decisions") view=DecisionsPage ssr=SsrMode::Async/>
                    <Route path=path!("/failover/evacuate/:region") view=EvacuationPage ssr=SsrMode::Async/>
                    <Route path=path!("/failover/:service") view=FailoverServicePage ssr=SsrMode::Async/>
                    <Route path=path!("/failover/:service/plan") view=MovePage ssr=SsrMode::Async/>
                    <Route path=path!("/databases") view=DatabasesPage ssr=SsrMode::Async/>
                    <Route path=path!("/databases/:cluster") view=DatabasePage ssr=SsrMode::Async/>
                    <Route path=path!("/databases/:cluster/plan") view=PlanPage ssr=SsrMode::Async/>
                    <Route path=path!("/backups") view=BackupsPage ssr=SsrMode::Async/>
                    <Route path=path!("/backups/:policy") view=PolicyPage ssr=SsrMode::Async/>
                    <Route path=path!("/operations") view=OperationsPage ssr=SsrMode::Async/>
                    <Route path=path!("/operations/:operation") view=OperationPage ssr=SsrMode::Async/>
                    <Route path=path!("/operations/:operation/receipt") view=ReceiptPage ssr=SsrMode::Async/>
                    <Route path=path!("/journal") view=JournalPage ssr=SsrMode::Async/>
                    <Route path=path!("/notifications") view=NotificationsPage ssr=SsrMode::Async/>
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

pub const PLACES: [Place; 7] = [
    Place { href: "/", name: "Overview", icon: "overview" },
    Place { href: "/services", name: "Services", icon: "services" },
    Place { href: "/failover", name: "Failover", icon: "failover" },
    Place { href: "/databases", name: "Databases", icon: "databases" },
    Place { href: "/backups", name: "Backups", icon: "backups" },
    Place { href: "/operations", name: "Operations", icon: "operations" },
    Place { href: "/journal", name: "Journal", icon: "journal" },
];
