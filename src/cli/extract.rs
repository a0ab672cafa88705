//! `pcap520 extract`: captures in, the packets of the incidents out, each with what it proves.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::job::{Job, Next, Talk, selection};
use super::options::{EdgeArgs, InputArgs, SelectionArgs};
use super::output::Output;
use super::{Error, exit};
use crate::analysis::Records;
use crate::capture::{Input, Item, Packet};
use crate::report::{Extract, Packets, Plain, Redaction, Secrets, View, count};
use crate::wire::Decoder;

/// Write the packets of the incidents as pcapng, with comments that say what they prove
///
/// Of each incident the whole connection, of a long one its beginning and what surrounds the fault. Wireshark shows
/// the comments and finds them with the filter frame.comment. The captures are read three times, so none of them may
/// be a pipe.
///
/// No secret is in the file unless it is asked for. In clear HTTP/1 the bodies of messages, the secrets of targets and
/// the values of all fields but those that say how a message is framed and handled are overwritten by x, in their length, so
/// that Wireshark and pcap520 still see what was wrong, but for a broken compression; TCP checksums are carried on. Where secrets cannot be told from
/// the rest (HTTP/2 in clear text, fragments, TLS without encryption, what ICMP errors quote) the payload is cut off. TLS
/// stays as it is. Addresses, host names and paths stay.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    edge: EdgeArgs,

    #[command(flatten)]
    selection: SelectionArgs,

    /// File of the packets, that only its owner may read
    ///
    /// The file appears, or takes the place of an old one, once it is whole; - is standard output.
    #[arg(short, long, value_name = "FILE", help_heading = "Extract")]
    output: PathBuf,

    /// Put the TLS secrets of these connections into the file, too
    ///
    /// Whoever has the file can then read what was sent, as with --keylog.
    #[arg(long, help_heading = "Extract")]
    with_keys: bool,

    /// Copy the packets as they were captured, with every credential in them
    #[arg(long, help_heading = "Extract")]
    no_redact: bool,

    /// No progress bar and no hints
    #[arg(short, long, help_heading = "Extract")]
    quiet: bool,
}

/// Analyses, chooses the packets, and writes them.
pub(super) fn run(args: Args) -> Result<u8, Error> {
    let talk = if args.quiet { Talk::Nothing } else { Talk::Hints };
    let secrets = if args.no_redact { Secrets::Shown } else { Secrets::Hidden };
    let redaction = Redaction { secrets, ..Redaction::default() };
    let view = View { selection: selection(args.selection)?, redaction, ..View::default() };
    let job = Job::resolve(args.input, &args.edge)?;
    readable_again(&job.inputs)?;
    no_input(&job.inputs, &args.output)?;
    let output = Output::open(Some(&args.output))?;
    if matches!(output, Output::Standard) && io::stdout().is_terminal() {
        return Err(Error::TerminalOutput);
    }
    let key_logs = job.key_logs()?;
    let (verdict, _) = job.analyse(&key_logs, Records::OfIncidents, talk, None)?;
    let mut extract = Extract::new(&verdict, &view);
    if extract.is_empty() {
        tell(talk, "no incident, so there is nothing to extract: no file was written");
        return Ok(exit::ANALYSED);
    }
    if args.with_keys {
        key_logs.iter().for_each(|text| extract.secrets(text));
    }
    choose(&job, &mut extract, args.with_keys, talk)?;
    let packets = extract.packets();
    if args.with_keys && packets.secrets() == 0 {
        tell(talk, "no TLS secret fits these connections; name the key log with --keylog");
    }
    output.write(|out| write(&job.inputs, &packets, out, talk))?;
    tell(talk, &format!("{}: {}", args.output.display(), warning(&packets, secrets)));
    Ok(exit::ANALYSED)
}

