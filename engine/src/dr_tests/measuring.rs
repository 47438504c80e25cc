//! What a run measured: its recovery time from the moments of its own steps and from the operations it carried out, its loss from
//! their receipts. Nothing here was typed (trap T4), and what measures nothing is no zero (trap T5).

use super::{Run, TestStepState};
use crate::{
    estate::Mark,
    failover::Measured,
    time::{Instant, Span},
};
use serde::{Deserialize, Serialize};

/// One number of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reading")]
pub enum Reading {
    /// A test of this type has no such number.
    NotApplicable,
    NotMeasured {
        why: String,
    },
    Measured {
        span: Span,
        from: String,
    },
}

impl Reading {
    pub fn span(&self) -> Option<Span> {
        match self {
            Reading::Measured { span, .. } => Some(*span),
            Reading::NotApplicable | Reading::NotMeasured { .. } => None,
        }
    }
    /// As reports show it.
    pub fn in_words(&self) -> String {
        match self {
            Reading::NotApplicable => "n/a".to_owned(),
            Reading::NotMeasured { why } => format!("not measured: {why}"),
            Reading::Measured { span, from } => format!("{span} ({from})"),
        }
    }
}

fn not_measured(why: &str) -> Reading {
    Reading::NotMeasured { why: why.to_owned() }
}

impl Run {
    /// When the outage of this run began, and when it ended, by its marked steps.
    pub fn outage(&self) -> (Option<Instant>, Option<Instant>) {
        let began = self.marked(Mark::OutageBegins).and_then(|(_, record)| record.started_at);
        let restored = self.marked(Mark::ServiceRestored).filter(|(_, record)| record.state == TestStepState::Passed);
        (began, restored.and_then(|(_, record)| record.ended_at))
    }
    /// The recovery time: the longest of what its marks and its operations say, since both are true of some client.
    pub fn recovery_time(&self) -> Reading {
        if !self.scenario.kind.measures() {
            return Reading::NotApplicable;
        }
        let by_marks = match self.outage() {
            // A clock that was set back in between measures nothing.
            (Some(began), Some(restored)) if began <= restored => Some((Span::between(began, restored), "from its marked steps".to_owned())),
            _ => None,
        };
        let by_operations = self
            .receipts
            .iter()
            .filter_map(|receipt| Some((receipt.measured.recovery_time?, format!("from the receipt of operation {}", receipt.operation.short()))));
        match by_operations.chain(by_marks).max_by_key(|(span, _)| *span) {
            Some((span, from)) => Reading::Measured { span, from },
            None if self.marked(Mark::OutageBegins).is_none() => {
                not_measured("no step marks the beginning of an outage, and no operation measured one")
            }
            None => not_measured("the steps that mark its beginning and its end were not both carried out"),
        }
    }
    /// The stretch of data that was lost, by the receipts of its operations.
    pub fn loss(&self) -> Reading {
        if !self.scenario.kind.measures() {
            return Reading::NotApplicable;
        }
        match self.worst(|measured| measured.lost_span) {
            Some(span) => Reading::Measured { span, from: "from the receipts of its operations".to_owned() },
            None if self.receipts.iter().any(|receipt| receipt.moves_data) => not_measured("an operation of this run could not count what was lost"),
            None => not_measured("no operation of this run counted what was lost"),
        }
    }
    /// Committed transactions that were lost, the most that a receipt has; absent where nobody counted.
    pub fn lost_transactions(&self) -> Option<u64> {
        self.worst(|measured| measured.lost_transactions)
    }
    /// A failover cannot count while the old primary is down; the rejoin after it does. So one that counted nothing leaves the loss
    /// unknown until a later one has counted.
    fn worst<T: Ord + Copy>(&self, of: impl Fn(&Measured) -> Option<T>) -> Option<T> {
        let (mut worst, mut unknown) = (None, false);
        for receipt in self.receipts.iter().filter(|receipt| receipt.moves_data) {
            let counted = of(&receipt.measured);
            unknown = counted.is_none();
            worst = worst.max(counted);
        }
        worst.filter(|_| !unknown)
    }
}
