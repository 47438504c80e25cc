//! The text of a runbook: Markdown with a structure of its own. Read and written so that nothing is lost.
//!
//! `# Title`, a fenced block ` ```runbook `, Markdown; `## Steps` with a `### Title`, Markdown and a fenced block ` ```step ` for
//! each step; `## Afterwards` with Markdown; `## Messages` with a `### name`, a fenced block ` ```message ` and Markdown for each.
//! The blocks hold TOML. Headings and blocks inside of other fenced blocks are plain text.

use super::{Message, Prose, Runbook, blocks};
use std::collections::BTreeMap;

/// Why a text is no runbook: the line, counted from 1, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct TextError {
    pub line: usize,
    pub why: String,
}

/// A runbook, and the lines on which its parts begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    pub runbook: Runbook,
    /// By the ids of steps.
    pub steps: BTreeMap<String, usize>,
    pub messages: BTreeMap<String, usize>,
}

/// Line ends as they are kept: forms send them as CR LF.
pub fn normal(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    if text.is_empty() || text.ends_with('\n') { text } else { format!("{text}\n") }
}

/// Reads a text.
///
/// # Errors
/// The first mistake, with its line.
pub fn parse(text: &str) -> Result<Parsed, TextError> {
    if text.len() > super::LARGEST {
        return Err(TextError { line: 1, why: format!("the text has {} bytes; a runbook has at most {}", text.len(), super::LARGEST) });
    }
    let text = normal(text);
    let lines: Vec<&str> = text.lines().collect();
    Reader { pieces: pieces(&lines)?, at: 0, end: lines.len().max(1) }.read()
}

/// Writes a runbook: what `parse` makes of it is the same again.
pub fn write(runbook: &Runbook) -> String {
    let mut parts = vec![format!("# {}", runbook.title), block("runbook", &blocks::head(&runbook.head))];
    let prose = |parts: &mut Vec<String>, prose: &Prose| {
        if !prose.is_empty() {
            parts.push(prose.as_str().to_owned());
        }
    };
    prose(&mut parts, &runbook.introduction);
    parts.push("## Steps".to_owned());
    for step in &runbook.steps {
        parts.push(format!("### {}", step.title));
        prose(&mut parts, &step.prose);
        parts.push(block("step", &blocks::step(step)));
    }
    if !runbook.afterwards.is_empty() {
        parts.push("## Afterwards".to_owned());
        prose(&mut parts, &runbook.afterwards);
    }
    if !runbook.messages.is_empty() {
        parts.push("## Messages".to_owned());
        for message in &runbook.messages {
            parts.push(format!("### {}", message.name));
            parts.push(block("message", &blocks::message(message)));
            prose(&mut parts, &message.text);
        }
    }
    parts.join("\n\n") + "\n"
}

/// A fenced block; the fence is longer than any in it (trap R23).
fn block(kind: &str, body: &str) -> String {
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{kind}\n{}\n{fence}", body.trim_end_matches('\n'))
}

/// Consecutive lines that belong together.
#[derive(Debug)]
enum Piece<'a> {
    Heading {
        line: usize,
        level: usize,
        title: &'a str,
    },
    /// One of ours.
    Block {
        line: usize,
        kind: &'a str,
        body: Vec<&'a str>,
    },
    /// Everything else, line by line.
    Text {
        line: usize,
        lines: Vec<&'a str>,
    },
}

impl Piece<'_> {
    fn line(&self) -> usize {
        match self {
            Piece::Heading { line, .. } | Piece::Block { line, .. } | Piece::Text { line, .. } => *line,
        }
    }
}

const KINDS: [&str; 3] = ["runbook", "step", "message"];

