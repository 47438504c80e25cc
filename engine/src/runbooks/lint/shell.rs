//! What is known to go wrong with commands. Lines are looked at as text: no shell is imitated, so a rule says what it has
//! seen, and a command that hides well is not found.

use super::LintComplaint;

/// What the runbook says of the disaster.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub lost: Option<&'a str>,
    pub corruption: bool,
}

/// The lines of all fenced blocks of a text that hold commands: those without a language, and those of a shell or of SQL.
pub(super) fn commands_of(markdown: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<(char, usize, bool)> = None;
    for line in markdown.lines() {
        let bare = line.trim_start();
        let mark = bare.chars().next().filter(|mark| matches!(mark, '`' | '~'));
        let length = mark.map_or(0, |mark| bare.len() - bare.trim_start_matches(mark).len());
        match open {
            None if length >= 3 => {
                let language = bare[length..].trim();
                let is_command = matches!(language, "" | "sh" | "bash" | "shell" | "console" | "zsh" | "sql" | "yaml");
                open = mark.map(|mark| (mark, length, is_command));
            }
            Some((with, at_least, _)) if mark == Some(with) && length >= at_least && bare[length..].trim().is_empty() => open = None,
            Some((.., true)) => lines.push(line.to_owned()),
            _ => {}
        }
    }
    lines
}

/// The lines without comments and blanks.
fn live(lines: &[String]) -> impl Iterator<Item = &str> {
    lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#') && !line.starts_with("--"))
}

fn has(line: &str, words: &[&str]) -> bool {
    let line = line.to_lowercase();
    words.iter().any(|word| line.contains(word))
}

/// Whether anything here changes the world, as far as can be seen.
pub(super) fn changes(lines: &[String]) -> bool {
    const CHANGING: [&str; 16] = [
        "kubectl scale",
        "kubectl apply",
        "kubectl set",
        "kubectl delete",
        "kubectl create",
        "kubectl rollout restart",
        "alter system",
        "pg_ctl promote",
        "pg_promote",
        "pg_terminate_backend",
        "update-health-check",
        "-x post",
        "-x put",
        "-x delete",
        "aws s3 cp",
        "pg_ctl start",
    ];
    live(lines).any(|line| has(line, &CHANGING))
}

/// What is wrong with the commands of one step.
pub(super) fn complaints(lines: &[String], facts: Facts<'_>) -> Vec<LintComplaint> {
    let mut found = Vec::new();
    let whole = lines.join("\n").to_lowercase();
    for line in live(lines) {
        of_line(line, facts, &mut found);
    }
    if whole.contains("alter system set") || whole.contains("alter system reset") {
        if !has(&whole, &["pg_reload_conf", "pg_ctl reload", "systemctl reload"]) {
            found.push(LintComplaint::NotReloaded);
        }
        if whole.contains("read_only") && !has(&whole, &["pg_terminate_backend", "allow_connections", "revoke connect"]) {
            found.push(LintComplaint::NoFence);
        }
    }
    if let Some(ends) = whole.find("pg_terminate_backend") {
        let blocks = ["allow_connections false", "allow_connections = false", "revoke connect", "connection limit 0"];
        if !blocks.iter().any(|block| whole.find(block).is_some_and(|at| at < ends)) {
            found.push(LintComplaint::TerminatedNotBlocked);
        }
    }
    if whole.contains("kind: pod") && !has(&whole, &["volumeclaimtemplates", "persistentvolumeclaim", "volumemounts"]) {
        found.push(LintComplaint::NoVolume);
    }
    for name in unset_variables(lines) {
        found.push(LintComplaint::UnsetVariable { name });
    }
    found
}

