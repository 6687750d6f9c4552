//! Tests the packages as users get them, outside this workspace. They compile, also with their oldest dependencies. The
//! programs of the pages build with them and are guarded by the key that the README's commands make. Prometheus scrapes them
//! with the README's configuration, and the guide's commands rotate the key.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    error::Error,
    fmt::Write as _,
    fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
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
    process::{Process, succeed},
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
    fn first(published: &Crate) -> io::Result<Program> {
        let path = format!("path = \"../metrics-guard/{}\"", published.name);
        for page in [README.to_owned(), Program::page(published)?] {
            for block in page.split("\n```toml\n").skip(1) {
                let (dependencies, after) = block.split_once("\n```\n").unwrap_or_default();
                let next = after.split_once("\n```").and_then(|(_, next)| next.strip_prefix("rust,no_run\n"));
                let program = next.and_then(|next| next.split_once("\n```\n"));
                if let Some((text, _)) = program.filter(|_| dependencies.contains(&path)) {
                    let without_limit = published.particular["without-time-limit"] == true;
                    return Ok(Program {
                        name: published.name.clone(),
                        text: text.to_owned(),
                        dependencies: dependencies.to_owned(),
                        ended: if without_limit { Ended::ByTheAttacker } else { Ended::ByTheServer },
                    });
                }
            }
        }
        Err(missing(&format!("a program with {}", published.name)))
    }

    /// Returns the other programs on the crate's page that limit connections. Their dependencies are those of the first
    /// program.
    fn with_limits(published: &Crate) -> io::Result<Vec<Program>> {
        let page = Program::page(published)?;
        let programs = page.match_indices("\n```rust,no_run\n").map(|(start, _)| block(&page[start..], "rust,no_run"));
        let first = Program::first(published)?;
        let mut with_limits = Vec::new();
        for text in programs {
            let text = text?.to_owned();
            if text.contains("Semaphore") && text != first.text {
                let name = format!("{}-page-{}", published.name, with_limits.len());
                with_limits.push(Program { name, text, ..first.clone() });
            }
        }
        Ok(with_limits)
    }

    fn page(published: &Crate) -> io::Result<String> {
        fs::read_to_string(published.folder.join("README.md"))
    }

    /// Returns the status of the path `/`, where some programs have an open page.
    fn beside(&self) -> u16 {
        if self.text.contains("hello") { 200 } else { 404 }
    }
}

/// Returns the crates on which a program depends directly: all but the macros, which they re-export.
fn adapters() -> io::Result<Vec<Crate>> {
    Ok(crates::published()?.into_iter().filter(|published| !published.has_macros).collect())
}

#[test]
fn each_adapter_has_a_program_with_its_dependencies() -> io::Result<()> {
    let mut with_limits = 0;
    for adapter in adapters()? {
        Program::first(&adapter)?;
        with_limits += Program::with_limits(&adapter)?.len();
    }
    assert!(with_limits > 0);
    Ok(())
}

#[test]
#[ignore = "needs the registry, and fetches Prometheus: .ci/run packages"]
fn programs_of_the_pages_are_guarded_scraped_and_rotated_with_the_packages() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?; // outside the workspace
    let packages = Packages::unpacked(folder.path())?;
    packages.check_examples()?;
    let keys = Keys::made(folder.path())?;
    let adapters = adapters()?;
    let programs = adapters.iter().map(Program::first).collect::<io::Result<Vec<_>>>()?;
    let mut running = packages.run_all(&programs, &keys.accepted())?;
    let servers: Vec<_> = programs.iter().zip(&running).map(|(program, (address, _))| (program, *address)).collect();

    let first = keys.presented()?;
    for (program, server) in &servers {
        let statuses = ["", WRONG, &first].map(|key| status(*server, "/metrics", key).unwrap());
        assert_eq!(statuses, [401, 401, 200], "{}", program.name);
        assert_eq!(status(*server, "/", "")?, program.beside(), "{}", program.name);
    }
    scrape(folder.path(), &keys, &servers)?;

    keys.accept_both()?;
    let second = keys.presented()?;
    assert_ne!(first, second);
    for (program, server) in &servers {
        let statuses = [&first, &second].map(|key| status(*server, "/metrics", key).unwrap());
        assert_eq!(statuses, [200, 200], "{}", program.name);
    }
    keys.accept_only_the_new_key()?;
    for (program, server) in &servers {
        let is_rejected = || io::Result::Ok(status(*server, "/metrics", &first)? == 401);
        assert!(until(Duration::from_secs(30), is_rejected)?, "{}: the old key", program.name);
        assert_eq!(status(*server, "/metrics", &second)?, 200, "{}", program.name);
    }

    // The attack is last, because it changes the counters, the queues and the log.
    survive_all(&programs, &mut running, &second);
    drop(running);
    let with_limits = adapters.iter().map(Program::with_limits).collect::<io::Result<Vec<_>>>()?.concat();
    let mut running = packages.run_all(&with_limits, &keys.accepted())?;
    survive_all(&with_limits, &mut running, &second);
    Ok(())
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
fn status(server: SocketAddr, path: &str, key: &str) -> io::Result<u16> {
    let line = format!("X-Metrics-Key: {key}");
    let lines: &[&[u8]] = if key.is_empty() { &[] } else { &[line.as_bytes()] };
    Ok(exchange(server, &request("GET", path, lines))?.status)
}

