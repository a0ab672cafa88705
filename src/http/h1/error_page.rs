//! The beginning of an error's body, kept until it is clear whose page it is.

use crate::timeline::{ErrorPage, Response};

/// The body of the newest response, where that is an error.
#[derive(Clone, Debug, Default)]
pub(super) struct Page(Vec<u8>);

impl Page {
    /// None where the response is no error of the origin.
    pub(super) fn of(response: &Response) -> Option<Self> {
        response.status.filter(|status| (500..600).contains(status)).map(|_| Self::default())
    }

    /// Takes the next bytes of the body, and says whose page it is as soon as that is clear.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Option<ErrorPage> {
        let room = ErrorPage::ENOUGH.saturating_sub(self.0.len()).min(bytes.len());
        if room == 0 {
            return None;
        }
        self.0.extend_from_slice(bytes.get(..room).unwrap_or_default());
        ErrorPage::of(&self.0)
    }
}