fn pieces<'a>(lines: &[&'a str]) -> Result<Vec<Piece<'a>>, TextError> {
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if let Some(fence) = Fence::opened_by(line) {
            let end = lines[at + 1..].iter().position(|line| fence.is_closed_by(line));
            let Some(end) = end else { return Err(TextError { line: at + 1, why: "this fence is never closed".to_owned() }) };
            let whole = &lines[at..=at + 1 + end];
            let word = fence.info.trim();
            if KINDS.contains(&word) {
                pieces.push(Piece::Block { line: at + 1, kind: word, body: whole[1..whole.len() - 1].to_vec() });
            } else {
                add_text(&mut pieces, at, whole);
            }
            at += whole.len();
            continue;
        }
        match heading(line) {
            Some((level, title)) => pieces.push(Piece::Heading { line: at + 1, level, title }),
            None => add_text(&mut pieces, at, &lines[at..=at]),
        }
        at += 1;
    }
    Ok(pieces)
}

fn add_text<'a>(pieces: &mut Vec<Piece<'a>>, at: usize, lines: &[&'a str]) {
    match pieces.last_mut() {
        Some(Piece::Text { lines: before, .. }) => before.extend_from_slice(lines),
        _ => pieces.push(Piece::Text { line: at + 1, lines: lines.to_vec() }),
    }
}

/// Headings of the first three levels make the structure; deeper ones are Markdown like any other.
fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.len() - line.trim_start_matches('#').len();
    let title = line.get(level..)?.strip_prefix(' ')?.trim();
    ((1..=3).contains(&level) && !title.is_empty()).then_some((level, title))
}

/// A fence of CommonMark: at most three spaces, then at least three backticks or tildes.
struct Fence<'a> {
    mark: char,
    length: usize,
    info: &'a str,
}

impl<'a> Fence<'a> {
    fn opened_by(line: &'a str) -> Option<Self> {
        let rest = line.trim_start_matches(' ');
        let mark = rest.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
        let info = rest.trim_start_matches(mark);
        let length = rest.len() - info.len();
        let is_fence = line.len() - rest.len() <= 3 && length >= 3 && !(mark == '`' && info.contains('`'));
        is_fence.then_some(Self { mark, length, info })
    }
    fn is_closed_by(&self, line: &str) -> bool {
        let rest = line.trim_start_matches(' ');
        let after = rest.trim_start_matches(self.mark);
        line.len() - rest.len() <= 3 && rest.len() - after.len() >= self.length && after.trim().is_empty()
    }
}

