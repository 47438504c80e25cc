//! The services page: the tier matrix, and beside it the one service the URL names.

use super::{details::DetailsPanel, matrix::MatrixTable, query::Query, service, services};
use crate::ui::settled::IntoSettled as _;
use crate::{
    live::watch,
    ui::{title::PageTitle, trouble::watched},
};
use leptos::prelude::*;
use leptos_router::{
    components::Form,
    hooks::{use_params_map, use_query_map},
};

#[component]
pub fn ServicesPage() -> impl IntoView {
    let params = use_query_map();
    let query = Memo::new(move |_| Query::of(&params.get()));
    let path = use_params_map();
    let chosen = Memo::new(move |_| path.get().get("service"));
    let matrix = watch(move || query.get(), services);
    view! {
        <PageTitle title=chosen.get_untracked().map_or("Services".to_owned(), |id| format!("{id} · Services"))/>
        <div class="beside" class:open=move || chosen.get().is_some()>
            <div class="list">
                <Filter query/>
                {watched(matrix, move |matrix| view! { <MatrixTable matrix query=query.get_untracked() chosen=chosen.get_untracked()/> })}
            </div>
            {chosen.get_untracked().map(|id| {
                let details = watch(move || id.clone(), service);
                view! { <aside aria-label="Details of the service">{watched(details, move |details| view! { <DetailsPanel details back=query.get_untracked().to_url()/> })}</aside> }
            })}
        </div>
    }.settled()
}

/// A plain GET form; with JavaScript it changes the URL without loading the page anew.
#[component]
fn Filter(query: Memo<Query>) -> impl IntoView {
    let tier = move |number: u8| {
        view! { <option value=number.to_string() selected=move || query.get().tier == Some(number)>{format!("tier {number}")}</option> }
    };
    view! {
        <Form method="get" action="/services" attr:class="filter" attr:role="search" attr:aria-label="Filter the services">
            <input type="search" name="q" aria-label="Part of a name, dependency, owner or compliance mark" placeholder="name, dependency, compliance …"
                maxlength=Query::TEXT_MAX.to_string() value=move || query.get().text/>
            <select name="tier" aria-label="Tier">
                <option value="" selected=move || query.get().tier.is_none()>"all tiers"</option>
                {(1..=4).map(tier).collect_view()}
            </select>
            <label class="check"><input type="checkbox" name="show" value="troubled" checked=move || query.get().troubled/>"only troubled"</label>
            <input type="hidden" name="sort" value=move || query.get().sort.name()/>
            <button type="submit" class="button">"Show"</button>
            {move || (query.get() != Query { page: query.get().page, ..Query::of(&Default::default()) }).then(|| view! { <a href="/services">"Show all"</a> })}
        </Form>
    }.settled()
}
