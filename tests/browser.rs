//! The HTML report in a real browser: it opens without an error, and its filters work.
//!
//! Needs Chromium (Debian: `apt-get install chromium`, or `make test-deps`); without it the tests say so and pass.

#[allow(dead_code, reason = "the fuzzers use the rest")]
#[path = "../fuzz/src/lib.rs"]
mod fuzz;
#[path = "hostile/plant.rs"]
mod plant;
#[allow(dead_code, reason = "the benchmarks use the rest")]
#[path = "../benches/traffic/mod.rs"]
mod traffic;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

#[test]
fn the_page_opens_without_an_error() {
    let Some(browser) = Browser::find() else { return };
    for capture in
        ["plain/crowd--small.pcap", "plain/middlebox-reset--keyword.pcap", "plain/healthy--nginx-keepalive.pcap"]
    {
        let page = browser.page(&[&format!("testdata/corpus/{capture}")]);
        let (dom, log) = browser.open(&page);
        assert!(dom.contains("</footer>"), "{capture}: {dom}");
        assert_eq!(log, "", "{capture}: what the browser complains of");
    }
}

#[test]
fn filters_narrow_the_list() {
    let Some(browser) = Browser::find() else { return };
    let page = browser.page(&["testdata/corpus/plain/crowd--small.pcap"]);
    let told = browser.drive(
        &page,
        r#"
        const form = document.querySelector(".filters");
        const shown = () => document.querySelectorAll(".incident:not([hidden])").length;
        const set = (name, value) => { form.elements[name].value = value; form.dispatchEvent(new Event("input")); };
        const cause = [...form.elements.cause.options].find((option) => option.text.startsWith("empty-response"));
        say("form " + !form.hidden, "all " + shown());
        set("cause", cause.value);
        say("cause " + shown(), form.querySelector("output").textContent);
        say("marks " + document.querySelectorAll("svg .off").length);
        set("cause", "");
        set("search", "/RST");
        say("search " + shown());
        set("search", "nothing has this");
        say("none " + shown());
        "#,
    );
    assert_eq!(told, ["form true", "all 3", "cause 1", "1 of 3 shown", "marks 2", "search 1", "none 0"]);
}

#[test]
fn keys_and_links_lead_to_incidents() {
    let Some(browser) = Browser::find() else { return };
    let page = browser.page(&["testdata/corpus/plain/crowd--small.pcap"]);
    let told = browser.drive(
        &page,
        r#"
        const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        const at = () => [...document.querySelectorAll(".incident")].indexOf(document.activeElement.closest(".incident"));
        press("j");
        say("first " + at());
        press("j");
        say("second " + at());
        press("k");
        say("back " + at());
        document.querySelectorAll(".incident summary")[1].click();
        say("open " + document.querySelectorAll(".incident[open]").length);
        say("rows " + (document.querySelectorAll(".incident[open] .ladder tbody tr").length > 3));
        "#,
    );
    assert_eq!(told, ["first 0", "second 1", "back 0", "open 1", "rows true"]);
}

/// A page of many incidents holds most of them as text at first.
#[test]
fn no_incident_of_many_is_missing() {
    let Some(browser) = Browser::find() else { return };
    let capture = browser.folder.path().join("many.pcap");
    fs::write(&capture, traffic::malformed(1_234)).unwrap();
    let page = browser.page(&[capture.to_str().unwrap()]);
    let entries = |dom: &str| dom.matches("class=\"incident\"").count();
    let (dom, log) = browser.open(&page);
    assert_eq!((entries(&dom), dom.matches("<noscript").count(), log.as_str()), (1_234, 0, ""));
    assert!(dom.contains(">1,234 of 1,234 shown</output>"), "the list is counted once all of it is there");

    let last = fs::read_to_string(&page).unwrap();
    let last = last.rsplit_once("id=\"i-").unwrap().1.split('"').next().unwrap().to_owned();
    let told = browser.drive(
        &page,
        &format!(
            r#"
            const there = () => document.querySelectorAll(".incident").length;
            say("at first " + there());
            const link = document.createElement("a");
            link.href = "\#i-{last}";
            document.body.append(link);
            history.replaceState(null, "", link.href);
            link.click();
            say("then " + there(), "open " + document.getElementById("i-{last}").open);
            "#
        ),
    );
    assert_eq!(told, ["at first 100", "then 1234", "open true"]);
}

