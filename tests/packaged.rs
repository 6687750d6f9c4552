//! Tests the packages as users get them, outside this workspace. They compile, also with their oldest dependencies. The
//! programs of the pages build with them and are guarded by the key that the README's commands make. Prometheus scrapes them
//! with the README's configuration, and the guide's commands rotate the key.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    convert::Infallible,
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use metrics_guard_tests::{
    WRONG,
    crates::{self, Crate},
    hostile::{Ended, Target, with_few_descriptors},
    process::{Process, free_addresses, succeed},
    prometheus::Version,
    scraper::{Scraper, Scraping},
    wait::until,
    wire::{exchange, request},
};

/// The version of all crates.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const README: &str = include_str!("../README.md");
const ROTATION: &str = include_str!("../metrics-guard-core/docs/guide/rotation.md");

/// A program of a page, with its dependencies in TOML.
#[derive(Clone)]
struct Program {
    name: String,
    text: String,
    dependencies: String,
    /// How connections of clients that never finish end.
    ended: Ended,
}

impl Program {
    /// Returns the first program in the README or on the crate's page that follows its dependencies, which have this crate.
    fn first(published: &Crate) -> Program {
        let path = format!("path = \"../metrics-guard/{}\"", published.name);
        let pages = format!("{README}{}", page(published));
        let (text, dependencies) = pages
            .split("\n```toml\n")
            .skip(1)
            .find_map(|block| {
                let (dependencies, after) = block.split_once("\n```\n\n```rust,no_run\n")?;
                let (text, _) = after.split_once("\n```\n")?;
                dependencies.contains(&path).then(|| (text.to_owned(), dependencies.to_owned()))
            })
            .unwrap();
        let has_no_limit = published.particular["without-time-limit"] == true;
        let ended = if has_no_limit { Ended::ByTheAttacker } else { Ended::ByTheServer };
        Program { name: published.name.clone(), text, dependencies, ended }
    }

    /// Returns the other programs on the crate's page that limit connections. Their dependencies are those of the first
    /// program.
    fn with_limits(published: &Crate) -> Vec<Program> {
        let first = Program::first(published);
        let page = page(published);
        let programs = page.split("\n```rust,no_run\n").skip(1).map(|after| after.split_once("\n```\n").unwrap().0);
        let limited = programs.filter(|text| text.contains("Semaphore") && *text != first.text);
        limited
            .enumerate()
            .map(|(number, text)| {
                let name = format!("{}-page-{number}", published.name);
                Program { name, text: text.to_owned(), ..first.clone() }
            })
            .collect()
    }
}

fn page(published: &Crate) -> String {
    fs::read_to_string(published.folder.join("README.md")).unwrap()
}

/// Returns the crates on which a program depends directly: all but the macros, which they re-export.
fn adapters() -> Vec<Crate> {
    crates::published().unwrap().into_iter().filter(|published| !published.has_macros).collect()
}

