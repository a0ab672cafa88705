//! Answers every request on port 443 with one response: `rustls-origin VERSION SUITE CERTIFICATE KEY`.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [version, suite, certificate, key] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "four arguments")?;
    let mut provider = ring::default_provider();
    provider.cipher_suites.retain(|known| format!("{:?}", known.suite()) == suite);
    let versions = if version == "1.3" { [&TLS13] } else { [&TLS12] };
    let config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&versions)?
        .with_no_client_auth()
        .with_single_cert(
            CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?,
            PrivateKeyDer::from_pem_file(key)?,
        )?;
    let config = Arc::new(config);
    for stream in TcpListener::bind("127.0.0.1:443")?.incoming() {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config))?, stream?);
        let mut lines = BufReader::new(&mut stream).lines();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\nConnection: close\r\n\r\nhello from rustls\n")?;
        stream.conn.send_close_notify();
        stream.flush()?;
    }
    Ok(())
}