/// A folder with the key files of service and scraper, which the README's commands write.
struct Keys(PathBuf);

impl Keys {
    fn made(folder: &Path) -> io::Result<Keys> {
        let keys = Keys(folder.join("keys"));
        fs::create_dir(&keys.0)?;
        keys.run(block(section("A key")?, "sh")?)?;
        Ok(keys)
    }

    /// Returns the path of the service's key file.
    fn accepted(&self) -> PathBuf {
        self.0.join("accepted_keys")
    }

    /// Returns the key in the scraper's key file.
    fn presented(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.0.join("metrics_key"))?.trim_end().to_owned())
    }

    /// Runs the guide's commands for the first two steps of a rotation.
    fn accept_both(&self) -> io::Result<()> {
        self.run(before_curl(step(1)?)?)?;
        thread::sleep(Duration::from_secs(3));
        self.run(step(2)?)
    }

    /// Runs the guide's commands for the last step.
    fn accept_only_the_new_key(&self) -> io::Result<()> {
        self.run(step(3)?)
    }

    /// Runs the guide's commands for a leaked key.
    fn revoke(&self) -> io::Result<()> {
        let (_, section) = ROTATION.split_once("\n## Revoking a key").ok_or_else(|| missing("a section"))?;
        self.run(before_curl(block(section, "sh")?)?)
    }

    fn run(&self, commands: &str) -> io::Result<()> {
        succeed(Command::new("sh").args(["-ec", commands]).current_dir(&self.0))
    }
}

#[test]
fn rotation_and_revocation_keep_the_keys_of_other_scrapers_and_the_mode() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    let keys = Keys::made(folder.path())?;
    let old = keys.presented()?;
    fs::write(keys.accepted(), format!("{WRONG}\n{old}\n"))?;
    fs::set_permissions(keys.accepted(), fs::Permissions::from_mode(0o640))?;

    keys.accept_both()?;
    let new = keys.presented()?;
    assert_eq!(fs::read_to_string(keys.accepted())?, format!("{new}\n{old}\n{WRONG}\n"));
    keys.accept_only_the_new_key()?;
    assert_eq!(fs::read_to_string(keys.accepted())?, format!("{new}\n{WRONG}\n"));
    keys.revoke()?;
    let accepted = fs::read_to_string(keys.accepted())?;
    assert!(!accepted.contains(&new) && accepted.ends_with(&format!("\n{WRONG}\n")), "{accepted}");
    assert_eq!(accepted.lines().count(), 2);
    assert_eq!(fs::metadata(keys.accepted())?.permissions().mode() & 0o777, 0o640);
    Ok(())
}

