//! Connections that have ended: those that begin take over their memory.

use super::application::Application;
use super::connection::Connection;
use crate::timeline::{Endpoint, PacketRef, Timeline};

/// As one ends, another begins: a few are enough.
const LIMIT: usize = 16;

/// Boxes of connections that have ended.
pub(super) struct Spare<A>(Vec<Box<Connection<A>>>);

/// What is known of a connection when it begins.
pub(super) struct Beginning {
    pub(super) index: u32,
    pub(super) edge: Endpoint,
    pub(super) origin: Endpoint,
    pub(super) first: PacketRef,
    /// True where the first payload is to settle who is the server.
    pub(super) roles_open: bool,
}

impl<A> Default for Spare<A> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<A: Application> Spare<A> {
    /// A connection that was told nothing yet.
    pub(super) fn begin(&mut self, beginning: &Beginning, app: A) -> Box<Connection<A>> {
        let Beginning { index, edge, origin, first, roles_open } = *beginning;
        match self.0.pop() {
            Some(mut connection) => {
                connection.line.begin_again(index, edge, origin, first);
                connection.begin_again(app, roles_open);
                connection
            }
            None => Box::new(Connection::new(Timeline::new(index, edge, origin, first), app, roles_open)),
        }
    }

    /// Keeps the memory of a connection that has ended.
    pub(super) fn add(&mut self, connection: Box<Connection<A>>) {
        if self.0.len() < LIMIT {
            self.0.push(connection);
        }
    }
}
