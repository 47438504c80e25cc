//! The evidence of one run as a text: the same run gives the same bytes. What somebody typed cannot break its tables (trap T15).

use super::{Evidence, Exhibit, Run};
use crate::time::Instant;
use serde::Serialize;
use std::fmt::Write as _;

/// A run with what it rests on in the journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report<'a> {
    pub run: &'a Run,
    /// Hash of the last of its entries: whoever has the journal can tell that nothing before it was changed.
    pub journal_hash: &'a str,
}

/// A text as one cell of a table.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' => {
                cell.push('\\');
                cell.push(c);
            }
            '\n' | '\r' => cell.push(' '),
            c if c.is_control() => cell.push('\u{fffd}'),
            c => cell.push(c),
        }
    }
    cell
}

fn moment(at: Option<Instant>) -> String {
    at.map_or_else(|| "–".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S%.3f UTC").to_string())
}

impl Report<'_> {
    /// As JSON, indented.
    ///
    /// # Errors
    /// Where the serializer refuses a value; of a run from the journal it does not.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            report: &'a Report<'a>,
            recovery_time: super::Reading,
            loss: super::Reading,
            verdict: Option<super::Verdict>,
        }
        let (recovery_time, loss) = (self.run.recovery_time(), self.run.loss());
        serde_json::to_string_pretty(&Whole { report: self, recovery_time, loss, verdict: self.run.verdict() })
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let run = self.run;
        writeln!(out, "# DR test: {}\n", cell(&run.scenario.name))?;
        writeln!(out, "- Run: {}", run.id)?;
        writeln!(out, "- Scenario: {}, version {}", run.scenario.id, run.version)?;
        writeln!(out, "- Type: {}, of a {}", run.scenario.kind, run.scenario.disaster)?;
        let services = run.scenario.services.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        writeln!(out, "- Services: {services}")?;
        if !run.scenario.acts_for_real() {
            writeln!(out, "- Nothing of this was carried out on what serves real users by Lifeboat itself")?;
        }
        writeln!(out, "- State: {}", run.state)?;
        writeln!(out, "- Requested: {} by {}: {}", moment(Some(run.requested.at)), run.requested.by, cell(&run.requested.reason))?;
        for approval in &run.approvals {
            writeln!(out, "- Approved: {} by {}: {}", moment(Some(approval.at)), approval.by, cell(&approval.reason))?;
        }
        writeln!(out, "- Began: {}", moment(run.started_at))?;
        writeln!(out, "- Ended: {}", moment(run.ended_at))?;
        if let Some(stop) = &run.stopped {
            let how = if stop.guardrail { "by a guardrail" } else { "before its end" };
            writeln!(out, "- STOPPED {how}: {} by {}: {}", moment(Some(stop.at)), stop.by, cell(&stop.why))?;
        }
        self.verdict(out)?;
        self.numbers(out)?;
        self.steps(out)?;
        writeln!(out, "\n## Gates\n\n| Gate | Was | Seen |\n|---|---|---|")?;
        for gate in &run.gates {
            let was = if gate.is_open { "open" } else { "SET ASIDE" };
            writeln!(out, "| {} | {was} | {} |", cell(&gate.name), cell(&gate.said))?;
        }
        if !run.evidence.is_empty() {
            writeln!(out, "\n## Evidence\n\n| When | Who | Step | What |\n|---|---|---|---|")?;
            for evidence in &run.evidence {
                self.evidence(out, evidence)?;
            }
        }
        writeln!(out, "\n## Journal\n\nEntries {} to {}; the last has the hash `{}`.", run.entries.0, run.entries.1, self.journal_hash)
    }

    fn verdict(&self, out: &mut String) -> std::fmt::Result {
        let run = self.run;
        let Some(judged) = &run.judged else { return writeln!(out, "\n## Verdict\n\nThe run has not ended; there is none.") };
        writeln!(out, "\n## Verdict\n\nComputed: **{}**", judged.verdict)?;
        if let Some(ruling) = &run.ruling {
            let how = if ruling.overrides { "OVERRIDDEN" } else { "lowered" };
            writeln!(out, "\n{how} to **{}** by {} at {}: {}", ruling.verdict, ruling.by, moment(Some(ruling.at)), cell(&ruling.reason))?;
        }
        writeln!(out, "\n| Wanted | Verdict | Seen |\n|---|---|---|")?;
        for finding in &judged.findings {
            writeln!(out, "| {} | {} | {} |", cell(&finding.what), finding.verdict, cell(&finding.said))?;
        }
        Ok(())
    }

    fn numbers(&self, out: &mut String) -> std::fmt::Result {
        let run = self.run;
        writeln!(out, "\n## Target against achieved\n\n| Service | RTO | RPO |\n|---|---|---|")?;
        for (service, target) in &run.targets {
            writeln!(out, "| {service} | {} | {} |", target.rto, target.rpo)?;
        }
        writeln!(out, "\n- Recovery time: {}", cell(&run.recovery_time().in_words()))?;
        writeln!(out, "- Loss: {}", cell(&run.loss().in_words()))?;
        if let Some(lost) = run.lost_transactions() {
            writeln!(out, "- Committed transactions lost: {lost}")?;
        }
        if let Some(asserted) = &run.asserted {
            let span = |span: Option<crate::time::Span>| span.map_or_else(|| "nothing".to_owned(), |span| span.to_string());
            let (rto, rpo) = (span(asserted.rto), span(asserted.rpo));
            writeln!(out, "- ASSERTED, not measured: recovery time {rto}, loss {rpo}, by {}: {}", asserted.by, cell(&asserted.reason))?;
        }
        Ok(())
    }

    fn steps(&self, out: &mut String) -> std::fmt::Result {
        writeln!(out, "\n## Steps\n\n| # | Step | Expected | State | Who | Began | Ended | Seen |\n|---|---|---|---|---|---|---|---|")?;
        for (at, (step, record)) in self.run.lines().enumerate() {
            let who = record.by.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string);
            let operation = record.operation.map(|id| format!(" (operation {id})")).unwrap_or_default();
            writeln!(
                out,
                "| {} | {}{} | {} | {} | {} | {} | {} | {}{operation} |",
                at + 1,
                cell(&step.name),
                if step.cleanup { " (puts back)" } else { "" },
                cell(&step.expected),
                record.state,
                cell(&who),
                moment(record.started_at),
                moment(record.ended_at),
                cell(record.said.as_deref().unwrap_or("–")),
            )?;
        }
        Ok(())
    }

    fn evidence(&self, out: &mut String, evidence: &Evidence) -> std::fmt::Result {
        let step = evidence.step.map_or_else(|| "run".to_owned(), |step| (step + 1).to_string());
        let what = match &evidence.what {
            Exhibit::Text { text } => cell(text),
            Exhibit::Link { text, url } => format!("{}: {}", cell(text), cell(url)),
        };
        writeln!(out, "| {} | {} | {step} | {what} |", moment(Some(evidence.at)), cell(&evidence.by.to_string()))
    }
}
