//! Packets from a file, a pipe or an interface, with their time, link type and lengths.
