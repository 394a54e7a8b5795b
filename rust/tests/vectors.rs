//! Every vector of spec/cases, played to `bundle-predict`; spec/cases/README.md says how a case is read.

mod support;

use bundle::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use support::{Folder, spec, text};

struct Driver {
    child: Child,
    requests: ChildStdin,
    replies: BufReader<ChildStdout>,
}

impl Driver {
    fn start() -> Driver {
        let mut child = Command::new(env!("CARGO_BIN_EXE_bundle-predict"))
            .envs(support::environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let requests = child.stdin.take().expect("it is piped");
        let replies = BufReader::new(child.stdout.take().expect("it is piped"));
        Driver { child, requests, replies }
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").expect("the program reads");
        let mut line = String::new();
        self.replies.read_line(&mut line).expect("the program answers");
        Value::parse(line.as_bytes()).unwrap_or_else(|| panic!("no JSON: {line:?} to {request}"))
    }

    fn end(mut self) -> bool {
        drop(self.requests);
        self.child.wait().expect("the program ends").success()
    }
}

fn object(members: &[(&str, Value)]) -> Value {
    Value::Object(members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

/// The bundle that the steps are about: in place, or a changed copy.
fn prepared(folder: &Path, case: &Value, work: &Folder) -> PathBuf {
    let bundle = folder.join(case.get("bundle").and_then(Value::as_text).unwrap_or("none"));
    let Some(changes) = case.get("prepare").and_then(Value::as_array) else { return bundle };
    let copy = work.path.join("bundle");
    support::copy(&bundle, &copy);
    for change in changes {
        apply(change, &copy.join(text(change, "path")));
    }
    copy
}

fn apply(change: &Value, path: &Path) {
    match text(change, "op") {
        "delete" if path.is_dir() => fs::remove_dir(path).expect("an empty folder"),
        "delete" => fs::remove_file(path).expect("a file"),
        "fifo" => assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo starts").success()),
        "mkdir" => fs::create_dir(path).expect("a new folder"),
        "symlink" => symlink(text(change, "target"), path).expect("a new link"),
        op @ ("write" | "append") => {
            let times = change.get("times").and_then(Value::as_int).unwrap_or(1);
            let bytes = support::unhex(text(change, "hex")).repeat(times as usize);
            let mut file = File::options();
            let file =
                if op == "write" { file.write(true).create(true).truncate(true) } else { file.append(true) };
            file.open(path).and_then(|mut file| file.write_all(&bytes)).expect("a file");
        }
        other => panic!("unknown op {other}"),
    }
}

/// Where a reply is not what is expected; objects may hold more, but `outputs` may not.
fn difference(expected: &Value, found: &Value, at: &str) -> Option<String> {
    if let (Some(expected), Some(found)) = (expected.as_object(), found.as_object()) {
        let exact = at.ends_with("/outputs");
        if exact && expected.keys().ne(found.keys()) {
            return Some(format!("{at}: other outputs"));
        }
        let missing = Value::text("(nothing)");
        let inside = |(key, value): (&String, &Value)| {
            difference(value, found.get(key).unwrap_or(&missing), &format!("{at}/{key}"))
        };
        return expected.iter().find_map(inside);
    }
    if let (Some(expected), Some(found)) = (expected.as_array(), found.as_array())
        && expected.len() == found.len()
    {
        let inside = |(index, (expected, found))| difference(expected, found, &format!("{at}/{index}"));
        return expected.iter().zip(found).enumerate().find_map(inside);
    }
    (expected != found).then(|| format!("{at}: expected {expected}, found {found}"))
}

fn request(step: &Value, bundle: &Path, folder: &Path) -> Value {
    let mut request = step.as_object().expect("a step is an object").clone();
    request.remove("expect");
    if let Some(path) = request.get_mut("bundle") {
        let spelt = path.as_text().expect("a path").replacen("$BUNDLE", &bundle.to_string_lossy(), 1);
        *path = Value::Text(spelt);
    }
    if let Some(manifest) = request.get_mut("manifest") {
        *manifest = Value::Text(support::hex(&fs::read(folder.join("manifest.json")).expect("a manifest")));
    }
    Value::Object(request)
}

fn play(driver: &mut Driver, folder: &Path) -> Option<String> {
    let case = Value::parse(&fs::read(folder.join("case.json")).expect("a case")).expect("JSON");
    let work = Folder::new(&folder.file_name().expect("a name").to_string_lossy());
    let bundle = prepared(folder, &case, &work);
    let steps = case.get("steps").and_then(Value::as_array).expect("steps");
    let wrong = steps.iter().find_map(|step| {
        let reply = driver.ask(&request(step, &bundle, folder));
        difference(step.get("expect").expect("an expectation"), &reply, "")
    });
    for handle in steps.iter().filter_map(|step| step.get("handle")) {
        driver.ask(&object(&[("op", Value::text("close")), ("handle", handle.clone())]));
    }
    wrong.map(|wrong| format!("{}{wrong}", folder.display()))
}

#[test]
fn every_vector_is_answered_as_its_case_says() {
    let groups = fs::read_dir(spec().join("cases")).expect("the cases").flatten().map(|entry| entry.path());
    // Those of libraries are no folders of cases; the test below plays them.
    let groups = groups.filter(|path| path.is_dir() && !path.ends_with("library"));
    let folders = groups.flat_map(|group| fs::read_dir(group).expect("a group").flatten());
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.sort();
    assert!(folders.len() > 400, "found {} cases only", folders.len());
    let mut driver = Driver::start();
    let wrong: Vec<String> = folders.iter().filter_map(|folder| play(&mut driver, folder)).collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), folders.len(), wrong.join("\n"));
    assert!(driver.end());
}

#[test]
fn every_prepared_library_is_refused_as_its_row_says() {
    let cases = spec().join("cases");
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { std::env::consts::ARCH };
    let rows = Value::parse(&fs::read(cases.join("library/cases.json")).expect("the rows")).expect("JSON");
    let rows = rows.as_array().expect("a list");
    assert!(rows.len() > 30, "found {} rows only", rows.len());
    let mut driver = Driver::start();
    let wrong = rows.iter().filter_map(|row| {
        let place = |path: PathBuf| Value::text(path.to_string_lossy());
        let library = place(cases.join("library").join(arch).join(text(row, "library")));
        let reply = driver.ask(&object(&[
            ("op", Value::text("open")),
            ("bundle", place(cases.join(text(row, "bundle")))),
            ("handle", Value::text("h")),
            ("options", object(&[("library", library)])),
        ]));
        let error = row.get("error").expect("an error").clone();
        let wrong = difference(&object(&[("ok", Value::Bool(false)), ("error", error)]), &reply, "");
        wrong.map(|wrong| format!("{}{wrong}", text(row, "name")))
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(driver.end());
}

#[test]
fn a_library_that_took_the_path_of_the_loaded_one_is_judged_by_its_content() {
    let work = Folder::new("replaced");
    let (path, fresh) = (work.path.join("libonnxruntime.so.1"), work.path.join("fresh"));
    let mut bytes = fs::read(support::library()).expect("the library");
    let mut driver = Driver::start();
    let mut open = |bytes: &[u8]| {
        // A rename, as an update makes it: what is loaded keeps its file.
        fs::write(&fresh, bytes).and_then(|()| fs::rename(&fresh, &path)).expect("a file");
        let reply = driver.ask(&object(&[
            ("op", Value::text("open")),
            ("bundle", Value::text(support::vector("valid/scale_rows").to_string_lossy())),
            ("handle", Value::text("h")),
            ("options", object(&[("library", Value::text(path.to_string_lossy()))])),
        ]));
        driver.ask(&object(&[("op", Value::text("close")), ("handle", Value::text("h"))]));
        reply.get("error").map(|error| text(error, "code").to_owned())
    };
    assert_eq!(open(&bytes), None);
    assert_eq!(open(&bytes), None);
    assert_eq!(open(b"none").as_deref(), Some("library_malformed"));
    // Bytes after the last section change the digest and nothing else.
    bytes.push(0);
    assert_eq!(open(&bytes).as_deref(), Some("library_conflict"));
    bytes.pop();
    assert_eq!(open(&bytes), None);
    assert!(driver.end());
}