/// Only this test finds a minimum version that is too low, because the workspace builds with newer versions. The dependencies
/// of the dependencies have their newest versions.
#[test]
#[ignore = "needs the registry: .ci/run packages"]
fn packages_compile_with_their_oldest_dependencies() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let packages = Packages::unpacked(folder.path())?;
    for Crate { name, particular, .. } in crates::published()? {
        let package = packages.of(&name);
        let manifest = package.join("Cargo.toml");
        // The oldest versions of the tests' dependencies do not fit together.
        fs::write(&manifest, without_dev_dependencies(&fs::read_to_string(&manifest)?))?;
        fs::remove_file(package.join("Cargo.lock"))?;
        // This variable enables the unstable option in a stable cargo.
        let mut update = packages.cargo(&package);
        succeed(update.env("RUSTC_BOOTSTRAP", "1").args(["update", "--quiet", "-Zdirect-minimal-versions"]))?;
        // These parts of a dependency must be old too, because newer ones do not compile with its oldest version.
        for (part, oldest) in particular["oldest"].as_object().into_iter().flatten() {
            let oldest = oldest.as_str().unwrap();
            succeed(packages.cargo(&package).args(["update", "--quiet", part, "--precise", oldest]))?;
        }
        succeed(packages.cargo(&package).args(["check", "--quiet", "--lib", "--all-features", "--locked"]))?;
    }
    Ok(())
}

/// Removes the dev-dependencies from a manifest that cargo wrote, where each has its own table.
fn without_dev_dependencies(manifest: &str) -> String {
    let mut is_one = false;
    let kept = manifest.lines().filter(|line| {
        if line.starts_with('[') {
            is_one = line.starts_with("[dev-dependencies");
        }
        !is_one
    });
    kept.flat_map(|line| [line, "\n"]).collect()
}

/// The published crates, unpacked.
struct Packages {
    names: Vec<String>,
    folder: PathBuf,
    target: PathBuf,
}

impl Packages {
    /// Packs the crates, and unpacks them in `folder`. Builds below that folder use these packages.
    fn unpacked(folder: &Path) -> io::Result<Packages> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("packaged");
        let names = crates::published()?.into_iter().map(|published| published.name).collect();
        let packages = Packages { names, folder: folder.to_owned(), target };
        let names = packages.names.iter().flat_map(|name| ["--package", name]);
        // Includes uncommitted changes. The tests build the packages later.
        let mut cargo = packages.cargo(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
        succeed(cargo.args(["package", "--quiet", "--locked", "--allow-dirty", "--no-verify"]).args(names))?;
        let mut patch = "[patch.crates-io]\n".to_owned();
        for name in &packages.names {
            let archive = packages.target.join(format!("package/{name}-{VERSION}.crate"));
            succeed(Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder))?;
            writeln!(patch, "{name} = {{ path = \"{}\" }}", packages.of(name).display()).map_err(io::Error::other)?;
        }
        fs::create_dir(folder.join(".cargo"))?;
        fs::write(folder.join(".cargo/config.toml"), patch)?;
        Ok(packages)
    }

    fn of(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}-{VERSION}"))
    }

    /// Checks that the libraries and the examples compile from the packages.
    fn check_examples(&self) -> io::Result<()> {
        for name in &self.names {
            let package = self.of(name);
            use_our_lock(&package)?;
            succeed(self.cargo(&package).args(["check", "--quiet", "--lib", "--examples", "--all-features"]))?;
        }
        Ok(())
    }

    fn run_all(&self, programs: &[Program], key_file: &Path) -> io::Result<Vec<(SocketAddr, Process)>> {
        programs.iter().map(|program| self.run(program, key_file)).collect()
    }

    /// Builds a program in its own project, and starts it. Returns the address of its last listener.
    fn run(&self, program: &Program, key_file: &Path) -> io::Result<(SocketAddr, Process)> {
        let Program { name, text, dependencies, .. } = program;
        // These ports were free a moment ago. Rocket's is a setting, and the other programs contain their ports.
        let free = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [first, last] = [free[0].local_addr()?.port(), free[1].local_addr()?.port()];
        drop(free);
        let port = if text.contains("9100") { last } else { first };
        let text = text.replace("8000", &first.to_string()).replace("9100", &last.to_string());

        let project = self.folder.join(name);
        fs::create_dir_all(project.join("src"))?;
        // The dependency by version, as after a release.
        let lines = dependencies.lines().map(|line| match line.split_once("path = \"../metrics-guard/") {
            Some((before, path)) => {
                let (_, after) = path.split_once('"').unwrap_or_default();
                format!("{before}version = {VERSION:?}{after}")
            }
            None => line.to_owned(),
        });
        let package = "[package]\nname = \"program\"\nedition = \"2024\"\n\n[workspace]\n";
        let manifest = [package.to_owned()].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
        fs::write(project.join("Cargo.toml"), manifest)?;
        fs::write(project.join("src/main.rs"), text)?;
        use_our_lock(&project)?;
        succeed(self.cargo(&project).args(["build", "--quiet"]))?;
        // The next program is built at the same path.
        let built = project.join("program");
        fs::hard_link(self.target.join("debug/program"), &built)?;

        let mut command = Command::new(built);
        command.env("ROCKET_PORT", port.to_string()).env("METRICS_VERIFICATION_KEY_FILE", key_file);
        command.env("ROCKET_LOG_LEVEL", "off"); // at every other level, Rocket logs each broken connection
        let mut process = Process::start(&mut with_few_descriptors(&command))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listens = until(Duration::from_secs(30), || io::Result::Ok(TcpStream::connect(address).is_ok()))?;
        if !listens || process.has_ended()? {
            return Err(io::Error::other(format!("{name} does not listen:\n{}", process.output())));
        }
        Ok((address, process))
    }

    fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(folder).env("CARGO_TARGET_DIR", &self.target);
        cargo
    }
}

