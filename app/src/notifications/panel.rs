//! Notifications on the overview: whether anybody would hear of what happens.

use super::view::Summary;
use crate::ui::settled::IntoSettled;
use crate::ui::state::Badge;
use leptos::prelude::*;

#[component]
pub fn NotificationsPanel(summary: Summary) -> impl IntoView {
    let open = match summary.open {
        0 => "channels and deliveries".to_owned(),
        1 => "1 open incident".to_owned(),
        many => format!("{many} open incidents"),
    };
    view! {
        <section class="panel" aria-labelledby="telling">
            <h2 id="telling">"Notifications"</h2>
            <p><Badge tone=summary.tone word=summary.word/>", "<a href="/notifications">{open}</a>{(!summary.says.is_empty()).then(|| format!(". {}", summary.says))}</p>
        </section>
    }
    .settled()
}