struct Reader<'a> {
    pieces: Vec<Piece<'a>>,
    at: usize,
    /// The last line.
    end: usize,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Result<Parsed, TextError> {
        self.only_blank("the text begins with “# ” and the title of the runbook")?;
        let title = match self.pieces.get(self.at) {
            Some(Piece::Heading { level: 1, title, .. }) => (*title).to_owned(),
            _ => return Err(self.wrong("the text begins with “# ” and the title of the runbook")),
        };
        self.at += 1;
        self.only_blank("a ```runbook block follows the title, with owner, review_by and the rest")?;
        let (line, body) = self.block("runbook", "a ```runbook block follows the title, with owner, review_by and the rest")?;
        let head = blocks::read_head(&body).map_err(|error| error.at(line))?;
        // Other headings in here are Markdown; that of the steps ends it.
        let introduction = self.prose(|level, title| level == 2 && title == "Steps")?;
        match self.pieces.get(self.at) {
            Some(Piece::Heading { level: 2, title: "Steps", .. }) => self.at += 1,
            _ => return Err(self.wrong("there is no “## Steps”")),
        }
        let (mut steps, mut lines) = (Vec::new(), BTreeMap::new());
        self.only_blank("a step begins with “### ” and its title")?;
        while let Some(Piece::Heading { line: begins, level: 3, title }) = self.pieces.get(self.at) {
            let (begins, title) = (*begins, (*title).to_owned());
            self.at += 1;
            let prose = self.prose(|_, _| true)?;
            let (line, body) = self.block("step", &format!("the step “{title}” has no ```step block"))?;
            let step = blocks::read_step(&title, prose, &body).map_err(|error| error.at(line))?;
            if let Some(before) = lines.insert(step.id.clone(), begins) {
                return Err(TextError { line, why: format!("the step on line {before} has the id “{}” already", step.id) });
            }
            steps.push(step);
            self.only_blank("what a step says stands before its ```step block")?;
        }
        let mut afterwards = Prose::default();
        if matches!(self.pieces.get(self.at), Some(Piece::Heading { level: 2, title: "Afterwards", .. })) {
            self.at += 1;
            afterwards = self.prose(|level, title| level == 2 && title == "Messages")?;
        }
        let (messages, message_lines) = self.messages()?;
        match self.pieces.get(self.at) {
            None => Ok(Parsed { runbook: Runbook { title, head, introduction, steps, afterwards, messages }, steps: lines, messages: message_lines }),
            Some(Piece::Heading { title, .. }) => {
                Err(self.wrong(&format!("“{title}” is not expected here; after the steps come “## Afterwards” and “## Messages”, in this order")))
            }
            Some(_) => Err(self.wrong("this belongs to no step and to no section")),
        }
    }

    fn messages(&mut self) -> Result<(Vec<Message>, BTreeMap<String, usize>), TextError> {
        let (mut messages, mut lines) = (Vec::new(), BTreeMap::new());
        if !matches!(self.pieces.get(self.at), Some(Piece::Heading { level: 2, title: "Messages", .. })) {
            return Ok((messages, lines));
        }
        self.at += 1;
        self.only_blank("a message begins with “### ” and its name")?;
        while let Some(Piece::Heading { line: begins, level: 3, title }) = self.pieces.get(self.at) {
            let (begins, name) = (*begins, (*title).to_owned());
            self.at += 1;
            self.only_blank("a ```message block follows the name of a message")?;
            let (line, body) = self.block("message", &format!("the message “{name}” has no ```message block"))?;
            let text = self.prose(|_, _| true)?;
            if let Some(before) = lines.insert(name.clone(), begins) {
                return Err(TextError { line: begins, why: format!("the message on line {before} has the same name") });
            }
            messages.push(blocks::read_message(&name, text, &body).map_err(|error| error.at(line))?);
        }
        Ok((messages, lines))
    }

    /// Markdown up to a heading that ends it, or one of our blocks.
    fn prose(&mut self, ends: impl Fn(usize, &str) -> bool) -> Result<Prose, TextError> {
        let mut lines: Vec<String> = Vec::new();
        while let Some(piece) = self.pieces.get(self.at) {
            match piece {
                Piece::Heading { level, title, .. } if ends(*level, title) => break,
                Piece::Heading { level, title, .. } => lines.push(format!("{} {title}", "#".repeat(*level))),
                Piece::Block { .. } => break,
                Piece::Text { lines: more, .. } => lines.extend(more.iter().map(|line| (*line).to_owned())),
            }
            self.at += 1;
        }
        Ok(Prose::of_lines(&lines.iter().map(String::as_str).collect::<Vec<_>>()))
    }

    /// Steps over blank lines.
    fn only_blank(&mut self, why: &str) -> Result<(), TextError> {
        if let Some(Piece::Text { line, lines }) = self.pieces.get(self.at) {
            if let Some(said) = lines.iter().position(|line| !line.trim().is_empty()) {
                return Err(TextError { line: line + said, why: why.to_owned() });
            }
            self.at += 1;
        }
        Ok(())
    }

    fn block(&mut self, wanted: &str, missing: &str) -> Result<(usize, String), TextError> {
        match self.pieces.get(self.at) {
            Some(Piece::Block { line, kind, body }) if *kind == wanted => {
                let found = (*line, body.join("\n"));
                self.at += 1;
                Ok(found)
            }
            Some(Piece::Block { kind, .. }) => Err(self.wrong(&format!("a ```{kind} block does not belong here; {missing}"))),
            _ => Err(self.wrong(missing)),
        }
    }

    fn wrong(&self, why: &str) -> TextError {
        TextError { line: self.pieces.get(self.at).map_or(self.end, Piece::line), why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests;
