//! All operations: those that need somebody first, then those that run, then what has ended.

use super::{calls, rows::OperationRows};
use crate::ui::settled::IntoSettled;
use crate::{
    live::watch,
    ui::{empty::Empty, title::PageTitle, trouble::watched},
};
use leptos::prelude::*;

#[component]
pub fn OperationsPage() -> impl IntoView {
    let board = watch(|| (), |()| calls::operations());
    view! {
        <PageTitle title="Operations"/>
        {watched(board, |board| {
            let now = board.now;
            view! {
                <section aria-labelledby="active-title">
                    <h2 id="active-title">"Waiting and running"</h2>
                    {if board.active.is_empty() {
                        view! { <Empty what="Nothing waits, nothing runs.">"Operations are planned on the page of a "<a href="/databases">"database cluster"</a>", and of a service or region under "<a href="/failover">"failover"</a>"."</Empty> }.settled()
                    } else {
                        view! { <OperationRows lines=board.active caption="Waiting and running operations, those that need somebody first" now/> }.settled()
                    }}
                </section>
                <section aria-labelledby="ended-title">
                    <h2 id="ended-title">"Ended"</h2>
                    {if board.past.is_empty() {
                        view! { <Empty what="No operation has ended yet.">"A planned switchover in quiet times shows that a failover would work."</Empty> }.settled()
                    } else {
                        view! { <OperationRows lines=board.past caption="Ended operations, newest first" now/> }.settled()
                    }}
                    {(board.left_out > 0).then(|| view! { <p class="quiet">{format!("{} older ones are in the ", board.left_out)}<a href="/journal">"journal"</a>"."</p> })}
                </section>
            }
        })}
    }
    .settled()
}
