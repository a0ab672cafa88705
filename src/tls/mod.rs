//! Records, handshake, certificates, alerts; plain bytes where there is a key log.