fn of_line(line: &str, facts: Facts<'_>, found: &mut Vec<LintComplaint>) {
    let low = line.to_lowercase();
    let words: Vec<&str> = line.split_whitespace().collect();
    if low.contains("update-health-check") && words.contains(&"--disabled") {
        found.push(LintComplaint::Route53Disabled);
    }
    if low.contains("recovery.conf") {
        found.push(LintComplaint::RecoveryConf);
    }
    let latest = low.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "latest");
    if latest && (facts.corruption || has(&low, &["restore", "backup", "recover"])) {
        found.push(LintComplaint::LatestRestored);
    }
    if let Some(text) = fixed_moment(line) {
        found.push(LintComplaint::FixedMoment { text });
    }
    if low.contains("recovery_target_action") && low.contains("promote") {
        found.push(LintComplaint::PromotedUnseen);
    }
    let inside = has(&low, &["kubectl exec", "ssh ", "docker exec", "pg_ctl promote"]);
    if !inside && has(&low, &["/var/lib/postgresql", "$pgdata"]) {
        found.push(LintComplaint::OwnDisk);
    }
    let sleeps = words.iter().enumerate().any(|(at, word)| *word == "sleep" && words.get(at + 1).is_some_and(|next| starts_with_digit(next)));
    if sleeps || low.contains("pg_sleep") {
        found.push(LintComplaint::Sleeps);
    }
    if words.iter().any(|word| word.trim_start_matches("$(") == "kubectl") && !words.iter().any(|word| word.starts_with("--context")) {
        found.push(LintComplaint::NoKubectlContext);
    }
    // Of a log the first lines are wanted; of what a command is to act on, one by name.
    if has(&low, &["| head -1)", "| head -n1)", "| head -n 1)", "head -1 "]) || low.ends_with("| head -1") {
        found.push(LintComplaint::TakesAny);
    }
    if let Some(name) = quoted_variable(line) {
        found.push(LintComplaint::QuotedVariable { name });
    }
    if has(&low, &["postgresql://postgres:", "postgres://postgres:", "postgresql://postgres@", "postgres://postgres@"]) {
        found.push(LintComplaint::SuperuserUrl);
    }
    for name in ["n_live_tup", "reltuples"] {
        if low.contains(name) {
            found.push(LintComplaint::StatisticsAsData { name: name.to_owned() });
        }
    }
    if words.first() == Some(&"curl") || has(&low, &["| curl ", "$(curl ", "&& curl ", "; curl "]) {
        curl(line, &words, found);
    }
    if let Some(region) = words.iter().position(|word| *word == "--region").and_then(|at| words.get(at + 1)).filter(|_| words[0] == "aws")
        && facts.lost.is_some_and(|lost| lost == *region)
    {
        found.push(LintComplaint::AsksTheLostRegion { region: (*region).to_owned() });
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn curl(line: &str, words: &[&str], found: &mut Vec<LintComplaint>) {
    let short = |word: &&str| word.starts_with('-') && !word.starts_with("--") && word[1..].chars().all(char::is_alphabetic) && word.contains('f');
    if !words.iter().any(|word| matches!(*word, "--fail" | "--fail-with-body")) && !words.iter().any(short) {
        found.push(LintComplaint::CurlIgnoresStatus);
    }
    // An address between single quotes is left alone; between double ones braces are curl's.
    let bare = without_single_quotes(line);
    let address = bare.split_whitespace().find(|word| word.contains("://"));
    if address.is_some_and(|address| address.replace("{{", "").replace("}}", "").contains('{')) {
        found.push(LintComplaint::BareBraces);
    }
    if line.contains("/silences") && !words.iter().any(|word| matches!(*word, "-u" | "--user" | "--netrc" | "-n")) && !line.contains("Authorization")
    {
        found.push(LintComplaint::SilenceWithoutLogin);
    }
}

/// A day or moment that is written out, unless it is part of a version of an API.
fn fixed_moment(line: &str) -> Option<String> {
    let bytes = line.as_bytes();
    let digits = |from: usize, count: usize| bytes.get(from..from + count).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let is_day =
        |at: usize| digits(at, 4) && bytes.get(at + 4) == Some(&b'-') && digits(at + 5, 2) && bytes.get(at + 7) == Some(&b'-') && digits(at + 8, 2);
    let at = (0..bytes.len()).find(|at| is_day(*at) && (*at == 0 || !bytes[at - 1].is_ascii_alphanumeric()))?;
    let before = line.get(..at)?.to_lowercase();
    let is_time = has(&before, &["time", "target", "until", "before", "since", "startsat", "endsat", "timestamp", "date"]);
    is_time.then(|| {
        line.get(at..).unwrap_or_default().chars().take_while(|c| c.is_ascii_digit() || "-:TZ. +".contains(*c)).collect::<String>().trim().to_owned()
    })
}

/// `$NAME` between single quotes, which the shell leaves as it stands, outside of `awk` and the like.
fn quoted_variable(line: &str) -> Option<String> {
    if has(line, &["awk ", "sed ", "jq ", "perl "]) {
        return None;
    }
    let mut parts = line.split('\'');
    parts.next();
    while let Some(inside) = parts.next() {
        if let Some(name) = variables(inside).into_iter().next() {
            return Some(format!("${name}"));
        }
        parts.next()?;
    }
    None
}

fn without_single_quotes(line: &str) -> String {
    line.split('\'').enumerate().filter(|(place, _)| place % 2 == 0).map(|(_, part)| part).collect::<Vec<_>>().join("''")
}

/// Upper-case variables that are used and set nowhere here. Lower-case ones are a loop's own, as a rule.
fn unset_variables(lines: &[String]) -> Vec<String> {
    let mut unset: Vec<String> = Vec::new();
    for line in live(lines) {
        for name in variables(&without_single_quotes(line)) {
            let set = |line: &str| line.split_whitespace().any(|word| word.strip_prefix(&name).is_some_and(|rest| rest.starts_with('=')));
            let is_known = matches!(name.as_str(), "HOME" | "USER" | "PATH" | "PWD" | "HOSTNAME" | "EDITOR" | "TMPDIR");
            if !is_known && !lines.iter().any(|line| set(line)) && !unset.contains(&name) {
                unset.push(name);
            }
        }
    }
    unset
}

fn variables(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in text.split('$').skip(1) {
        let part = part.strip_prefix('{').unwrap_or(part);
        let name: String = part.chars().take_while(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == '_').collect();
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            found.push(name);
        }
    }
    found
}