/// Without its policy, too, which alone would keep a script of a stranger from running.
#[test]
fn nothing_that_a_capture_holds_runs_in_the_page() {
    let Some(browser) = Browser::find() else { return };
    let capture = browser.folder.path().join("hostile.pcap");
    fs::write(&capture, plant::capture()).unwrap();
    let page = browser.page(&["--no-redact", capture.to_str().unwrap()]);
    let (dom, log) = browser.open(&page);
    assert!(dom.contains("&lt;script&gt;owned=1"), "the test reaches the page");
    assert_eq!(log, "", "what the browser complains of");
    let told = browser.drive(
        &page,
        r#"
        document.querySelectorAll("details").forEach((details) => { details.open = true; });
        document.querySelectorAll("*").forEach((element) => element.dispatchEvent(new Event("mouseover")));
        const all = [...document.querySelectorAll("*")];
        const handlers = all.filter((element) => [...element.attributes].some((a) => a.name.startsWith("on")));
        const links = all.filter((element) => /^\s*(javascript|data):/i.test(element.getAttribute("href") ?? ""));
        say("owned " + typeof owned, "handlers " + handlers.length, "links " + links.length);
        say("images " + document.images.length, "scripts " + (document.scripts.length - 1));
        say("title " + document.title.includes("owned"));
        "#,
    );
    let scripts = fs::read_to_string(&page).unwrap().matches("<script").count();
    let scripts = format!("scripts {scripts}");
    assert_eq!(told, ["owned undefined", "handlers 0", "links 0", "images 0", &scripts, "title false"]);
}

/// A browser without a window.
struct Browser {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Browser {
    fn find() -> Option<Self> {
        let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
        let names = ["chromium", "chromium-browser", "google-chrome"];
        let found = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        let program = found.into_iter().find(|path| path.is_file());
        if program.is_none() {
            eprintln!("skipped: chromium is not installed; `make test-deps` installs it");
        }
        Some(Self { program: program?, folder: tempfile::tempdir().unwrap() })
    }

    /// Writes the report on `captures`.
    fn page(&self, captures: &[&str]) -> PathBuf {
        let page = self.folder.path().join("report.html");
        let done = Command::new(env!("CARGO_BIN_EXE_pcap520"))
            .args(["analyze", "--format", "html", "-o", page.to_str().unwrap()])
            .args(captures)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        page
    }

    /// The document as it stands once the page's script has run, and the lines of its console.
    fn open(&self, page: &Path) -> (String, String) {
        let done = Command::new(&self.program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                "--virtual-time-budget=5000",
            ])
            .arg(format!("--user-data-dir={}", self.folder.path().join("profile").display()))
            .arg("--dump-dom")
            .arg(format!("file://{}", page.display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&done.stderr);
        let console: Vec<&str> = log.lines().filter(|line| line.contains("CONSOLE")).collect();
        (String::from_utf8_lossy(&done.stdout).into_owned(), console.join("\n"))
    }

    /// Runs `script` in a copy of the page whose policy is taken out, and gives back what it says.
    fn drive(&self, page: &Path, script: &str) -> Vec<String> {
        let text = fs::read_to_string(page).unwrap();
        let (before, policy) = text.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
        let after = policy.split_once('>').unwrap().1;
        let driver = format!(
            "<script>const told = []; const say = (...words) => told.push(...words);
             addEventListener('error', (event) => say('error: ' + event.message));
             try {{ {script} }} catch (error) {{ say('error: ' + error.message); }}
             document.body.setAttribute('data-told', told.join(';'));</script></body>"
        );
        let driven = self.folder.path().join("driven.html");
        fs::write(&driven, format!("{before}{}", after.replace("</body>", &driver))).unwrap();
        let (dom, _) = self.open(&driven);
        let told = dom.split_once("data-told=\"").map(|(_, rest)| rest.split('"').next().unwrap_or_default());
        told.unwrap_or_default().split(';').map(str::to_owned).collect()
    }
}