#[test]
#[ignore = "needs the registry, and fetches Prometheus: .ci/run packages"]
fn programs_of_the_pages_are_guarded_scraped_and_rotated_with_the_packages() {
    let folder = tempfile::tempdir().unwrap(); // outside the workspace
    let packages = Packages::unpacked(folder.path());
    packages.check_examples();
    let keys = folder.path().join("keys");
    fs::create_dir(&keys).unwrap();
    run(block("sh"), &keys);
    let presented = || fs::read_to_string(keys.join("metrics_key")).unwrap().trim_end().to_owned();
    let accepted = keys.join("accepted_keys");
    let programs: Vec<_> = adapters().iter().map(Program::first).collect();
    let mut running = packages.run_all(&programs, &accepted);
    let servers: Vec<_> = programs.iter().zip(&running).map(|(program, (address, _))| (program, *address)).collect();

    let first = presented();
    for (program, server) in &servers {
        let statuses = ["", WRONG, &first].map(|key| status(*server, "/metrics", key));
        assert_eq!(statuses, [401, 401, 200], "{}", program.name);
        let open_page = if program.text.contains("hello") { 200 } else { 404 };
        assert_eq!(status(*server, "/", ""), open_page, "{}", program.name);
    }
    scrape(folder.path(), &keys.join("metrics_key"), &servers);

    run(before_curl(step(1)), &keys);
    thread::sleep(Duration::from_secs(3));
    run(step(2), &keys);
    let second = presented();
    assert_ne!(first, second);
    for (program, server) in &servers {
        let statuses = [&first, &second].map(|key| status(*server, "/metrics", key));
        assert_eq!(statuses, [200, 200], "{}", program.name);
    }
    run(step(3), &keys);
    for (program, server) in &servers {
        let is_rejected = || status(*server, "/metrics", &first) == 401;
        assert!(wait(is_rejected), "{}: the old key", program.name);
        assert_eq!(status(*server, "/metrics", &second), 200, "{}", program.name);
    }

    // The attack is last, because it changes the counters, the queues and the log.
    survive_all(&programs, &mut running, &second);
    drop(running);
    let with_limits: Vec<_> = adapters().iter().flat_map(Program::with_limits).collect();
    assert!(!with_limits.is_empty());
    let mut running = packages.run_all(&with_limits, &accepted);
    survive_all(&with_limits, &mut running, &second);
}

/// Fails if one of the programs does not survive clients that never finish.
fn survive_all(programs: &[Program], running: &mut [(SocketAddr, Process)], key: &str) {
    thread::scope(|scope| {
        for (program, (address, process)) in programs.iter().zip(running) {
            let target = Target { address: *address, key };
            scope.spawn(move || {
                let survived = target.survives(process, program.ended);
                assert!(survived.is_ok(), "{}: {survived:?}", program.name);
            });
        }
    });
}

/// Returns the status of a server's response to this key, or without a key if it is empty.
fn status(server: SocketAddr, path: &str, key: &str) -> u16 {
    let line = format!("X-Metrics-Key: {key}");
    let lines: &[&[u8]] = if key.is_empty() { &[] } else { &[line.as_bytes()] };
    exchange(server, &request("GET", path, lines)).unwrap().status
}

fn wait(condition: impl Fn() -> bool) -> bool {
    until(Duration::from_secs(30), || Ok::<_, Infallible>(condition())).unwrap()
}

/// Runs commands of a page in this folder.
fn run(commands: &str, folder: &Path) {
    succeed(Command::new("sh").args(["-ec", commands]).current_dir(folder)).unwrap();
}

#[test]
#[ignore = "runs the pages' commands: .ci/run packages"]
fn rotation_and_revocation_keep_the_keys_of_other_scrapers_and_the_mode() {
    let folder = tempfile::tempdir().unwrap();
    run(block("sh"), folder.path());
    let accepted = folder.path().join("accepted_keys");
    let presented = || fs::read_to_string(folder.path().join("metrics_key")).unwrap();
    let old = presented();
    fs::write(&accepted, format!("{WRONG}\n{old}")).unwrap();
    fs::set_permissions(&accepted, Permissions::from_mode(0o640)).unwrap();

    run(before_curl(step(1)), folder.path());
    run(step(2), folder.path());
    let new = presented();
    assert_eq!(fs::read_to_string(&accepted).unwrap(), format!("{new}{old}{WRONG}\n"));
    run(step(3), folder.path());
    assert_eq!(fs::read_to_string(&accepted).unwrap(), format!("{new}{WRONG}\n"));
    let (_, commands) = ROTATION.split_once("\n## Revoking a key").unwrap().1.split_once("\n```sh\n").unwrap();
    run(before_curl(commands), folder.path());
    let keys = fs::read_to_string(&accepted).unwrap();
    assert!(!keys.contains(&new) && keys.ends_with(&format!("\n{WRONG}\n")) && keys.lines().count() == 2, "{keys}");
    assert_eq!(fs::metadata(&accepted).unwrap().permissions().mode() & 0o777, 0o640);
}

