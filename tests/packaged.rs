//! What is published, as its users get it: the packages, out of this workspace. They compile, also with the oldest of what they
//! depend on; and on them the programs of the README build, are guarded by the key that its commands make, are scraped by
//! its configuration, and take a new key by its commands.

#![allow(clippy::unwrap_used)] // in tests; clippy.toml does not reach their helper functions

use std::{
    error::Error,
    fmt::Write as _,
    fs, io,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use metrics_guard_tests::{
    WRONG,
    hostile::{Ended, Target, with_few_descriptors},
    process::{Process, succeed},
    prometheus::Version,
    scraper::{Scraper, Scraping},
    wait::until,
    wire::{exchange, request},
};

/// Of all the crates.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const README: &str = include_str!("../README.md");

/// In the order in which they are published: each after those that it depends on.
const CRATES: [&str; 5] =
    ["metrics-guard-macros", "metrics-guard-core", "metrics-guard-rocket", "metrics-guard-warp", "metrics-guard-tower"];

/// The programs of the README, by the beginnings of their headings.
const PROGRAMS: [&str; 4] = ["Rocket", "Warp", "axum", "hyper"];

/// The programs with limits on the pages: the page, the heading, and the README's program with the same dependencies.
const OF_PAGES: [(&str, &str, &str); 1] =
    [(include_str!("../metrics-guard-core/README.md"), "A listener of its own", "hyper")];

#[test]
#[ignore = "asks the registry, and fetches Prometheus: .ci/run packages"]
fn the_programs_of_the_readme_are_guarded_on_the_packages() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?; // out of the workspace
    let packages = Packages::unpacked(folder.path())?;
    packages.check_examples()?;
    let keys = Keys::made(folder.path())?;
    let mut running = PROGRAMS
        .iter()
        .map(|heading| packages.run_readme(heading, &keys.accepted()))
        .collect::<io::Result<Vec<_>>>()?;
    let servers: Vec<_> = PROGRAMS.iter().zip(&running).map(|(heading, (address, _))| (*heading, *address)).collect();

    let first = keys.presented()?;
    for (heading, server) in &servers {
        let statuses = ["", WRONG, &first].map(|key| status(*server, "/metrics", key).unwrap());
        assert_eq!(statuses, [401, 401, 200], "{heading}");
        // The open page beside the metrics; Rocket's program has none.
        assert_eq!(status(*server, "/", "")?, if *heading == "Rocket" { 404 } else { 200 }, "{heading}");
    }
    scrape(folder.path(), &keys, &servers)?;

    keys.both_are_accepted()?;
    let second = keys.presented()?;
    assert_ne!(first, second);
    for (heading, server) in &servers {
        assert_eq!([&first, &second].map(|key| status(*server, "/metrics", key).unwrap()), [200, 200], "{heading}");
    }
    keys.the_new_one_alone()?;
    for (heading, server) in &servers {
        let is_refused = || io::Result::Ok(status(*server, "/metrics", &first)? == 401);
        assert!(until(Duration::from_secs(30), is_refused)?, "{heading}: the old key");
        assert_eq!(status(*server, "/metrics", &second)?, 200, "{heading}");
    }

    // Last, because the counters, the queues and the log are not what they were after it.
    thread::scope(|scope| {
        for (heading, (address, process)) in PROGRAMS.iter().zip(&mut running) {
            let target = Target { address: *address, client: None, key: &second };
            // The README says that Rocket sets no time limit.
            let ended = if *heading == "Rocket" { Ended::ByTheAttacker } else { Ended::ByTheServer };
            scope.spawn(move || {
                let survived = target.survives(process, ended);
                assert!(survived.is_ok(), "{heading}: {survived:?}");
            });
        }
    });
    drop(running);

    let mut running = OF_PAGES
        .iter()
        .map(|(page, heading, dependencies)| {
            let program = block(section_of(page, &format!("\n# {heading}"))?, "rust,no_run")?;
            packages.run(&format!("{dependencies}-page"), program, dependencies, &keys.accepted())
        })
        .collect::<io::Result<Vec<_>>>()?;
    thread::scope(|scope| {
        for ((_, heading, name), (address, process)) in OF_PAGES.iter().zip(&mut running) {
            let target = Target { address: *address, client: None, key: &second };
            scope.spawn(move || {
                let survived = target.survives(process, Ended::ByTheServer);
                assert!(survived.is_ok(), "{name}, {heading}: {survived:?}");
            });
        }
    });
    Ok(())
}

