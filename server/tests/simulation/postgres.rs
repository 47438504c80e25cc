//! A PostgreSQL server as far as failovers meet one: whether it lives, whether it is in recovery, which history of the
//! write-ahead log it holds and whom it follows.

use engine::id::{NodeId, RegionId};

/// Whether its processes exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    Up,
    /// Stopped by a signal: it does nothing, and would go on where it was.
    Hung,
    Gone,
}

/// A stretch of history. Two nodes that are promoted from one timeline get the same number; the branch tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    pub branch: u32,
    pub timeline: u32,
    /// Up to where it is held.
    pub upto: u64,
}

/// One server.
#[derive(Debug, Clone)]
pub struct Node {
    pub region: RegionId,
    pub life: Life,
    /// Its last end was a shutdown.
    pub clean: bool,
    pub recovery: bool,
    pub history: Vec<Piece>,
    pub upstream: Option<NodeId>,
    /// Its host's agent does not start it as it is.
    pub fenced: bool,
    /// Its commits wait for a standby.
    pub waits: bool,
    /// Counts its starts: what was said to an earlier one is not heard by a later.
    pub start: u32,
    /// It was told to take no writes; that outlives its end.
    pub refuses: bool,
    /// That it writes beside another one is not the product's doing: people accepted it in so many words, or started it.
    pub excused: bool,
}

impl Node {
    pub fn primary(region: RegionId, waits: bool) -> Self {
        let history = vec![Piece { branch: 1, timeline: 1, upto: 0x0100_0000 }];
        let (recovery, upstream, clean, fenced, refuses, excused, start) = (false, None, false, false, false, false, 0);
        Self { region, life: Life::Up, clean, recovery, history, upstream, fenced, waits, start, refuses, excused }
    }
    pub fn standby(region: RegionId, upstream: NodeId) -> Self {
        Self { recovery: true, upstream: Some(upstream), ..Self::primary(region, false) }
    }

    pub fn end(&self) -> Piece {
        *self.history.last().expect("a node holds something")
    }
    pub fn is_up(&self) -> bool {
        self.life == Life::Up
    }
    pub fn write(&mut self, bytes: u64) {
        self.history.last_mut().expect("a node holds something").upto += bytes;
    }
    /// Whether it holds the history of `branch` up to there.
    pub fn holds(&self, branch: u32, upto: u64) -> bool {
        self.history.iter().any(|piece| piece.branch == branch && piece.upto >= upto)
    }
    /// Whether what it holds is the beginning of what `other` holds: only then can it follow that one.
    pub fn is_behind(&self, other: &Node) -> bool {
        let own = self.history.len();
        if own == 0 || own > other.history.len() {
            return false;
        }
        let (own_end, others) = (self.history[own - 1], other.history[own - 1]);
        self.history[..own - 1] == other.history[..own - 1] && own_end.branch == others.branch && own_end.upto <= others.upto
    }
    /// Takes in at most so many bytes of what `other` holds more.
    pub fn follow_up(&mut self, other: &Node, bytes: u64) {
        let mut left = bytes;
        loop {
            let at = self.history.len() - 1;
            let (Some(theirs), Some(own)) = (other.history.get(at), self.history.get_mut(at)) else { return };
            let taken = theirs.upto.saturating_sub(own.upto).min(left);
            own.upto += taken;
            left -= taken;
            let reached = own.upto;
            match other.history.get(at + 1) {
                Some(next) if reached == theirs.upto => self.history.push(Piece { upto: reached, ..*next }),
                _ => return,
            }
        }
    }
    /// Leaves recovery on a branch of its own.
    pub fn promote(&mut self, branch: u32) {
        let end = self.end();
        self.history.push(Piece { branch, timeline: end.timeline + 1, upto: end.upto });
        (self.recovery, self.upstream, self.waits) = (false, None, false);
    }
    /// Takes back what it wrote beyond the history that it has in common with `other`.
    pub fn rewind(&mut self, other: &Node) {
        let common = self.history.iter().zip(&other.history).take_while(|(own, theirs)| own.branch == theirs.branch).count();
        self.history.truncate(common.max(1));
        let at = self.history.len() - 1;
        let upto = other.history.get(at).map_or(0, |theirs| theirs.upto);
        let own = &mut self.history[at];
        own.upto = own.upto.min(upto);
        self.recovery = true;
    }
    pub fn start(&mut self) {
        (self.life, self.clean, self.start) = (Life::Up, false, self.start + 1);
    }
}