/// Only this test finds a minimum version that is too low, because the workspace builds with newer versions. The dependencies
/// of the dependencies have their newest versions.
#[test]
#[ignore = "needs the registry: .ci/run packages"]
fn packages_compile_with_their_oldest_dependencies() {
    let folder = tempfile::tempdir().unwrap();
    let packages = Packages::unpacked(folder.path());
    for Crate { name, particular, .. } in crates::published().unwrap() {
        let package = packages.of(&name);
        // The oldest versions of the tests' dependencies do not fit together. Cargo wrote this manifest, with a table for each.
        let manifest = fs::read_to_string(package.join("Cargo.toml")).unwrap();
        let kept: Vec<_> = manifest.split("\n[").filter(|table| !table.starts_with("dev-dependencies")).collect();
        fs::write(package.join("Cargo.toml"), kept.join("\n[")).unwrap();
        fs::remove_file(package.join("Cargo.lock")).unwrap();
        // This variable enables the unstable option in a stable cargo.
        let mut update = packages.cargo(&package);
        succeed(update.env("RUSTC_BOOTSTRAP", "1").args(["update", "--quiet", "-Zdirect-minimal-versions"])).unwrap();
        // These parts of a dependency must be old too, because newer ones do not compile with its oldest version.
        for (part, oldest) in particular["oldest"].as_object().into_iter().flatten() {
            let oldest = oldest.as_str().unwrap();
            succeed(packages.cargo(&package).args(["update", "--quiet", part, "--precise", oldest])).unwrap();
        }
        succeed(packages.cargo(&package).args(["check", "--quiet", "--lib", "--all-features", "--locked"])).unwrap();
    }
}

/// The published crates, unpacked.
struct Packages {
    folder: PathBuf,
    target: PathBuf,
}

impl Packages {
    /// Packs the crates, and unpacks them in `folder`. Builds below that folder use these packages.
    fn unpacked(folder: &Path) -> Packages {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("packaged");
        let packages = Packages { folder: folder.to_owned(), target };
        let crates = crates::published().unwrap();
        let names = crates.iter().flat_map(|published| ["--package", &published.name]);
        // Includes uncommitted changes. The tests build the packages later.
        let mut cargo = packages.cargo(Path::new(".."));
        succeed(cargo.args(["package", "--quiet", "--locked", "--allow-dirty", "--no-verify"]).args(names)).unwrap();
        let mut patch = "[patch.crates-io]\n".to_owned();
        for Crate { name, .. } in &crates {
            let archive = packages.target.join(format!("package/{name}-{VERSION}.crate"));
            succeed(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder)).unwrap();
            patch.extend([name, " = { path = \"", packages.of(name).to_str().unwrap(), "\" }\n"]);
        }
        fs::create_dir(folder.join(".cargo")).unwrap();
        fs::write(folder.join(".cargo/config.toml"), patch).unwrap();
        packages
    }

    fn of(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-{VERSION}"))
    }

    /// Checks that the libraries and the examples compile from the packages.
    fn check_examples(&self) {
        for Crate { name, .. } in crates::published().unwrap() {
            let package = self.of(&name);
            use_our_lock(&package);
            succeed(self.cargo(&package).args(["check", "--quiet", "--lib", "--examples", "--all-features"])).unwrap();
        }
    }

    fn run_all(&self, programs: &[Program], key_file: &Path) -> Vec<(SocketAddr, Process)> {
        programs.iter().map(|program| self.run(program, key_file)).collect()
    }

    /// Builds a program in its own project, and starts it. Returns the address of its last listener.
    fn run(&self, program: &Program, key_file: &Path) -> (SocketAddr, Process) {
        let Program { name, text, dependencies, .. } = program;
        // Rocket's port is a setting, and the other programs contain their ports.
        let [first, last] = free_addresses().unwrap();
        let address = if text.contains("9100") { last } else { first };
        let text = text.replace("8000", &first.port().to_string()).replace("9100", &last.port().to_string());

        let project = self.folder.join(name);
        fs::create_dir_all(project.join("src")).unwrap();
        let mut manifest = "[package]\nname = \"program\"\nedition = \"2024\"\n\n[workspace]\n".to_owned();
        for line in dependencies.lines() {
            match line.split_once("path = \"../metrics-guard/") {
                // The dependency by version, as after a release.
                Some((before, path)) => {
                    manifest.extend([before, "version = \"", VERSION, "\"", path.split_once('"').unwrap().1, "\n"]);
                }
                None => manifest.extend([line, "\n"]),
            }
        }
        fs::write(project.join("Cargo.toml"), manifest).unwrap();
        fs::write(project.join("src/main.rs"), text).unwrap();
        use_our_lock(&project);
        succeed(self.cargo(&project).args(["build", "--quiet"])).unwrap();
        // The next program is built at the same path.
        let built = project.join("program");
        fs::hard_link(self.target.join("debug/program"), &built).unwrap();

        let mut command = Command::new(built);
        command.env("ROCKET_PORT", address.port().to_string()).env("METRICS_VERIFICATION_KEY_FILE", key_file);
        command.env("ROCKET_LOG_LEVEL", "off"); // at every other level, Rocket logs each broken connection
        let mut process = Process::start(&mut with_few_descriptors(&command)).unwrap();
        process.wait_for_listener(address).unwrap();
        (address, process)
    }

    fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(folder).env("CARGO_TARGET_DIR", &self.target);
        cargo
    }
}

