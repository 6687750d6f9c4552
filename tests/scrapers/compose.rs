//! The files for docker compose: what `docker compose config` makes of them, and what the commands in them do.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Component, Path, PathBuf},
    process::Command,
};

use libtest_mimic::{Failed, Trial};
use metrics_guard_core::Guard;
use serde_json::Value;

use crate::tools::{accepts, at, commands, deploy, documents, list, run, script, text, with};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::ignorable_test("compose_as_the_client_reads_it", || with("compose", "docker-compose", as_it_is_read)),
        Trial::ignorable_test("compose_client_refuses_what_is_wrong", || {
            with("compose", "docker-compose", what_is_wrong_is_refused)
        }),
        Trial::test("compose_commands", the_commands_do_what_they_say),
    ]
}

/// What the client makes of this file.
fn config(client: &Path, file: &Path) -> Result<Value, Failed> {
    let mut command = Command::new(client);
    let output = command.env_clear().arg("--file").arg(file).args(["config", "--format", "json"]).output()?;
    if !output.status.success() || !output.stderr.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What of the host is mounted at `path` in the container, by a mount of its folder, and by one that is read-only.
fn on_the_host(service: &Value, path: &str) -> Result<PathBuf, Failed> {
    let path = Path::new(path);
    for volume in list(service, "/volumes") {
        if let Ok(rest) = path.strip_prefix(text(volume, "/target")) {
            assert_eq!(volume["read_only"], true, "{volume}");
            assert_eq!(volume["type"], "bind", "{volume}");
            let is_folder = matches!(rest.components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
            assert!(is_folder, "{} is mounted by itself: {volume}", path.display());
            return Ok(Path::new(text(volume, "/source")).join(rest));
        }
    }
    Err(format!("nothing is mounted for {}: {service}", path.display()).into())
}

fn as_it_is_read(client: &Path) -> Result<(), Failed> {
    let folder = deploy("compose");
    let config = config(client, &folder.join("compose.yaml"))?;
    let services = config["services"].as_object().ok_or("no services")?;
    for (name, service) in services {
        assert_eq!(at(service, "/ports"), &Value::Null, "{name} is published");
        assert_eq!(service["read_only"], true, "{name}");
        assert_ne!(service["user"].as_str().ok_or("no user")?.split(':').next(), Some("0"), "{name}");
        assert_eq!(at(service, "/networks").as_object().map(serde_json::Map::len), Some(1), "{name}");
        assert!(service["networks"].get("metrics").is_some(), "{name}");
    }
    assert_eq!(config["networks"]["metrics"]["internal"], true);

    let service = &services["my-service"];
    let environment = service["environment"].as_object().ok_or("no environment")?;
    assert!(!environment.contains_key("METRICS_VERIFICATION_KEY"), "a key inline");
    let accepted = on_the_host(service, environment["METRICS_VERIFICATION_KEY_FILE"].as_str().ok_or("no key file")?)?;
    assert_eq!(accepted, folder.join("service-keys/accepted_keys"));

    // The configuration that Prometheus is started with is ours, and its key and its target are what is here.
    let prometheus = &services["prometheus"];
    let flag = list(prometheus, "/command").iter().find_map(|flag| flag.as_str()?.strip_prefix("--config.file="));
    let flag = flag.ok_or("no configuration")?;
    let mount = list(prometheus, "/volumes").iter().find(|volume| volume["target"] == flag);
    let mount = mount.ok_or("the configuration is not mounted")?;
    assert_eq!(mount["read_only"], true, "{mount}");
    let source = Path::new(text(mount, "/source"));
    assert_eq!(source, deploy("prometheus").join("credentials_file.yml"));
    let [scraper] = &documents(&fs::read_to_string(source)?)?[..] else { return Err("not one document".into()) };
    let job = at(scraper, "/scrape_configs/0");
    let sent = on_the_host(prometheus, text(job, "/authorization/credentials_file"))?;
    assert_eq!(sent, folder.join("keys/metrics_key"));
    let port = environment["ROCKET_PORT"].as_str().ok_or("no port")?;
    assert_eq!(text(job, "/static_configs/0/targets/0"), format!("my-service:{port}"));
    Ok(())
}

/// The client would say so, if there were something to say: it knows the names, the types and the networks.
fn what_is_wrong_is_refused(client: &Path) -> Result<(), Failed> {
    let right = fs::read_to_string(deploy("compose").join("compose.yaml"))?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("compose.yaml");
    for (from, to, complaint) in [
        ("read_only: true\n        bind", "read_only: perhaps\n        bind", "read_only"),
        ("cap_drop:", "cap_dorp:", "cap_dorp"),
        ("networks: [metrics]", "networks: [metric]", "undefined network"),
        ("source: prometheus-data", "source: prometheus-date", "undefined volume"),
    ] {
        assert!(right.contains(from), "{from}");
        fs::write(&file, right.replacen(from, to, 1))?;
        let said = config(client, &file).err().ok_or_else(|| format!("`{to}` is accepted"))?;
        assert!(said.message().is_some_and(|said| said.contains(complaint)), "`{to}`: {said:?}");
    }
    Ok(())
}

/// The keys in this file, one a line.
fn keys(file: PathBuf) -> Result<Vec<String>, Failed> {
    Ok(fs::read_to_string(file)?.lines().map(str::to_owned).collect())
}

fn the_commands_do_what_they_say() -> Result<(), Failed> {
    let yaml = fs::read_to_string(deploy("compose").join("compose.yaml"))?;
    let [begin, rotate] = &commands(&yaml)[..] else { return Err("not two blocks of commands".into()) };
    let [file] = &documents(&yaml)?[..] else { return Err("not one document".into()) };
    let folder = tempfile::tempdir()?;
    let programs = tempfile::tempdir()?;
    let here = folder.path();
    let is_root = fs::metadata(here)?.uid() == 0;
    if !is_root {
        script(programs.path(), "chown", "exit 0")?; // the rest is worth a try
    }
    let closed = |path: &Path| -> Result<fs::Metadata, Failed> {
        let metadata = fs::metadata(path)?;
        assert_eq!(metadata.permissions().mode() & 0o077, 0, "{} is open to others", path.display());
        Ok(metadata)
    };
    let own = |path: &Path, service: &str| -> Result<(), Failed> {
        let metadata = closed(path)?;
        let owner = format!("{}:{}", metadata.uid(), metadata.gid());
        assert!(
            !is_root || owner == text(file, &format!("/services/{service}/user")),
            "{} belongs to {owner}",
            path.display()
        );
        Ok(())
    };
    let files = |folder: &Path| -> Result<_, Failed> {
        let (accepted_keys, metrics_key) = (folder.join("service-keys/accepted_keys"), folder.join("keys/metrics_key"));
        for path in [&folder.join("service-keys"), &accepted_keys] {
            own(path, "my-service")?;
        }
        for path in [&folder.join("keys"), &metrics_key] {
            own(path, "prometheus")?;
        }
        Ok((keys(accepted_keys)?, keys(metrics_key)?))
    };

    // Where nobody has said otherwise, files are for all.
    let begin_as_usual = format!("umask 022\n{begin}");
    run(&begin_as_usual, here, programs.path())?;
    let (accepted, sent) = files(here)?;
    assert_eq!((accepted.len(), &accepted), (1, &sent));
    let old = accepted[0].clone();
    let followed = programs.path().join("followed");
    fs::copy(here.join("service-keys/accepted_keys"), &followed)?; // and its mode
    let guard = Guard::builder_from_key_file(&followed)?.build();
    assert!(guard.warnings().is_empty(), "{:?}", guard.warnings());

    // The rotation in one go. What is there at each of its pauses is kept.
    let pauses = tempfile::tempdir()?;
    script(programs.path(), "sleep", &format!("cp -a . {0}/$(ls {0} | wc -l)", pauses.path().display()))?;
    run(&format!("umask 022\n{rotate}"), here, programs.path())?;
    let mut seen = Vec::new();
    for folder in [&pauses.path().join("0"), &pauses.path().join("1"), here] {
        let (accepted, sent) = files(folder)?;
        assert_eq!(sent.len(), 1);
        assert!(accepted.contains(&sent[0]), "a scrape would fail");
        if folder != here {
            closed(&folder.join("new_key"))?;
        }
        fs::write(&followed, accepted.join("\n"))?;
        guard.reload()?;
        assert!(accepted.iter().all(|key| accepts(&guard, key)));
        seen.push((accepted, sent[0].clone()));
    }
    let new = seen[2].1.clone();
    assert_ne!(old, new);
    let both = vec![new.clone(), old.clone()];
    assert_eq!(seen, [(both.clone(), old.clone()), (both, new.clone()), (vec![new.clone()], new)]);
    assert!(!accepts(&guard, &old));
    assert!(!here.join("new_key").exists());
    assert_eq!(fs::read_dir(pauses.path())?.count(), 2, "another pause");
    Ok(())
}