/// What a server answers to this key, or to none.
fn status(server: SocketAddr, path: &str, key: &str) -> io::Result<u16> {
    let line = format!("X-Metrics-Key: {key}");
    let lines: &[&[u8]] = if key.is_empty() { &[] } else { &[line.as_bytes()] };
    Ok(exchange(server, &request("GET", path, lines))?.status)
}

/// A folder with the files of both sides, which the README's commands write.
struct Keys(PathBuf);

impl Keys {
    fn made(folder: &Path) -> io::Result<Keys> {
        let keys = Keys(folder.join("keys"));
        fs::create_dir(&keys.0)?;
        keys.run(block(section("A key")?, "sh")?)?;
        Ok(keys)
    }

    /// The service's file.
    fn accepted(&self) -> PathBuf {
        self.0.join("accepted_keys")
    }

    /// The key in the scraper's file.
    fn presented(&self) -> io::Result<String> {
        Ok(fs::read_to_string(self.0.join("metrics_key"))?.trim_end().to_owned())
    }

    /// The first part of a rotation.
    fn both_are_accepted(&self) -> io::Result<()> {
        self.run(block(section("A new key")?, "sh")?)
    }

    /// The second.
    fn the_new_one_alone(&self) -> io::Result<()> {
        let (_, rest) = section("A new key")?.split_once("\n```\n").ok_or_else(|| missing("a second block"))?;
        self.run(block(rest, "sh")?)
    }

    fn run(&self, commands: &str) -> io::Result<()> {
        succeed(Command::new("sh").args(["-ec", commands]).current_dir(&self.0))
    }
}

/// A version that is too low shows nowhere else: all of the workspace is built with the newest. What those in turn need is the
/// newest of the day.
#[test]
#[ignore = "asks the registry: .ci/run packages"]
fn the_packages_take_the_oldest_that_they_say() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let packages = Packages::unpacked(folder.path())?;
    for name in CRATES {
        let package = packages.of(name);
        let manifest = package.join("Cargo.toml");
        // What the tests need has oldest versions of its own, which do not go with each other.
        fs::write(&manifest, without_dev_dependencies(&fs::read_to_string(&manifest)?))?;
        fs::remove_file(package.join("Cargo.lock"))?;
        // Which a stable cargo has, but does not offer.
        let mut update = packages.cargo(&package);
        succeed(update.env("RUSTC_BOOTSTRAP", "1").args(["update", "--quiet", "-Zdirect-minimal-versions"]))?;
        if name == "metrics-guard-rocket" {
            // An older Rocket does not compile beside later versions of its own parts.
            for part in ["rocket_codegen", "rocket_http"] {
                succeed(packages.cargo(&package).args(["update", "--quiet", part, "--precise", "0.5.0"]))?;
            }
        }
        succeed(packages.cargo(&package).args(["check", "--quiet", "--lib", "--all-features", "--locked"]))?;
    }
    Ok(())
}

/// As cargo has written it, with a table for each.
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
    folder: PathBuf,
    target: PathBuf,
}