/// Scrapes each server with the README's scrape configuration. Uses Prometheus 3, because it rejects a response without a
/// content type. If its suite does not have it, uses the version before.
fn scrape(folder: &Path, key_file: &Path, servers: &[(&Program, SocketAddr)]) {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    let fetch = |version| Scraper::Prometheus(version).fetch_or_say_so(&cache).unwrap();
    let Some(program) = fetch(Version::Forky).or_else(|| fetch(Version::Trixie)) else {
        println!("NOT scraped, because there is no Prometheus");
        return;
    };
    let (head, job) = block("yaml").split_once('\n').unwrap();
    let mut config = format!("global: {{scrape_interval: 1s}}\n{head}\n");
    for (Program { name, .. }, address) in servers {
        let job = format!("{job}\n").replace("my-service", name).replace("localhost:8000", &address.to_string());
        config += &job.replace("/etc/prometheus/keys/metrics_key", &key_file.display().to_string());
    }
    let scraping = Scraping::start(&program, &program, folder, &config, &[], &[]).unwrap();
    for (Program { name, .. }, _) in servers {
        scraping.storage().wait_for_sample(&format!("up{{job={name:?}}}"), |up| up >= 1.0).unwrap();
    }
}

/// Returns the commands of this step of a rotation.
fn step(number: usize) -> &'static str {
    let (_, step) = ROTATION.split_once(&format!("\n{number}. ")).unwrap();
    let (_, commands) = step.split_once("   ```sh\n").unwrap();
    commands.split("   ```").next().unwrap()
}

/// Returns the commands before the one that sends a key to the reader's service.
fn before_curl(commands: &str) -> &str {
    commands.split_once("sed ").unwrap().0
}

/// Returns the first block of code with this language in the README's section about keys.
fn block(language: &str) -> &'static str {
    let (_, section) = README.split_once("\n## A key\n").unwrap();
    let (_, block) = section.split_once(&format!("\n```{language}\n")).unwrap();
    block.split("\n```\n").next().unwrap()
}

/// Uses the versions in the workspace's lock file, so that results do not change from day to day.
fn use_our_lock(project: &Path) {
    fs::copy("../Cargo.lock", project.join("Cargo.lock")).unwrap();
}
