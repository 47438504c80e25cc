//! A sparkline of the last hour: a picture for those who see it, a sentence for those who do not.

use crate::{chart::sparkline, ui::settled::IntoSettled as _};
use leptos::prelude::*;

#[component]
pub fn Spark(
    /// One letter for each mark, as `engine::history::Mark` spells them. Nothing is drawn of an empty word.
    marks: String,
) -> impl IntoView {
    (!marks.is_empty()).then(|| {
        let words = sparkline::in_words(&marks);
        let strokes =
            sparkline::draw(&marks).into_iter().map(|one| view! { <path class=one.class d=one.path stroke-width=one.pen></path> }).collect_view();
        let (width, height) = (sparkline::WIDTH, sparkline::HEIGHT);
        view! { <svg class="spark" role="img" aria-label=words width=width height=height viewBox=format!("0 0 {width} {height}")>{strokes}</svg> }
            .settled()
    })
}
