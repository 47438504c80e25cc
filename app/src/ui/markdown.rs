//! Markdown as HTML. The only file that makes HTML of a text that people wrote, and the only one that puts it into a page: it is
//! read by pulldown-cmark and passed through ammonia, both on the server; the browser gets what they left.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// HTML that may stand in a page. Made by `render` only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Html(String);

impl Html {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Markdown with tables, ticks and strike-through. Headings are put below those of the page; links lead out by themselves only to
/// http, https and mailto; nothing is loaded from elsewhere.
#[cfg(feature = "ssr")]
pub fn render(markdown: &str) -> Html {
    use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html::push_html};
    let lower = |level: HeadingLevel| match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        HeadingLevel::H4 | HeadingLevel::H5 | HeadingLevel::H6 => HeadingLevel::H6,
    };
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH);
    let events = events.map(|event| match event {
        // Shown as it was typed: whoever writes HTML sees that it is none here.
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        Event::TaskListMarker(ticked) => Event::Text(if ticked { "☑ " } else { "☐ " }.into()),
        Event::Start(Tag::Heading { level, id, classes, attrs }) => Event::Start(Tag::Heading { level: lower(level), id, classes, attrs }),
        Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
        other => other,
    });
    let mut html = String::new();
    push_html(&mut html, events);
    let schemes = ["http", "https", "mailto"].into_iter().collect();
    let clean = ammonia::Builder::default().rm_tags(["img"]).url_schemes(schemes).url_relative(ammonia::UrlRelative::Deny).clean(&html).to_string();
    Html(clean)
}

/// Puts it into the page.
#[component]
pub fn Rendered(html: Html) -> impl IntoView {
    (!html.is_empty()).then(|| view! { <div class="markdown" inner_html=html.0></div> })
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_cannot_run_in_a_page_and_loads_nothing() {
        for (markdown, never) in [
            ("<script>alert(1)</script>", "<script"),
            ("a <b onclick=\"x()\">b</b>", "<b"),
            ("[x](javascript:alert(1))", "javascript"),
            ("[x](data:text/html,x)", "data:"),
            ("![x](https://evil.example/x.png)", "<img"),
            ("```\n</code></pre><script>x</script>\n```", "<script"),
            ("# <iframe src=//evil>", "<iframe"),
        ] {
            let html = render(markdown).0;
            assert!(!html.contains(never), "{markdown}: {html}");
        }
        let html = render("# A\n\n- [x] done\n- [ ] open\n\n| a | b |\n|---|---|\n| c | `d\\|e` |\n\n[x](https://example.org)").0;
        for there in ["<h3>A</h3>", "☑ done", "☐ open", "<td>c</td>", "d|e", "href=\"https://example.org\""] {
            assert!(html.contains(there), "{there}: {html}");
        }
    }
}
