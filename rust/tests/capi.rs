//! The C interface: its header is the one that the sources give, and a C program uses it.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn generated() -> String {
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        include_guard: Some("BUNDLE_H".to_owned()),
        header: Some(include_str!("header.txt").trim_end().to_owned()),
        cpp_compat: true,
        no_includes: true,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        usize_is_size_t: true,
        documentation_style: cbindgen::DocumentationStyle::C,
        export: cbindgen::ExportConfig { include: vec!["bundle_text".to_owned()], ..Default::default() },
        line_length: 110,
        tab_width: 4,
        ..cbindgen::Config::default()
    };
    let builder = cbindgen::Builder::new().with_config(config);
    let sources = ["capi_error.rs", "lent.rs", "capi.rs", "capi_device.rs"]
        .map(|name| root().join("rust/src").join(name));
    let builder = sources.into_iter().fold(builder, |builder, source| builder.with_src(source));
    let mut text = Vec::new();
    builder.generate().expect("a header").write(&mut text);
    String::from_utf8(text).expect("UTF-8").replace(" # Safety\n", " What the caller answers for:\n")
}

#[test]
fn the_header_is_the_generated_one() {
    let path = root().join("rust/include/bundle.h");
    let made = generated();
    if std::env::var_os("WRITE_HEADER").is_some() {
        std::fs::write(&path, &made).expect("a file");
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == made, "run this test with WRITE_HEADER=1 and look at the difference");
}

#[test]
fn the_header_is_small() {
    let functions =
        generated().lines().filter(|line| line.contains('(') && !line.starts_with([' ', '/', '#'])).count();
    assert!((1..=14).contains(&functions), "{functions} functions");
}

fn passed(command: &mut Command) -> String {
    let done = command.output().expect("it starts");
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}\n{told}");
    String::from_utf8(done.stdout).expect("UTF-8")
}

/// The library for C programs, in the profile of this test.
fn library(kind: &str) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_bundle-predict"));
    let folder = program.parent().expect("a folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([
        "rustc",
        "--quiet",
        "--locked",
        "--offline",
        "--lib",
        "--features",
        "capi",
        "--crate-type",
        kind,
    ]);
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    // A folder of its own: other tests use what lies in this one.
    let target = folder.join("capi");
    passed(cargo.current_dir(root()).arg("--target-dir").arg(&target));
    target.join(folder.file_name().expect("a name"))
}

/// The bundle of a vector as GNU tar writes it, by the command of spec/STORE.md.
fn archived(name: &str, work: &support::Folder) -> PathBuf {
    let (bundle, archive) = (support::vector(name), work.path.join("made.bundle"));
    let manifest = std::fs::read(bundle.join("bundle.json")).expect("a manifest");
    let files = bundle::Manifest::parse(&manifest).expect("a sound one").files;
    let mut tar = Command::new("tar");
    tar.args(["--format=ustar", "--blocking-factor=1", "--mode=0644", "--owner=:0", "--group=:0"]);
    tar.args(["--numeric-owner", "--mtime=@0", "-cf"]).arg(&archive).arg("bundle.json");
    passed(tar.args(files.iter().map(|file| &file.path)).current_dir(bundle));
    archive
}

#[test]
fn a_c_program_predicts_and_is_updated() {
    let (made, work) = (library("staticlib"), support::Folder::new("capi"));
    let program = work.path.join("program");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-I"]).arg(root().join("rust/include"));
    cc.arg(root().join("rust/tests/capi.c")).arg(made.join("libbundle.a"));
    passed(cc.args(["-ldl", "-lpthread", "-lm", "-o"]).arg(&program));
    let options = format!("{{\"library\":{}}}", bundle::Value::text(support::library().to_string_lossy()));
    let bundles = ["valid/scale_rows", "valid/string_rows", "valid/self_test_passes"].map(support::vector);
    let (archive, device) = (archived("valid/self_test_passes", &work), work.path.join("device"));
    let mut program = Command::new(program);
    program.arg(options).args(bundles).args([archive, device]).env("ORT_DISABLE_TELEMETRY", "1");
    let printed = passed(&mut program);
    assert_eq!(printed, "good\n");
}