impl Packages {
    /// Packs the crates, and unpacks them in `folder`. What is built there takes the others from there.
    fn unpacked(folder: &Path) -> io::Result<Packages> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("packaged");
        let packages = Packages { folder: folder.to_owned(), target };
        let names = CRATES.iter().flat_map(|name| ["--package", name]);
        // Also what is not committed yet; and without building it, which comes next.
        let mut cargo = packages.cargo(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap());
        succeed(cargo.args(["package", "--quiet", "--locked", "--allow-dirty", "--no-verify"]).args(names))?;
        let mut patch = "[patch.crates-io]\n".to_owned();
        for name in CRATES {
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

    /// The libraries and the examples compile from what is in the packages.
    fn check_examples(&self) -> io::Result<()> {
        for name in CRATES {
            let package = self.of(name);
            use_our_lock(&package)?;
            succeed(self.cargo(&package).args(["check", "--quiet", "--lib", "--examples", "--all-features"]))?;
        }
        Ok(())
    }

    fn run_readme(&self, heading: &str, key_file: &Path) -> io::Result<(SocketAddr, Process)> {
        self.run(heading, block(section(heading)?, "rust,no_run")?, heading, key_file)
    }

    /// A program: built in a project of its own with the dependencies under this heading of the README, and started. The
    /// address is that of its last listener.
    fn run(&self, name: &str, program: &str, heading: &str, key_file: &Path) -> io::Result<(SocketAddr, Process)> {
        let dependencies = block(section(heading)?, "toml")?;
        // Ports that were free a moment ago; Rocket's is a setting, the others' stand in their programs.
        let free = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
        let [first, last] = [free[0].local_addr()?.port(), free[1].local_addr()?.port()];
        drop(free);
        let port = if program.contains("9100") { last } else { first };
        let program = program.replace("8000", &first.to_string()).replace("9100", &last.to_string());

        let project = self.folder.join(name);
        fs::create_dir_all(project.join("src"))?;
        // The dependency as it will be when there is a release.
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
        fs::write(project.join("src/main.rs"), program)?;
        use_our_lock(&project)?;
        succeed(self.cargo(&project).args(["build", "--quiet"]))?;
        // The next one is built to the same place.
        let built = project.join("program");
        fs::hard_link(self.target.join("debug/program"), &built)?;

        let mut command = Command::new(built);
        command.env("ROCKET_PORT", port.to_string()).env("METRICS_VERIFICATION_KEY_FILE", key_file);
        command.env("ROCKET_LOG_LEVEL", "off"); // at any other, it has a line for each connection that breaks
        let mut process = Process::start(&mut with_few_descriptors(&command))?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listens = until(Duration::from_secs(30), || io::Result::Ok(TcpStream::connect(address).is_ok()))?;
        if !listens || process.has_ended()? {
            return Err(io::Error::other(format!("{heading} does not listen:\n{}", process.output())));
        }
        Ok((address, process))
    }

    fn cargo(&self, folder: &Path) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(folder).env("CARGO_TARGET_DIR", &self.target);
        cargo
    }
}

/// Has the README's scrape configuration scrape each of them. By a Prometheus 3, since that takes no answer without a type, or
/// if its suite has none any more, by the version before.
fn scrape(folder: &Path, keys: &Keys, servers: &[(&str, SocketAddr)]) -> Result<(), Box<dyn Error>> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrapers");
    let fetch = |version| Scraper::Prometheus(version).fetch_or_say_so(&cache);
    let Some(program) = fetch(Version::Forky)?.map_or_else(|| fetch(Version::Trixie), |program| Ok(Some(program)))?
    else {
        println!("NOT scraped, since there is no Prometheus");
        return Ok(());
    };
    let (head, job) = block(section("Prometheus")?, "yaml")?.split_once('\n').ok_or_else(|| missing("a job"))?;
    let key_file = keys.0.join("metrics_key");
    let mut config = format!("global: {{scrape_interval: 1s}}\n{head}\n");
    for (name, address) in servers {
        let job = format!("{job}\n").replace("my-service", name).replace("localhost:8000", &address.to_string());
        config += &job.replace("/etc/prometheus/keys/metrics_key", &key_file.display().to_string());
    }
    let scraping = Scraping::start(&program, &program, folder, &config, &[], &[])?;
    for (name, _) in servers {
        scraping.storage().wait_for_sample(&format!("up{{job={name:?}}}"), |up| up >= 1.0)?;
    }
    Ok(())
}

/// What stands under the first heading that begins so.
fn section(heading: &str) -> io::Result<&'static str> {
    section_of(README, &format!("\n## {heading}"))
}

fn section_of<'p>(page: &'p str, heading: &str) -> io::Result<&'p str> {
    page.split_once(heading).map(|(_, section)| section).ok_or_else(|| missing(heading))
}

/// The first block of code in this language, and with these attributes.
fn block<'a>(section: &'a str, language: &str) -> io::Result<&'a str> {
    let (_, block) = section.split_once(&format!("\n```{language}\n")).ok_or_else(|| missing(language))?;
    let (block, _) = block.split_once("\n```\n").ok_or_else(|| missing(language))?;
    Ok(block)
}

/// Dependencies in the versions of the workspace, so that no day brings others.
fn use_our_lock(project: &Path) -> io::Result<()> {
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"), project.join("Cargo.lock")).map(drop)
}

fn missing(what: &str) -> io::Error {
    io::Error::other(format!("the page has not got {what} where this test looks for it"))
}
