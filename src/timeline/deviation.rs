//! Rules of the specifications that a message broke.

use super::Mark;

/// One place where a message breaks a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Deviation {
    /// The rule.
    pub rule: Rule,
    /// Byte of the message (from its first byte) where the rule is broken.
    pub at: u64,
    /// Where that byte lies in the stream and the packet that brought it.
    pub mark: Mark,
    /// The offending bytes and a little around them, at most 64.
    pub bytes: Vec<u8>,
}

impl Deviation {
    /// The words that break the rule: what an edge took in them it takes again. The value of a field does not
    /// count, as it may be another one each time, and no word counts where only white space or a contradiction
    /// breaks the rule.
    #[must_use]
    pub fn words(&self) -> &[u8] {
        if matches!(
            self.rule,
            Rule::LineFeedAlone
                | Rule::FoldedLine
                | Rule::EmptyLineFirst
                | Rule::FieldSpaceBeforeColon
                | Rule::TransferEncodingAndLength
                | Rule::TransferEncodingInHttp10
                | Rule::ChunkLineEnd
        ) {
            return &[];
        }
        let end = self.bytes.iter().position(|&byte| byte == b':').unwrap_or(self.bytes.len());
        self.bytes.get(..end).unwrap_or_default()
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $section:literal, $text:literal;)*) => {
        /// A rule of RFC 9110, 9112 or 9113 that responses break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Rule { $($(#[$doc])* #[doc = concat!("(", $section, ")")] $variant,)* }

        impl Rule {
            /// The stable kebab-case name: profiles of edges and test data hold it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The section of the specification that states the rule.
            #[must_use]
            pub fn section(self) -> &'static str {
                match self { $(Self::$variant => $section,)* }
            }

            /// What is wrong, as the end of a sentence: "the response ...".
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The rule with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|rule| rule.name() == name)
            }

            /// Every rule, in the order of the specification.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
        }
    };
}