/// What stands in a text and was meant to be filled in: `{status}`, `"..."`, `<hostname>`, `TODO`.
pub(super) fn left_open(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let plain = text.replace("{{", "\u{1}").replace("}}", "\u{2}");
    for (at, _) in plain.match_indices('{') {
        let inside: String = plain[at + 1..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        let closes = plain[at + 1 + inside.len()..].starts_with('}');
        // `${name}` and `@{name}` are the shell's and git's.
        if closes && inside.len() > 1 && !plain[..at].ends_with(['$', '@']) {
            found.push(format!("{{{inside}}}"));
        }
    }
    for elided in ["\"...\"", "\"…\"", "'...'", "TODO", "FIXME", "CHANGEME", "XXX"] {
        if text.contains(elided) {
            found.push(elided.to_owned());
        }
    }
    for (at, _) in text.match_indices('<') {
        let inside: String = text[at + 1..].chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
        let looks_so = inside.contains(['-', '_']) || (inside.len() > 2 && inside.chars().all(|c| c.is_ascii_uppercase()));
        if looks_so && text[at + 1 + inside.len()..].starts_with('>') && !text[..at].ends_with('<') {
            found.push(format!("<{inside}>"));
        }
    }
    found.dedup();
    found
}

/// What only the order of steps shows: by the ids of their steps.
pub(super) fn across(steps: &[(String, Vec<String>)]) -> Vec<(String, LintComplaint)> {
    let mut found = Vec::new();
    let lines: Vec<(&str, &str)> = steps.iter().flat_map(|(id, lines)| live(lines).map(move |line| (id.as_str(), line))).collect();
    let on = |line: &str| has(line, &["maintenance_mode=true", "maintenance_mode=1", "maintenance=on", "maintenance on", "maintenance:enable"]);
    let off = |line: &str| {
        has(line, &["maintenance_mode=false", "maintenance_mode=0", "maintenance_mode-", "maintenance=off", "maintenance off", "maintenance:disable"])
    };
    if let Some(begins) = lines.iter().position(|(_, line)| on(line))
        && !lines[begins + 1..].iter().any(|(_, line)| off(line))
    {
        found.push((lines[begins].0.to_owned(), LintComplaint::MaintenanceNeverOff));
    }
    let zero = lines.iter().position(|(_, line)| has(line, &["--replicas=0", "--replicas 0"]));
    let replicas = |line: &str| {
        let after = line.split("--replicas").nth(1)?.trim_start_matches(['=', ' ']);
        let count: String = after.chars().take_while(char::is_ascii_digit).collect();
        (!count.is_empty() && count != "0").then_some(count)
    };
    if let Some(zero) = zero {
        let up = lines.iter().enumerate().skip(zero + 1).find_map(|(at, (id, line))| Some((at, *id, replicas(line)?)));
        if let Some((_, id, replicas)) = &up {
            found.push(((*id).to_owned(), LintComplaint::FixedReplicas { replicas: replicas.clone() }));
        }
        let until = up.map_or(lines.len(), |(at, ..)| at);
        if let Some((id, _)) = lines[zero..until].iter().find(|(_, line)| has(line, &["rollout restart"])) {
            found.push(((*id).to_owned(), LintComplaint::RestartedAtZero));
        }
    }
    found
}
