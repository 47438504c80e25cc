//! Signing in, and making the first account. Both are plain forms that the server handles itself.

use crate::ui::settled::IntoSettled as _;
use crate::ui::{
    button::{Submit, Weight},
    field::Field,
    icon::Icon,
    state::{Badge, Tone},
};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_query_map;

#[component]
pub fn SignInPage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    let next = query.get("next").filter(|next| is_own_path(next)).unwrap_or_else(|| "/".to_owned());
    let made = query.get("error").is_some_and(|error| error == "made");
    let refused = query.get("error").filter(|_| !made).map(|error| match error.as_str() {
        "wrong" => "Name or password is wrong, or the account is disabled.",
        "disabled" => "This account is disabled. An admin can enable it again.",
        "slow" => "Too many attempts. Wait a minute, then try again.",
        _ => "Signing in did not work. Try again; the server's log says why.",
    });
    view! {
        <Title text="Sign in"/>
        <Alone title="Sign in">
            {refused.map(|why| view! { <Refused why/> })}
            {made.then(|| view! { <p role="status"><Badge tone=Tone::Ok word="The account was made."/>" Sign in with it."</p> })}
            <form method="post" action="/login">
                <input type="hidden" name="next" value=next/>
                <Field name="name" label="Name" autocomplete="username" max_length=63 focus=true/>
                <Field name="password" label="Password" kind="password" autocomplete="current-password" max_length=256/>
                <Submit does="Sign in" weight=Weight::Main/>
            </form>
            <p class="hint">"No account? An admin makes one on the server: "<code>"lifeboat user add NAME --role viewer"</code></p>
        </Alone>
    }
    .settled()
}

#[component]
pub fn SetupPage() -> impl IntoView {
    let query = use_query_map().get_untracked();
    let token = query.get("token").unwrap_or_default();
    let refused = query.get("error").map(|error| match error.as_str() {
        "token" => "This set-up link is not valid (any more). Restart the server: while there is no account it prints a new one.",
        "name" => "A name holds lower-case letters, digits and hyphens, and starts and ends with a letter or digit.",
        "password" => "The password is too short: take at least 12 characters.",
        "exists" => "An account exists already, so this link makes no more of them. Sign in instead.",
        "slow" => "Too many attempts. Wait a minute, then try again.",
        _ => "The account was not made. Try again; the server's log says why.",
    });
    view! {
        <Title text="Make the first account"/>
        <Alone title="Make the first account">
            {refused.map(|why| view! { <Refused why/> })}
            {if token.is_empty() {
                view! { <p>"This page needs the set-up link that the server printed when it first started. If there are accounts already, "<a href="/login" rel="external">"sign in"</a>"."</p> }.settled()
            } else {
                view! {
                    <p>"It becomes the admin of this Lifeboat: it can make accounts for everyone else. The link that led here works once."</p>
                    <form method="post" action="/setup">
                        <input type="hidden" name="token" value=token/>
                        <Field name="name" label="Name" autocomplete="username" max_length=63 pattern="[a-z0-9]([a-z0-9\\-]*[a-z0-9])?"
                            hint="Lower-case letters, digits and hyphens." focus=true/>
                        <Field name="password" label="Password" kind="password" autocomplete="new-password" min_length=12 max_length=256 hint="At least 12 characters."/>
                        <Submit does="Make the account" weight=Weight::Main/>
                    </form>
                }.settled()
            }}
        </Alone>
    }.settled()
}

/// A page of one box.
#[component]
fn Alone(title: &'static str, children: Children) -> impl IntoView {
    view! {
        <div class="alone-box">
            <p class="brand"><Icon name="lifeboat"/>"Lifeboat"</p>
            <h1>{title}</h1>
            {children()}
        </div>
    }
    .settled()
}

#[component]
fn Refused(why: &'static str) -> impl IntoView {
    view! { <p class="refused" role="alert"><Icon name="act"/>{why}</p> }.settled()
}

/// Only a path of this server: a link to the sign-in page must not lead elsewhere after it.
fn is_own_path(next: &str) -> bool {
    next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') && !next.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_only_own_pages_open() {
        assert!(is_own_path("/databases/user-database?x=1"));
        for foreign in ["https://evil.example", "//evil.example", "/\\evil.example", "evil", "", "/a\nb"] {
            assert!(!is_own_path(foreign), "{foreign:?}");
        }
    }
}
