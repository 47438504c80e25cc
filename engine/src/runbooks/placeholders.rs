//! Placeholders: `{{name}}` stands for the value of a parameter. Nothing else does, so whatever looks like one and is none
//! is complained of.

/// The names that stand in a text, in order, each as often as it stands there.
pub fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    each(text, |_| {}, |name| found.push(name));
    found
}

/// The text with each placeholder replaced by what `value` says, and the names for which it says nothing.
pub fn fill<'a>(text: &'a str, mut value: impl FnMut(&'a str) -> Option<String>) -> (String, Vec<&'a str>) {
    let filled = std::cell::RefCell::new(String::with_capacity(text.len()));
    let mut missing = Vec::new();
    each(
        text,
        |plain| filled.borrow_mut().push_str(plain),
        |name| match value(name) {
            Some(value) => filled.borrow_mut().push_str(&value),
            None => missing.push(name),
        },
    );
    (filled.into_inner(), missing)
}

/// What may stand between the braces.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
}

fn each<'a>(text: &'a str, mut plain: impl FnMut(&'a str), mut name: impl FnMut(&'a str)) {
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let inside = &rest[start + 2..];
        let end = inside.find("}}").filter(|end| is_name(inside[..*end].trim()));
        match end {
            Some(end) => {
                plain(&rest[..start]);
                name(inside[..end].trim());
                rest = &inside[end + 2..];
            }
            None => {
                // Braces that are none of ours: `{{` alone, or with something else between.
                plain(&rest[..start + 1]);
                rest = &rest[start + 1..];
            }
        }
    }
    plain(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_between_double_braces_are_placeholders() {
        assert_eq!(names("from {{ from }} to {{to}}, not {x}, {{ }}, {{Up}}, {{{from}}}"), ["from", "to", "from"]);
        let (text, missing) = fill("{{a}}-{{b}}{{", |name| (name == "a").then(|| "{{b}}".to_owned()));
        assert_eq!((text.as_str(), missing), ("{{b}}-{{", vec!["b"]), "what is filled in is not looked at again");
    }
}
