//! Every cause is whole: a labelled capture in which the program finds it, an explanation, and what to do about it on
//! nginx and on an application server. What is called certain has its proof packets.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use pcap520::verdict::Catalogue;
use serde_json::Value;

mod labels;

/// Servers that run applications, as the catalogue names them.
const APPLICATION_SERVERS: [&str; 9] =
    ["Node.js", "PHP-FPM", "gunicorn", "Python", "Tomcat", "Go", "uWSGI", "ASP.NET Core", "IIS"];

const FOLDERS: [&str; 4] = ["corpus/plain", "corpus/tls", "lab", "chain"];

fn testdata(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder)
}

/// Every label with its folder.
fn labels() -> Vec<(PathBuf, Value)> {
    let mut labels = Vec::new();
    for folder in FOLDERS.map(testdata) {
        labels.extend(labels::of(&folder).into_iter().map(|label| (folder.clone(), label)));
    }
    labels
}

/// The report on `capture`, as its label says how.
fn analyze(folder: &Path, label: &Value, capture: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    command.args(["analyze", "-q", "--format", "json"]);
    command.args(label["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()));
    if let Some(keylog) = label["keylog"].as_str() {
        command.arg("--keylog").arg(folder.join(keylog));
    }
    let done = command.arg(capture).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn every_cause_has_a_capture_an_explanation_and_fixes() {
    let mut captured: BTreeSet<String> = BTreeSet::new();
    for (folder, label) in labels() {
        let wanted: BTreeSet<&str> =
            label["incidents"].as_array().unwrap().iter().flat_map(|want| accepted(&want["cause"])).collect();
        if wanted.iter().any(|cause| !captured.contains(*cause)) {
            let report = analyze(&folder, &label, &folder.join(label["capture"].as_str().unwrap()));
            let found = report["incidents"].as_array().unwrap().iter().filter_map(|got| got["cause"].as_str());
            captured.extend(found.filter(|cause| wanted.contains(cause)).map(str::to_owned));
        }
    }
    for entry in Catalogue::built_in().entries() {
        let id = entry.id;
        let fix = |target: &str| entry.fixes.iter().any(|fix| fix.target == target);
        assert!(captured.contains(id), "{id}: no labelled capture in testdata/ in which it is found");
        assert!(entry.summary().len() > 60, "{id}: no explanation");
        assert!(fix("nginx"), "{id}: no fix for nginx");
        assert!(APPLICATION_SERVERS.iter().any(|target| fix(target)), "{id}: no fix for an application server");
        assert!(entry.text.contains("\n## See also\n- ["), "{id}: no link to a document");
    }
}

/// The causes that a label takes.
fn accepted(cause: &Value) -> Vec<&str> {
    let any = cause.as_array().map_or(std::slice::from_ref(cause), Vec::as_slice);
    any.iter().filter_map(Value::as_str).collect()
}

#[test]
fn nothing_is_certain_of_the_same_cause_without_the_packet_that_proves_it() {
    let mut tried = 0;
    for (folder, label) in labels() {
        let path = folder.join(label["capture"].as_str().unwrap());
        let Some(capture) = Pcap::read(&path) else { continue };
        let report = analyze(&folder, &label, &path);
        let Some(incident) = report["incidents"].as_array().unwrap().iter().find(|it| it["confidence"] == "certain")
        else {
            continue;
        };
        let fault = incident["fault"]["packet"].as_u64().unwrap();
        let mut without = tempfile::NamedTempFile::with_suffix(".pcap").unwrap();
        capture.write_without(fault, without.as_file_mut());
        let again = analyze(&folder, &label, without.path());
        let same = again["incidents"].as_array().unwrap().iter().find(|it| {
            ["client", "server"].iter().all(|end| it["connection"][end] == incident["connection"][end])
                && it["exchange"] == incident["exchange"]
                && it["confidence"] == "certain"
        });
        // The same fault may have a second witness: a repeated packet, or what the edge says of it.
        let witnesses = incident["evidence"].as_array().unwrap().len();
        let proved = same.is_none_or(|same| same["cause"] == incident["cause"] && witnesses > 1);
        assert!(proved, "{}: {} without packet {fault}: {same:#?}", label["capture"], incident["cause"]);
        tried += 1;
    }
    assert!(tried > 60, "{tried} captures tried");
}

/// The packets of a pcap file.
struct Pcap {
    bytes: Vec<u8>,
    /// Where each packet begins and ends.
    packets: Vec<(usize, usize)>,
}

impl Pcap {
    /// None where the file is no little-endian pcap.
    fn read(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).unwrap();
        if !matches!(bytes[..4], [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) {
            return None;
        }
        let (mut at, mut packets) = (24, Vec::new());
        while let Some(head) = bytes.get(at..at + 16) {
            let end = at + 16 + u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
            packets.push((at, end));
            at = end;
        }
        Some(Self { bytes, packets })
    }

    fn write_without(&self, packet: u64, out: &mut impl std::io::Write) {
        out.write_all(&self.bytes[..24]).unwrap();
        for (nth, &(from, to)) in self.packets.iter().enumerate() {
            if nth as u64 + 1 != packet {
                out.write_all(&self.bytes[from..to]).unwrap();
            }
        }
        out.flush().unwrap();
    }
}
