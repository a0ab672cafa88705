//! How far a connection has come, and what the next stage is made of: most connections need little to be followed.

use super::application::Application;
use super::brief::{Brief, Briefs};
use super::connection::Connection;
use super::knock::Knock;
use super::spare::Spare;
use crate::timeline::{Endpoint, PacketRef, Timeline};
use crate::wire::Segment;

/// How far a connection has come.
pub(super) enum Stage<A> {
    /// It is only being opened.
    Knocking(Box<Knock>),
    /// Nothing was out of the ordinary since.
    Brief(Box<Brief>),
    /// All of it is told.
    Open(Box<Connection<A>>),
}

impl<A: Application> Stage<A> {
    /// True where all of it is told.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// True while only SYNs and SYN-ACKs were seen.
    pub(super) fn half_open(&self) -> bool {
        match self {
            Self::Knocking(_) => true,
            Self::Brief(_) => false,
            Self::Open(connection) => connection.half_open(),
        }
    }

    /// True once nothing but stragglers can come.
    #[inline]
    pub(super) fn closed(&self) -> bool {
        match self {
            Self::Knocking(_) => false,
            Self::Brief(brief) => brief.closed(),
            Self::Open(connection) => connection.closed(),
        }
    }

    /// Bytes that it takes at most; 0 while it is only being opened.
    pub(super) fn memory(&self) -> u64 {
        match self {
            Self::Knocking(_) => 0,
            Self::Brief(_) => Brief::MEMORY,
            Self::Open(connection) => connection.memory(),
        }
    }

    /// Number of its last packet; none while it is only being opened.
    pub(super) fn last(&self) -> Option<u64> {
        match self {
            Self::Knocking(_) => None,
            Self::Brief(brief) => Some(brief.last().number),
            Self::Open(connection) => Some(connection.line.last.number),
        }
    }
}

/// What connections of every stage are kept in, or made of.
pub(super) struct Stages<A> {
    briefs: Briefs,
    pub(super) spare: Spare<A>,
}

impl<A> Default for Stages<A> {
    fn default() -> Self {
        Self { briefs: Briefs::default(), spare: Spare::default() }
    }
}

impl<A: Application> Stages<A> {
    /// Takes a segment of a connection that is only being opened, or of one that stays ordinary with it where `briefly`
    /// says that no more is wanted of such; false where the connection has to be told.
    pub(super) fn take_early(
        &mut self,
        stage: &mut Stage<A>,
        source: Endpoint,
        packet: PacketRef,
        segment: &Segment<'_>,
        briefly: impl FnOnce() -> bool,
    ) -> bool {
        if let Stage::Knocking(knock) = stage {
            if knock.take_answer(source, packet, segment) {
                return true;
            }
            let brief = if briefly() { self.briefs.begin(knock) } else { None };
            if let Some(brief) = brief {
                *stage = Stage::Brief(brief);
            }
        }
        match stage {
            Stage::Brief(brief) => brief.take::<A>(source, packet, segment),
            Stage::Knocking(_) | Stage::Open(_) => false,
        }
    }

    /// The connection, told all that is known of it.
    pub(super) fn open(&mut self, stage: Stage<A>, app: impl Fn() -> A) -> Box<Connection<A>> {
        match stage {
            Stage::Knocking(knock) => knock.connection(&mut self.spare, app()),
            Stage::Brief(brief) => {
                let connection = brief.connection(&mut self.spare, app());
                self.briefs.add(brief);
                connection
            }
            Stage::Open(connection) => connection,
        }
    }

    /// The same where it is.
    #[inline]
    pub(super) fn open_in_place<'a>(
        &mut self,
        stage: &'a mut Stage<A>,
        app: impl Fn() -> A,
    ) -> Option<&'a mut Connection<A>> {
        let opened = match stage {
            Stage::Knocking(knock) => Some(knock.connection(&mut self.spare, app())),
            Stage::Brief(brief) => Some(brief.connection(&mut self.spare, app())),
            Stage::Open(_) => None,
        };
        if let Some(connection) = opened
            && let Stage::Brief(brief) = std::mem::replace(stage, Stage::Open(connection))
        {
            self.briefs.add(brief);
        }
        match stage {
            Stage::Open(connection) => Some(connection),
            Stage::Knocking(_) | Stage::Brief(_) => None,
        }
    }

    /// Hands the record of a connection that has come to its end to `ordinary`, where nothing was out of the ordinary;
    /// else gives it back.
    pub(super) fn end_ordinary(&mut self, stage: Stage<A>, ordinary: impl FnOnce(&Timeline)) -> Option<Stage<A>> {
        let Stage::Brief(brief) = stage else { return Some(stage) };
        let Some(line) = self.briefs.tell(&brief) else { return Some(Stage::Brief(brief)) };
        ordinary(line);
        self.briefs.add(brief);
        None
    }
}