/// Scrapes each server with the README's scrape configuration. Uses Prometheus 3, because it rejects a response without a
/// content type. If its suite does not have it, uses the version before.
fn scrape(folder: &Path, keys: &Keys, servers: &[(&Program, SocketAddr)]) -> Result<(), Box<dyn Error>> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    let fetch = |version| Scraper::Prometheus(version).fetch_or_say_so(&cache);
    let Some(program) = fetch(Version::Forky)?.map_or_else(|| fetch(Version::Trixie), |program| Ok(Some(program)))?
    else {
        println!("NOT scraped, because there is no Prometheus");
        return Ok(());
    };
    let (head, job) = block(section("A key")?, "yaml")?.split_once('\n').ok_or_else(|| missing("a job"))?;
    let key_file = keys.0.join("metrics_key");
    let mut config = format!("global: {{scrape_interval: 1s}}\n{head}\n");
    for (Program { name, .. }, address) in servers {
        let job = format!("{job}\n").replace("my-service", name).replace("localhost:8000", &address.to_string());
        config += &job.replace("/etc/prometheus/keys/metrics_key", &key_file.display().to_string());
    }
    let scraping = Scraping::start(&program, &program, folder, &config, &[], &[])?;
    for (Program { name, .. }, _) in servers {
        scraping.storage().wait_for_sample(&format!("up{{job={name:?}}}"), |up| up >= 1.0)?;
    }
    Ok(())
}

/// Returns the commands of this step of a rotation.
fn step(number: usize) -> io::Result<&'static str> {
    let (_, commands) = ROTATION.split_once(&format!("\n{number}. ")).ok_or_else(|| missing("a step"))?;
    let (_, commands) = commands.split_once("   ```sh\n").ok_or_else(|| missing("sh"))?;
    Ok(commands.split("   ```").next().unwrap_or_default())
}

/// Returns the commands before the one that sends a key to the reader's service.
fn before_curl(commands: &str) -> io::Result<&str> {
    commands.split_once("sed ").map(|(before, _)| before).ok_or_else(|| missing("a curl line"))
}

/// Returns the text after the README's first heading that begins with `heading`.
fn section(heading: &str) -> io::Result<&'static str> {
    let section = README.split_once(&format!("\n## {heading}")).map(|(_, section)| section);
    section.ok_or_else(|| missing(heading))
}

/// Returns the first block of code with this language and these attributes.
fn block<'a>(section: &'a str, language: &str) -> io::Result<&'a str> {
    let (_, block) = section.split_once(&format!("\n```{language}\n")).ok_or_else(|| missing(language))?;
    let (block, _) = block.split_once("\n```\n").ok_or_else(|| missing(language))?;
    Ok(block)
}

/// Uses the versions in the workspace's lock file, so that results do not change from day to day.
fn use_our_lock(project: &Path) -> io::Result<()> {
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"), project.join("Cargo.lock")).map(drop)
}

fn missing(what: &str) -> io::Error {
    io::Error::other(format!("the page has no {what} where this test expects it"))
}
