//! Planted bugs: named switches that break the core on purpose, to prove that the simulator would notice.
//!
//! They work only in builds with the feature `planted-bugs`, which nothing but the simulator asks for; elsewhere
//! `is_on` is the constant `false`.

macro_rules! bugs {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// A switch, with the line that it breaks and, where there is one, the real bug that it mirrors.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Bug {
            $($(#[$doc])* $name,)*
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

bugs! {
    /// `paxos/requirement.rs`: one acceptance less than a majority chooses a value.
    CommitWithMinority,
    /// `paxos/requirement.rs`: the majority is of those in quorum, not of the monmap.
    MajorityOfQuorum,
    /// `paxos/requirement.rs`: a replaced member needs no more than a majority of the old map.
    /// Single-server change safety, Raft dissertation 4.1 and the erratum of 2015.
    ReplaceByOldMajority,
    /// `paxos/begin.rs`: the leader counts its own acceptance before its disk has it.
    OwnAcceptEarly,
    /// `paxos/begin.rs`: a peon accepts before its disk has the value. Ack before fsync; etcd 14370 lost an
    /// acknowledged write so.
    AcceptBeforeSync,
    /// `paxos/begin.rs`: a peon accepts under a lower number than it promised.
    AcceptLowerNumber,
    /// `paxos/begin.rs`: a peon that lacks values accepts a later one.
    AcceptWithGap,
    /// `paxos/begin.rs`: an acceptance for another version counts.
    AcceptOfOtherVersion,
    /// `paxos/begin.rs`: learners that follow count as if they had accepted.
    LearnerCounts,
    /// `consensus/leaving.rs`: one of more than two commits a change of the monmap by itself.
    SurvivorOfMany,
    /// `paxos/collect.rs`: a promise is not written.
    PromiseNotStored,
    /// `paxos/collect.rs`: a promise leaves before it is on disk.
    PromiseBeforeSync,
    /// `paxos/collect.rs`: a leader uses its number before it is on disk.
    CollectBeforeSync,
    /// `paxos/collect.rs`: one promise less than a majority ends phase 1.
    CollectFromMinority,
    /// `paxos/collect.rs`: what a peon accepted is not looked at.
    UncommittedOfPeonDropped,
    /// `paxos/collect.rs`: what the leader itself accepted is not looked at.
    UncommittedOfLeaderDropped,
    /// `paxos/collect.rs`: of two accepted values the one under the lower number is taken up.
    LowerUncommittedPreferred,
    /// `paxos/collect.rs`: an accepted value is reported under the promise's number rather than its own. Ceph had
    /// this before `pending_pn` was stored.
    UncommittedNumberForgotten,
    /// `paxos/log.rs`: a number that was proposed under is not stored, and used again after a restart.
    NumberReused,
    /// `paxos/log.rs`: a committed value is not stored where another one was accepted in its place.
    ValueNotStored,
    /// `paxos/log.rs`: `last_committed` moves without the value's changes. Ceph keeps both in one transaction.
    ChangesNotApplied,
    /// `paxos/log.rs`: trimming takes one value more than it says.
    TrimTooFar,
    /// `paxos/commit.rs`: a committed value is reported before the store shows it.
    CommittedBeforeApplied,
    /// `paxos/read_index.rs`: reads are confirmed by nobody. Raft's read-index without its round.
    ReadWithoutRound,
    /// `paxos/read_index.rs`: reads join a round that began before they came in.
    ReadJoinsRound,
    /// `paxos/read_index.rs`: a confirmed read does not wait until the store shows its index.
    ReadNotAwaitingIndex,
    /// `paxos/read_index.rs`: a new leader answers before the values of earlier terms are settled. Raft, 6.4 step 1.
    ReadBeforeSettled,
    /// `paxos/lease.rs`: accepting a value does not end the lease.
    LeaseNotRevoked,
    /// `paxos/pulse.rs`: a peon acknowledges heartbeats of a leader that it has not promised to.
    AcknowledgeWithoutPromise,
    /// `election.rs`: the election epoch is not stored.
    EpochNotStored,
    /// `election/propose.rs`: a second candidate is acknowledged in the same epoch.
    VoteTwice,
    /// `election/propose.rs`: the acknowledgement leaves before the epoch is on disk.
    VoteBeforeSync,
    /// `election/settle.rs`: one acknowledgement less than a majority wins.
    ElectedByMinority,
    /// `consensus/quorum.rs`: a leader goes on when too few peons are left.
    QuorumShrinksTooFar,
    /// `consensus/quorum.rs`: a member whose store must be synced takes part in elections.
    UnsyncedVotes,
    /// `sync/marks.rs`: the store is not marked while it is filled.
    HalfSyncedUnmarked,
    /// `sync/requester.rs`: the values that came during a full sync are not applied again at its end.
    SyncWithoutReplay,
    /// `sync/provider.rs`: values that are committed while a requester reads are not sent to it.
    ProviderMovesOn,
    /// `sync/requester.rs`: the wipe takes the promises with it.
    SyncForgetsPromises,
    /// `sync/requester.rs`: the provider's promises are taken over as our own.
    SyncCopiesPromises,
    /// `sync.rs`: the store is wiped when a sync is asked for. Members that sync from each other lose everything.
    WipeBeforeConsent,
    /// `sync/provider.rs`: a copy counts from what is committed rather than from what the store shows.
    ProviderAheadOfStore,
    /// `sync/marks.rs`: the value of the floor is not put back.
    FloorValueDropped,
    /// `probe.rs`: a store that was cut short in a sync takes a peer that has less.
    FloorIgnored,
    /// `services/subscribe.rs`: what was subscribed to for one time goes on.
    OneTimeGoesOn,
    /// `consensus/route.rs`: a member that was told to stay out of the quorum goes on to vote.
    ExitedVotes,
    /// `services/propose.rs`: an operation is answered when its value is proposed, not when it is chosen. Ack before
    /// commit, the oldest of them all.
    AnsweredBeforeCommit,
    /// `services.rs`: what was in flight when the quorum broke is answered as done. The pending changes of a service were
    /// lost at a change of leaders.
    UncertainTakenForDone,
    /// `services/propose.rs`: what was in flight when the quorum broke is prepared again without looking.
    UncertainTakenForLost,
    /// `services/propose.rs`: several changes of the members go into one epoch. Single-server change, Raft
    /// dissertation 4.1.
    MembersChangedTogether,
    /// `services/forward.rs`: a forwarded command that comes again after an election is applied again, as Ceph does.
    ForwardedTwice,
    /// `services/forward.rs`: the answer to a forwarded command goes to whoever waits longest.
    RoutedToAnother,
    /// `services/dispatch.rs`: a peon leaves the check of caps to the leader, and the leader takes it for done.
    CapsUncheckedOnForward,
    /// `services/dispatch.rs`: reads are answered from what the store shows, without asking anybody. Jepsen's first
    /// finding in etcd and Consul.
    ReadUnconfirmed,
    /// `services/subscribe.rs`: a subscription that is resumed begins with what comes next. etcd 15220 lost events so.
    SubscriptionGap,
    /// `services/subscribe.rs`: the last version that was sent is sent again.
    SubscriptionRepeats,
    /// `services/subscribe.rs`: caps for one key show every key that begins like it.
    SubscriptionIgnoresCaps,
    /// `services/subscribe.rs`: subscribers are served in the midst of a sync.
    HalfSyncedServed,
    /// `services.rs`: services load a half-synced store.
    HalfSyncedLoaded,
    /// `service/kv.rs`: a swap looks at the committed revision, not at what the same value has set already.
    SwapIgnoresPending,
    /// `service/kv.rs`: a swap and a later write of the same value share a revision.
    RevisionOfTwoValues,
    /// `service/kv.rs`: of several keys in one value the last is left out.
    BatchDropsLast,
    /// `service/kv.rs`: removals are missing in what subscribers are told.
    RemovalNotTold,
    /// `service/monmap.rs`: a change of the learners alone is not taken over.
    LearnersNotRefreshed,
    /// `service/monmap/membership.rs`: an operation that is asked for again under its id is done again.
    SameOperationTwice,
    /// `service/monmap/membership.rs`: an operation is done in another epoch than it was meant for.
    StaleEpochAccepted,
    /// `service/auth/global_id.rs`: ids that were reserved before the start are handed out as soon as they are seen.
    GlobalIdsGivenAgain,
    /// `paxos/lease.rs`: reads go on when the lease has ended. Ceph's `is_readable` compares the time.
    LeaseNeverEnds,
    /// `wire/session.rs`: what was received is forgotten when a connection breaks, and taken again when it is sent
    /// again.
    FramesReplayedTwice,
    /// `sim/world/faults.rs`: not a line of ours but a rule for who runs us: a machine that lost its disk comes back
    /// empty under its old name, instead of being replaced. An acceptor that forgets what it accepted; wiped
    /// data folders have cost etcd users writes so.
    WipedRejoins,
}

impl Bug {
    /// Whether it takes the whole monitor to notice it: what it breaks is in the services, or for them alone.
    #[must_use]
    pub fn needs_services(self) -> bool {
        matches!(
            self,
            Self::AnsweredBeforeCommit
                | Self::UncertainTakenForDone
                | Self::UncertainTakenForLost
                | Self::MembersChangedTogether
                | Self::ForwardedTwice
                | Self::RoutedToAnother
                | Self::CapsUncheckedOnForward
                | Self::ReadUnconfirmed
                | Self::SubscriptionGap
                | Self::SubscriptionRepeats
                | Self::OneTimeGoesOn
                | Self::SubscriptionIgnoresCaps
                | Self::HalfSyncedServed
                | Self::HalfSyncedLoaded
                | Self::SwapIgnoresPending
                | Self::RevisionOfTwoValues
                | Self::BatchDropsLast
                | Self::RemovalNotTold
                | Self::LearnersNotRefreshed
                | Self::SameOperationTwice
                | Self::StaleEpochAccepted
                | Self::GlobalIdsGivenAgain
                | Self::LeaseNeverEnds
        )
    }

    /// Whether it is in the sessions between monitors, which only the wire mode has.
    #[must_use]
    pub fn needs_frames(self) -> bool {
        matches!(self, Self::FramesReplayedTwice)
    }
}

#[cfg(feature = "planted-bugs")]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    // Per thread, because the simulator runs a world in each.
    thread_local! {
        static ON: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Switches one bug on in this thread and all others off.
    pub fn plant(bug: Option<Bug>) {
        ON.set(bug);
    }

    /// Whether a bug is on in this thread.
    #[must_use]
    pub fn is_on(bug: Bug) -> bool {
        ON.get() == Some(bug)
    }
}

#[cfg(not(feature = "planted-bugs"))]
mod switch {
    /// No bug is ever on.
    #[must_use]
    pub const fn is_on(_bug: super::Bug) -> bool {
        false
    }
}

pub use switch::is_on;
#[cfg(feature = "planted-bugs")]
pub use switch::plant;
