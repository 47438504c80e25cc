//! The only file that may render a `<textarea>`: Leptos 0.8 writes its children into the page unescaped, so a value that
//! holds `</textarea><script>` would run. Here the value is escaped, in the page and nowhere else.

use leptos::prelude::*;

#[component]
pub fn TextArea(
    /// Name in the form, and the element's id where that is not given.
    name: &'static str,
    /// Where several forms of a page have a field of the same name.
    #[prop(optional, into)]
    id: Option<String>,
    #[prop(into)] label: String,
    #[prop(optional, into)] value: String,
    #[prop(optional, into)] hint: Option<String>,
    #[prop(optional)] rows: Option<u32>,
    #[prop(optional)] min_length: Option<u32>,
    #[prop(optional)] max_length: Option<u32>,
    #[prop(optional)] optional: bool,
) -> impl IntoView {
    let id = id.unwrap_or_else(|| name.to_owned());
    let hint_id = format!("{id}-hint");
    let described = hint.is_some().then(|| hint_id.clone());
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <textarea id=id name=name rows=rows.unwrap_or(3) minlength=min_length maxlength=max_length required=!optional aria-describedby=described inner_html=escaped(&value)></textarea>
            {hint.map(|hint| view! { <p class="hint" id=hint_id>{hint}</p> })}
        </div>
    }
}

/// The text as it must stand between the tags. A first newline would be swallowed, so it is doubled.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    if text.starts_with('\n') { format!("\n{text}") } else { text }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_leave_its_text_area() {
        let owner = Owner::new();
        owner.set();
        let html = view! { <TextArea name="reason" label="Reason" value="</textarea><script>alert(1)</script> & more"/> }.to_html();
        assert!(!html.contains("<script"), "{html}");
        assert_eq!(html.matches("</textarea>").count(), 1, "{html}");
        assert!(html.contains("&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt; &amp; more"), "{html}");
    }
}