rules! {
    /// The response does not begin with `HTTP/` at all.
    NoStatusLine, "no-status-line", "RFC 9112 section 4", "does not begin with a status line";
    /// An empty line stands before the status line: servers skip one before a request line, clients do not.
    EmptyLineFirst, "empty-line-first", "RFC 9112 section 2.2", "begins with an empty line before its status line";
    /// It begins as HTTP, and its version is not `HTTP/1.` and a digit.
    VersionMalformed, "version-malformed", "RFC 9112 section 2.3", "has a malformed HTTP version";
    /// The status line has no status code.
    StatusCodeMissing, "status-code-missing", "RFC 9112 section 4", "has no status code in its status line";
    /// The status code is not three digits.
    StatusCodeNotThreeDigits, "status-code-not-three-digits", "RFC 9112 section 4", "has a status code that is not three digits";
    /// The status code is outside 100 to 599.
    StatusCodeOutOfRange, "status-code-out-of-range", "RFC 9110 section 15", "has a status code outside 100 to 599";
    /// Anything else in the status line: spaces, control characters.
    StatusLineMalformed, "status-line-malformed", "RFC 9112 section 4", "has a malformed status line";
    /// A control character in the reason phrase.
    ReasonPhraseControl, "reason-phrase-control", "RFC 9112 section 4", "has a control character in its reason phrase";
    /// LF without CR ends a line of the head.
    LineFeedAlone, "line-feed-alone", "RFC 9112 section 2.2", "ends a line with LF alone";
    /// CR without LF in the head.
    BareCarriageReturn, "bare-carriage-return", "RFC 9112 section 2.2", "has a CR that no LF follows";
    /// A field line without a colon.
    FieldNoColon, "field-no-colon", "RFC 9112 section 5", "has a field line without a colon";
    /// A field line whose name is empty.
    FieldNameEmpty, "field-name-empty", "RFC 9112 section 5.1", "has a field with an empty name";
    /// White space between field name and colon.
    FieldSpaceBeforeColon, "field-space-before-colon", "RFC 9112 section 5.1", "has white space between a field name and its colon";
    /// A field name with a byte that is no token character.
    FieldNameNotToken, "field-name-not-token", "RFC 9110 section 5.6.2", "has a field name with a character that no token may hold";
    /// White space before the first field line.
    SpaceBeforeFirstField, "space-before-first-field", "RFC 9112 section 2.2", "has white space before its first field";
    /// NUL in a field value.
    FieldValueNul, "field-value-nul", "RFC 9110 section 5.5", "has a NUL byte in a field value";
    /// Another control character in a field value.
    FieldValueControl, "field-value-control", "RFC 9110 section 5.5", "has a control character in a field value";
    /// A field value that goes on in a folded line.
    FoldedLine, "folded-line", "RFC 9112 section 5.2", "has a folded field line (obs-fold)";
    /// A field that may stand once stands twice with different values.
    DuplicateField, "duplicate-field", "RFC 9110 section 5.3", "repeats a field that may stand once, with another value";
    /// Several Content-Length values that differ.
    ContentLengthDiffers, "content-length-differs", "RFC 9112 section 6.3", "has Content-Length values that differ";
    /// A Content-Length that is no number.
    ContentLengthMalformed, "content-length-malformed", "RFC 9110 section 8.6", "has a Content-Length that is no decimal number";
    /// Transfer-Encoding beside Content-Length.
    TransferEncodingAndLength, "transfer-encoding-and-length", "RFC 9112 section 6.3", "has Transfer-Encoding beside Content-Length";
    /// Transfer-Encoding whose last coding is not chunked, is repeated, or is not known.
    TransferEncodingUnknown, "transfer-encoding-unknown", "RFC 9112 section 6.1", "has a Transfer-Encoding that is not understood";
    /// Transfer-Encoding in an HTTP/1.0 message.
    TransferEncodingInHttp10, "transfer-encoding-in-http10", "RFC 9112 section 6.1", "has Transfer-Encoding in an HTTP/1.0 message";
    /// Transfer-Encoding, or a Content-Length above 0, where a body cannot be (1xx, 204).
    FramingWhereNoBody, "framing-where-no-body", "RFC 9112 section 6.1", "has framing fields in a response that has no body";
    /// 101 to a request that asked for no upgrade.
    UpgradeNotAsked, "upgrade-not-asked", "RFC 9110 section 7.8", "switches to another protocol though the request asked for none";
    /// A chunk size that is not hexadecimal, or is empty.
    ChunkSizeMalformed, "chunk-size-malformed", "RFC 9112 section 7.1", "has a chunk size that is not hexadecimal";
    /// A chunk size that does not fit 64 bits.
    ChunkSizeTooLarge, "chunk-size-too-large", "RFC 9112 section 7.1", "has a chunk size that does not fit 64 bits";
    /// A chunk size line that LF alone ends, or that has a bare CR.
    ChunkLineEnd, "chunk-line-end", "RFC 9112 section 7.1", "ends a chunk line without CRLF";
    /// A chunk extension that breaks the grammar.
    ChunkExtensionMalformed, "chunk-extension-malformed", "RFC 9112 section 7.1.1", "has a malformed chunk extension";
    /// Chunk data that CRLF does not follow.
    ChunkDataEnd, "chunk-data-end", "RFC 9112 section 7.1", "has a chunk that is not followed by CRLF";
    /// A trailer field that breaks the grammar of field lines.
    TrailerMalformed, "trailer-malformed", "RFC 9112 section 7.1.2", "has a malformed trailer field";
    /// HTTP/2: a field name with upper-case letters.
    H2FieldNameUpperCase, "h2-field-name-upper-case", "RFC 9113 section 8.2.1", "has a field name with upper-case letters";
    /// HTTP/2: a field name or value with a forbidden byte.
    H2FieldMalformed, "h2-field-malformed", "RFC 9113 section 8.2.1", "has a field with a forbidden character";
    /// HTTP/2: a connection-specific field (Connection, Keep-Alive, Transfer-Encoding, Upgrade ...).
    H2ConnectionField, "h2-connection-field", "RFC 9113 section 8.2.2", "has a connection-specific field";
    /// HTTP/2: `:status` is missing.
    H2StatusMissing, "h2-status-missing", "RFC 9113 section 8.3.2", "has no :status";
    /// HTTP/2: `:status` is not three digits, or is 101.
    H2StatusMalformed, "h2-status-malformed", "RFC 9113 section 8.3.2", "has a malformed :status";
    /// HTTP/2: a pseudo-field after a regular one.
    H2PseudoAfterRegular, "h2-pseudo-after-regular", "RFC 9113 section 8.3", "has a pseudo-field after a regular field";
    /// HTTP/2: a pseudo-field that responses do not have, or one twice, or one in trailers.
    H2PseudoUnknown, "h2-pseudo-unknown", "RFC 9113 section 8.3", "has a pseudo-field that must not be there";
    /// HTTP/2: DATA adds up to another length than content-length says.
    H2ContentLength, "h2-content-length", "RFC 9113 section 8.1.1", "has DATA that does not add up to its content-length";
    /// HTTP/2: DATA before HEADERS.
    H2DataBeforeHeaders, "h2-data-before-headers", "RFC 9113 section 8.1", "has DATA before its HEADERS";
    /// HTTP/2: a header block that HPACK cannot decode.
    HpackMalformed, "hpack-malformed", "RFC 7541", "has a header block that HPACK cannot decode";
    /// HTTP/2: a frame whose size its type does not allow, or above SETTINGS_MAX_FRAME_SIZE.
    H2FrameSize, "h2-frame-size", "RFC 9113 section 4.2", "has a frame of a size that its type forbids";
    /// HTTP/2: a frame on a stream where its type may not be.
    H2FrameOnWrongStream, "h2-frame-on-wrong-stream", "RFC 9113 section 5.1", "has a frame on a stream where it may not be";
    /// HTTP/2: a frame on a stream that was never opened.
    H2StreamNeverOpened, "h2-stream-never-opened", "RFC 9113 section 5.1", "has a frame on a stream that was never opened";
    /// HTTP/2: something else between HEADERS and its CONTINUATION.
    H2Continuation, "h2-continuation", "RFC 9113 section 6.10", "interrupts a header block, or continues none";
    /// HTTP/2: a setting with a forbidden value.
    H2SettingValue, "h2-setting-value", "RFC 9113 section 6.5.2", "has a setting with a forbidden value";
    /// HTTP/2: padding longer than the frame.
    H2Padding, "h2-padding", "RFC 9113 section 6.1", "has padding longer than its frame";
    /// HTTP/2: a window update of 0, or beyond 2^31-1.
    H2WindowUpdate, "h2-window-update", "RFC 9113 section 6.9", "has a window update that is not allowed";
    /// HTTP/2: more DATA than the flow-control window allows.
    H2FlowControl, "h2-flow-control", "RFC 9113 section 6.9.1", "has more DATA than the flow-control window allows";
    /// HTTP/2: a frame after END_STREAM.
    H2FrameAfterEnd, "h2-frame-after-end", "RFC 9113 section 5.1", "has a frame after the end of its stream";
    /// HTTP/2: a server push that was switched off, or a malformed one.
    H2PushForbidden, "h2-push-forbidden", "RFC 9113 section 6.6", "has a PUSH_PROMISE that is not allowed";
    /// HTTP/2: the origin's first frame is not SETTINGS.
    H2SettingsNotFirst, "h2-settings-not-first", "RFC 9113 section 3.4", "does not begin with a SETTINGS frame";
    /// HTTP/2: trailers without END_STREAM, or END_STREAM on a 1xx response.
    H2HeadersUnexpected, "h2-headers-unexpected", "RFC 9113 section 8.1", "has HEADERS that its place in the message does not allow";
    /// HTTP/2: data in a response that has none (to HEAD, 204, 304).
    H2DataWhereNone, "h2-data-where-none", "RFC 9110 section 6.4.1", "has DATA though such a response has no content";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_found_by_its_name() {
        for &rule in Rule::ALL {
            assert_eq!(Rule::named(rule.name()), Some(rule));
            assert!(rule.name().bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase() || byte.is_ascii_digit()));
        }
        assert_eq!(Rule::named("no-such-rule"), None);
    }
}
