//! The error pages that servers and proxies make by themselves: which hop of a chain gave up.

use std::fmt;

/// Whose own page the body of an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorPage {
    /// Apache httpd.
    Apache,
    /// Envoy, and the service meshes made of it.
    Envoy,
    /// HAProxy.
    Haproxy,
    /// lighttpd.
    Lighttpd,
    /// nginx.
    Nginx,
    /// OpenResty: nginx with Lua.
    OpenResty,
    /// Squid.
    Squid,
    /// Apache Tomcat.
    Tomcat,
    /// Varnish.
    Varnish,
}

impl ErrorPage {
    /// Bytes of a body that are enough to tell.
    pub const ENOUGH: usize = 768;

    /// Whose page these first bytes of a body are.
    #[must_use]
    pub fn of(body: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(body);
        let known: [(&[&str], Self); 14] = [
            (&["<hr><center>nginx"], Self::Nginx),
            (&["<hr><center>openresty"], Self::OpenResty),
            (&["upstream connect error or disconnect/reset before headers"], Self::Envoy),
            (&["no healthy upstream"], Self::Envoy),
            (&["upstream request timeout"], Self::Envoy),
            (&["Guru Meditation"], Self::Varnish),
            (&["<title>503 Backend fetch failed</title>"], Self::Varnish),
            (&["<html><body><h1>", "No server is available to handle this request."], Self::Haproxy),
            (&["<html><body><h1>", "The server returned an invalid or incomplete response."], Self::Haproxy),
            (&["<html><body><h1>", "The server didn't respond in time."], Self::Haproxy),
            (&["Apache Tomcat"], Self::Tomcat),
            (&["//IETF//DTD HTML 2.0//EN"], Self::Apache),
            (&["<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>", "XHTML 1.0 Transitional"], Self::Lighttpd),
            (&["The requested URL could not be retrieved"], Self::Squid),
        ];
        known.into_iter().find(|(words, _)| words.iter().all(|word| text.contains(word))).map(|(_, page)| page)
    }
}

impl fmt::Display for ErrorPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Apache => "Apache",
            Self::Envoy => "Envoy",
            Self::Haproxy => "HAProxy",
            Self::Lighttpd => "lighttpd",
            Self::Nginx => "nginx",
            Self::OpenResty => "OpenResty",
            Self::Squid => "Squid",
            Self::Tomcat => "Tomcat",
            Self::Varnish => "Varnish",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_is_known_by_its_words() {
        let nginx = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway\
                     </h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n";
        let table = [
            (nginx, ErrorPage::Nginx),
            ("upstream connect error or disconnect/reset before headers. reset reason: overflow", ErrorPage::Envoy),
            (
                "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n",
                ErrorPage::Haproxy,
            ),
            ("<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>", ErrorPage::Apache),
            ("<!DOCTYPE html>\n<html>\n<head><title>503 Backend fetch failed</title>", ErrorPage::Varnish),
        ];
        for (body, page) in table {
            assert_eq!(ErrorPage::of(body.as_bytes()), Some(page), "{body}");
        }
        assert_eq!(ErrorPage::of(b"<html><body><h1>Oops</h1></body></html>"), None);
    }
}
