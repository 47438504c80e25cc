//! What to do about each complaint, in words an operator can follow at three in the morning.

use super::{Complaint, Objective};
use crate::{automation::Verdict, failover::State, health::Health, restraints::Restraint};

impl Complaint {
    /// What to do next.
    pub fn remedy(&self) -> String {
        match self {
            Complaint::UndefinedDependency { service, dependency } => {
                format!("Declare {dependency} as a service with its objectives, or take it out of what {service} depends on.")
            }
            Complaint::DependencyCycle { .. } => {
                "Take one of these dependencies out of the estate: services that need each other cannot be recovered in an order.".to_owned()
            }
            Complaint::NeedsItself { service } => format!("Take {service} out of its own dependencies."),
            Complaint::Inversion { service, objective, weaker, path, .. } => {
                let needed = path.last().map_or_else(String::new, ToString::to_string);
                let name = match objective {
                    Objective::Rto => "RTO",
                    Objective::Rpo => "RPO",
                };
                format!("Promise a shorter {name} for {needed}, relax that of {service} to {weaker}, or make {service} work without {needed}.")
            }
            Complaint::InversionsCut { .. } => "Repair the listed ones first: every longer one contains one of them.".to_owned(),
            Complaint::RtoAboveMtpd { .. } => {
                "Promise a shorter recovery time, or check how long the business can really do without the service.".to_owned()
            }
            Complaint::DeclaredTwice { .. } | Complaint::PartDeclaredTwice { .. } => {
                "Remove or rename one of the two declarations; until then only the first one counts.".to_owned()
            }
            Complaint::UndeclaredRegion { region, .. } => format!("Declare the region {region}, or correct the name."),
            Complaint::UndeclaredStrategy { strategy, .. } => format!("Declare the strategy {strategy}, or correct the name."),
            Complaint::UndeclaredService { service, .. } => {
                format!("Declare {service} with its objectives: without them no recovery time or loss of this cluster can be judged.")
            }
            Complaint::TooFewApprovers { .. } => "Give more people the role of an approver, or ask for fewer approvals.".to_owned(),
            Complaint::MonitoringOfNothing { service, .. } | Complaint::HookOfNothing { service, .. } => {
                format!("Declare {service}, or correct the name.")
            }
            Complaint::DetectionMistaken { .. } => {
                "Correct the rule in the estate, for example 3 failures of 3 samples, 3 recoveries, every 5s with a time-out of 2s.".to_owned()
            }
            Complaint::NoRecoveryRegion { .. } => "Name a region the services can be recovered in when the primary one is lost.".to_owned(),
            Complaint::NoNodeInRecoveryRegion { .. } => "Set up a promotable standby in a recovery region, or change the strategy.".to_owned(),
            Complaint::QuorumOutOfReach { .. } => {
                "Declare observers in more regions, or ask for a smaller quorum: until then no endpoint ever counts as down.".to_owned()
            }
            Complaint::ObserverUncounted { observer, .. } => {
                format!(
                    "Look at the agent that observes as {observer}: whether it runs, reaches this server and the platform, and its clock is right."
                )
            }
            Complaint::TooFewObservers { .. } => {
                "Bring observers back; until then failures of endpoints are not believed, and nothing is failed over by itself.".to_owned()
            }
            Complaint::NothingProbed { service } => format!("Give {service} an endpoint (http, https or tcp) in each region it runs in."),
            Complaint::EndpointNotHealthy { service, region, health, .. } => match health {
                Health::Unknown => format!("Check that the probes reach {region}, and that the endpoint's address is right."),
                Health::Ok | Health::Degraded | Health::Down => {
                    format!("Look at {service} in {region}; if the whole region fails, recover what runs there elsewhere.")
                }
            },
            Complaint::NoWritableNode { .. } => "Look at the failover plan: it names the best node to promote and what that can cost.".to_owned(),
            Complaint::WritableUnknown { .. } => {
                "Find out whether the primary still works before anything is promoted: check the network between here and its region, then its host."
                    .to_owned()
            }
            Complaint::SplitBrain { .. } => {
                "Stop all but one of these nodes at once, then rejoin them: what they accept apart from each other cannot be merged.".to_owned()
            }
            Complaint::PrimaryReadOnly { node } => format!("Find out who set default_transaction_read_only on {node}, and reset it."),
            Complaint::WritesOnOldTimeline { node, .. } => {
                format!("Stop {node} now: it is an old primary that came back. Then bring the node on the newest timeline up and rejoin {node}.")
            }
            Complaint::NodeComplains { node, .. } => format!("Look at {node} before it gets worse."),
            Complaint::LeaseNotKept { node, .. } => {
                format!("Look at the host agent of {node}: it must be of this release, and able to start a second process of its own.")
            }
            Complaint::FenceUnusable { .. } => {
                "Put a [fence.NAME] with its command into the configuration of this server and start it again, or correct the name in the estate."
                    .to_owned()
            }
            Complaint::DiskLow { node, .. } => {
                format!(
                    "Make room on the host of {node}, and find out what grows: an idle slot, an archive that fails, logs. PostgreSQL stops when it cannot write."
                )
            }
            Complaint::ConnectionsScarce { node, .. } => {
                format!(
                    "Look for what opens them on {node} (a client that does not close, a pool too large), or raise max_connections; clients are refused soon."
                )
            }
            Complaint::SlotLost { of: Some(of), .. } => {
                format!("Rejoin {of}: the slot is made anew, and where the WAL that {of} lacks is gone it is copied anew.")
            }
            Complaint::SlotLost { node, slot, of: None } => {
                format!("Build anew what streams from it: the WAL it lacks is gone. First, on {node}: select pg_drop_replication_slot('{slot}').")
            }
            Complaint::SlotLosing { slot, .. } => {
                format!("Bring back at once what streams from {slot}, or raise max_slot_wal_keep_size: the next checkpoint takes the WAL away.")
            }
            Complaint::SlotUnused { node, slot, .. } => {
                format!(
                    "Bring back what streams from it. If nothing does: select pg_drop_replication_slot('{slot}') on {node}, before its disk is full."
                )
            }
            Complaint::ArchiveFails { node, .. } => {
                format!(
                    "Read the log of {node} for what archive_command says, and repair it: until then WAL fills the disk, and no backup reaches past it."
                )
            }
            Complaint::ArchivesNowhere { .. } => "Set archive_command (or archive_library), or archive_mode = off with a restart.".to_owned(),
            Complaint::MajorDiffers { node, .. } => {
                format!("Upgrade {node} with pg_upgrade or build it anew from the primary, or take it out of the estate.")
            }
            Complaint::VersionsDiffer { .. } => "Bring all to the newest of these minor versions, standbys first.".to_owned(),
            Complaint::HistoriesClash { node, .. } => {
                format!("Keep the folder of {node} if what only it holds may be needed, and build it anew with pg_basebackup, not with pg_rewind.")
            }
            Complaint::RightMissing { right, .. } => {
                format!("As a superuser, on the primary, in the database {}: {}", right.database, right.grant)
            }
            Complaint::DetailUnknown { .. } => "Until it can be read again, count on nothing that it would say.".to_owned(),
            Complaint::OtherSystem { .. } => {
                "Check the addresses in the estate: these nodes are no copies of the primary and can never take over.".to_owned()
            }
            Complaint::ProtectionUnknown { .. } => "Make the nodes reachable for the probes; until then count on no standby.".to_owned(),
            Complaint::Unprotected { .. } => {
                "Bring a standby back: rejoin a node that needs it, or repair its replication. Until then the loss of the primary loses data."
                    .to_owned()
            }
            Complaint::ReducedProtection { .. } => "Rejoin or repair the missing standbys while the others still stream.".to_owned(),
            Complaint::DeclaredSynchronousObservedNot { .. } => {
                "Rejoin the standbys that are missing: that has commits wait again. Where all stream, set synchronous_standby_names on the primary, or declare asynchronous replication and what it may lose."
                    .to_owned()
            }
            Complaint::CommitsHang { node, .. } => {
                format!(
                    "Bring these standbys back at once. If that takes long, as a superuser on {node}, and knowing that commits are asynchronous then: ALTER SYSTEM SET synchronous_standby_names = ''; SELECT pg_reload_conf()."
                )
            }
            Complaint::TooFewConfirm { .. } => "Rejoin the standbys that are missing: that has commits wait for them again.".to_owned(),
            Complaint::DeclaredAsynchronousObservedNot { .. } => {
                "Declare synchronous replication, or clear synchronous_standby_names: commits now wait for a standby, and stop when it does."
                    .to_owned()
            }
            Complaint::ReplicationUnknown { .. } => "Make the primary readable for the probes; until then count on losing data.".to_owned(),
            Complaint::LagAboveTolerance { node, .. } => {
                format!("Look for what holds {node} back (network, disk, long queries); a planned move to it is refused meanwhile.")
            }
            Complaint::AwayFromHome { home, .. } => {
                format!("When {home} is healthy and its nodes stream again, switch back, or declare the new home.")
            }
            Complaint::RoutedElsewhere { writable, .. } => {
                format!("Set the route to {writable} again, on the cluster's page; until then writes fail, or land where they will be lost.")
            }
            Complaint::RouteClosed => "Finish the operation that closed it; where none did, set the route again on the cluster's page.".to_owned(),
            Complaint::RouteUnknown { .. } => "Check the router's runtime API; until it answers nobody knows where writes go.".to_owned(),
            Complaint::RouterSilent { .. } => {
                "Start the router or make its runtime API reachable: without it no operation can move clients.".to_owned()
            }
            Complaint::PoolerSilent { .. } => {
                "Start PgBouncer, and the host agent beside it, and look whether the agent gets on its console; nothing is moved by plan meanwhile."
                    .to_owned()
            }
            Complaint::PoolerPaused { .. } => {
                "Let its clients through: RESUME on its console, or set the route again on the cluster's page. Look whether its host agent runs."
                    .to_owned()
            }
            Complaint::PoolerElsewhere { writable, .. } => {
                format!("Set the route to {writable} again, on the cluster's page: that leads the pooler there too.")
            }
            Complaint::PatroniSilent { .. } => {
                "Make its REST API reachable from here, and look whether it reaches its store (etcd, Consul, …); until then Lifeboat can move nothing here."
                    .to_owned()
            }
            Complaint::PatroniDisagrees { .. } => {
                "Look at once, with patronictl list: as long as they differ, clients that follow Patroni and those that follow PostgreSQL write to two places."
                    .to_owned()
            }
            Complaint::PatroniPaused => "Resume it (patronictl resume) when the work is done; until then a person must act.".to_owned(),
            Complaint::PatroniMembersDiffer { .. } => {
                "Give each node in the estate the name that Patroni knows it by, and declare or remove what is missing or too much.".to_owned()
            }
            Complaint::UndeclaredPatroni { .. } => {
                "Declare manager = \"patroni\" with the address of each node's REST API, or take Patroni away from the cluster for good.".to_owned()
            }
            Complaint::NoPatroniAddress { node, .. } => format!("Declare patroni = \"http://…:8008\" for {node}."),
            Complaint::PatroniNotDeclared { .. } => "Declare manager = \"patroni\" for the cluster, or remove the address.".to_owned(),
            Complaint::NoRouter => "Set up a router in front of the cluster and declare it, so that clients can be moved.".to_owned(),
            Complaint::AgentSilent { region, .. } => format!("Start the host agent in {region}, or make it reachable from here."),
            Complaint::NoHostAgent { region } => format!("Run the host agent in {region} and declare its address."),
            Complaint::TrafficStrayed { service, .. } => {
                format!(
                    "Find out who moved them. Then plan a move of {service}: back to where they belong, or to where they are, which makes that the intention."
                )
            }
            Complaint::TrafficUnknown { .. } => {
                "Bring back what sends the clients, or make it reachable from here: until it answers nothing can be moved.".to_owned()
            }
            Complaint::TrafficClosed { service } => format!("Plan a move of {service} to a region that is well; until then its clients are refused."),
            Complaint::ServiceUnprotected { .. } => {
                "Bring a second region back, at once: if the one that is left fails, there is nowhere to go.".to_owned()
            }
            Complaint::ServiceReducedProtection { .. } => "Bring the other regions back, then let clients return to them.".to_owned(),
            Complaint::TrafficSimulated { service } => format!("Declare what really sends the clients of {service}, before anybody relies on it."),
            Complaint::TrafficWithoutStrategy { service } => {
                format!("Declare a strategy for {service}: its home region, where else it can run, and who may start a failover.")
            }
            Complaint::Undecided { decision } => match decision.verdict {
                Verdict::Hold => "Look at the failover plan and decide yourself, or take away what holds Lifeboat back.".to_owned(),
                Verdict::Start | Verdict::Request | Verdict::Recommend => "Look at the failover plan and decide.".to_owned(),
            },
            Complaint::Restrained { what, .. } => match what {
                Restraint::MasterSwitch => "Switch it on again when moves are safe; until then each of them breaks this rule on record.".to_owned(),
                Restraint::Pause(_) => "Resume automation when it may act again; until then a person must act.".to_owned(),
                Restraint::Maintenance(_) | Restraint::Acknowledged(_) => "It ends by itself; end it earlier when the work is done.".to_owned(),
                Restraint::Tests => "Allow tests again when it is safe.".to_owned(),
            },
            Complaint::JournalBroken { .. } => {
                "Keep the store as it is for an investigation, find out who could write to it, and go on from a backup of the journal.".to_owned()
            }
            Complaint::OperationInDoubt { .. } => {
                "Open the operation, compare each step with the real state of the nodes, then resume it or close it with a reason.".to_owned()
            }
            Complaint::OperationStandsStill { .. } => {
                "Compare its steps with the real state of the world. Start the server that may act, without `read_only`, and it goes on; or finish it by hand."
                    .to_owned()
            }
            Complaint::RunUnacknowledged { .. } => {
                "Read what happened, put right what is left, and acknowledge it: then Lifeboat may act there again.".to_owned()
            }
            Complaint::SafetyRulesBroken { state: State::Requested, .. } => {
                "Only an approver can approve it. Decline it if the rule shall hold.".to_owned()
            }
            Complaint::BackupOfNothing { what, .. } => format!("Declare {what}, or correct the name."),
            Complaint::UndeclaredDestination { destination } => format!("Declare the destination {destination}, or correct the name."),
            Complaint::CopiesWithTheData { .. } => "Add a destination in another region.".to_owned(),
            Complaint::NoBase { .. } => "Name a policy with full backups of the same source as its base.".to_owned(),
            Complaint::ContinuousShorterThanBase { own, .. } => {
                format!("Keep the changes as long as the oldest base, or no base longer than {own}.")
            }
            Complaint::NeverRestored => "Declare a verification: how far to prove, and how often.".to_owned(),
            Complaint::RungNotAvailable { highest: Some(highest), .. } => {
                format!("Declare `level = \"{highest}\"`, and prove the rest by hand.")
            }
            Complaint::RungNotAvailable { highest: None, .. } => "Take the verification out, and restore one of these backups by hand.".to_owned(),
            Complaint::ScheduleMistaken { .. } => "Correct the schedule, for example 0 2 * * * for every night at two.".to_owned(),
            Complaint::BackupCannotRun { .. } => "Put right what is missing; the next fire of the schedule tries again.".to_owned(),
            Complaint::BackupLate { .. } => "Look whether the job runs and how long it takes; start one by hand if the next fire is far.".to_owned(),
            Complaint::BackupFailed { .. } => "Put right what the tool complains of, then start a job by hand.".to_owned(),
            Complaint::BackupEmpty | Complaint::BackupShrunk { .. } => {
                "Compare it with the source: was much deleted on purpose? Hold the one before, and prove this one.".to_owned()
            }
            Complaint::BackupSlow { .. } => {
                "Look what else uses the source, the network and the destinations; a job that runs into its time-out leaves nothing.".to_owned()
            }
            Complaint::CopyFailed { destination, .. } => {
                format!("Check that {destination} can be reached and has room; the copy is made again a few times, and the next backup has one too.")
            }
            Complaint::CopyNeverMade { destination, .. } => {
                format!("Check that {destination} can be reached and has room; the next backup is copied there again.")
            }
            Complaint::CopyMissing { destination, .. } | Complaint::CopyDamaged { destination, .. } => {
                format!("Find out who deletes or changes what lies in {destination}; hold the copies elsewhere, and start a new backup.")
            }
            Complaint::ProofFailed { .. } => "Hold the newest backup that is proven, then start a new one and prove it.".to_owned(),
            Complaint::ProofExpired { .. } | Complaint::NotProvenYet => "Prove the newest backup.".to_owned(),
            Complaint::WalGap { .. } | Complaint::WalWithoutBase => "Start a full backup now: it begins a new window.".to_owned(),
            Complaint::LossAbovePromise { .. } => {
                "Back up more often or archive every change; else a corruption or the loss of all nodes breaks the promise.".to_owned()
            }
            Complaint::RunbookTooLong { .. } | Complaint::RunbookMayTakeTooLong { .. } => {
                "Shorten its steps, have Lifeboat carry them out, or promise less.".to_owned()
            }
            Complaint::ReviewOverdue { .. } | Complaint::NeverReviewed { .. } => {
                "Read it against the platform as it is now, and save it with a new day in `review_by`.".to_owned()
            }
            Complaint::RunNeedsAPerson { .. } => "Open the run: try the step again, do it by hand, or skip it with a reason.".to_owned(),
            Complaint::MessageOverdue { .. } => "Send the next message, even if it only says that work goes on.".to_owned(),
            Complaint::NoBackupPolicy { service } => format!("Declare a backup policy for {service}: replicas copy a mistake within seconds."),
            Complaint::SafetyRulesBroken { .. } => "Watch it to its end, then restore what the rule protects.".to_owned(),
        }
    }
}