/// Lets the extract see every packet.
fn choose(job: &Job, extract: &mut Extract, with_keys: bool, talk: Talk) -> Result<(), Error> {
    let mut decoder = Decoder::new();
    job.read(talk, |item| {
        match item {
            Item::Packet(packet) if packet.number > extract.last() => return Next::Stop,
            Item::Packet(packet) => extract.packet(packet.number, &decoder.decode(&packet)),
            Item::Secrets(text) if with_keys => extract.secrets(text),
            Item::Secrets(_) => {}
        }
        Next::Go
    })?;
    Ok(())
}

/// Copies the packets that were chosen.
fn write(inputs: &[PathBuf], packets: &Packets, out: &mut dyn Write, talk: Talk) -> io::Result<()> {
    let mut input = Input::open(inputs).map_err(io::Error::other)?;
    let mut progress = talk.progress(input.total_bytes());
    let names = input.summaries().iter().map(|summary| summary.path.display().to_string()).collect();
    let mut writer = packets.begin(names, out)?;
    let mut data = Vec::new();
    while let Some(item) = input.next_item().map_err(io::Error::other)? {
        let Item::Packet(packet) = item else { continue };
        if packet.number > packets.last() {
            break;
        }
        if !packets.contains(packet.number) {
            continue;
        }
        data.clear();
        data.extend_from_slice(packet.data);
        let (number, time, link, wire_len) = (packet.number, packet.time, packet.link, packet.wire_len);
        progress.update(input.bytes_read());
        if let Some(interface) = input.interface() {
            writer.packet(&Packet { number, time, link, wire_len, data: &data }, interface)?;
        }
    }
    Ok(())
}

/// What whoever passes the file on has to know.
fn warning(packets: &Packets, secrets: Secrets) -> String {
    let keys = match packets.secrets() {
        0 => String::new(),
        secrets => format!(" and {} that decrypt them", count(secrets as u64, "TLS secret")),
    };
    let redacted = match secrets {
        Secrets::Hidden => "credentials and bodies in clear text are overwritten (--no-redact keeps them)",
        Secrets::Shown => "as they were captured: credentials in them are not redacted",
    };
    let (packets, incidents) = (count(packets.len(), "packet"), count(packets.incidents(), "incident"));
    format!("{packets} of {incidents}{keys}; {redacted}")
}

fn tell(talk: Talk, text: &str) {
    if talk == Talk::Hints {
        let _ = writeln!(io::stderr(), "pcap520: {}", Plain(text));
    }
}

/// Only files and folders of them can be read more than once.
fn readable_again(inputs: &[PathBuf]) -> Result<(), Error> {
    let once = |path: &&PathBuf| {
        *path == Path::new("-") || fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
    };
    match inputs.iter().find(once) {
        Some(path) => Err(Error::ReadOnce { path: path.clone() }),
        None => Ok(()),
    }
}

/// A capture is not replaced by a part of itself.
fn no_input(inputs: &[PathBuf], output: &Path) -> Result<(), Error> {
    let Ok(output_path) = fs::canonicalize(output) else { return Ok(()) };
    let within = |input: &PathBuf| {
        fs::canonicalize(input).is_ok_and(|input| output_path == input || output_path.parent() == Some(&input))
    };
    if inputs.iter().any(within) { Err(Error::OutputIsInput { path: output.to_owned() }) } else { Ok(()) }
}

const EXAMPLES: &str = "\
Examples:
  pcap520 extract -o incidents.pcapng capture.pcap
      For a colleague who opens it in Wireshark.
  pcap520 extract --cause keepalive-race -o race.pcapng /var/captures/
      The incidents of one cause, out of all captures of a folder.
  pcap520 extract --ray 8f3b2c1d0e9a7b65 --keylog keys.txt --with-keys -o one.pcapng capture.pcap
      One request, with the TLS secrets of its connection.
  pcap520 extract --no-redact -o whole.pcapng capture.pcap
      With all that was captured, for somebody who may see it.
  pcap520 extract -o - capture.pcap | tshark -r - -Y frame.comment -T fields -e frame.number -e frame.comment
      The comments alone.";
