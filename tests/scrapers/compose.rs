//! deploy/compose: what `docker compose config` makes of the file, and what the commands in its comments do.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
    process::Command,
};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::{
    job::Job,
    tools::{assert_rotates, at, commands, deploy, documents, list, run, script, text, with},
};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::ignorable_test("compose_as_the_client_reads_it", || with("compose", "docker-compose", as_it_is_read)),
        Trial::test("compose_commands", the_commands_do_what_they_say),
    ]
}

/// The file on the host for this path in the container: its folder is mounted, and read-only.
fn on_the_host(service: &Value, path: &str) -> Result<PathBuf, Failed> {
    let path = Path::new(path);
    for volume in list(service, "/volumes") {
        if let Ok(rest) = path.strip_prefix(text(volume, "/target")) {
            assert_eq!((&volume["read_only"], text(volume, "/type")), (&true.into(), "bind"), "{volume}");
            let is_folder = matches!(rest.components().collect::<Vec<_>>()[..], [Component::Normal(_)]);
            assert!(is_folder, "{} is mounted by itself: {volume}", path.display());
            return Ok(Path::new(text(volume, "/source")).join(rest));
        }
    }
    Err(format!("nothing is mounted for {}: {service}", path.display()).into())
}

fn as_it_is_read(client: &Path) -> Result<(), Failed> {
    let folder = deploy("compose");
    let mut command = Command::new(client);
    command.env_clear().arg("--file").arg(folder.join("compose.yaml")).args(["config", "--format", "json"]);
    let output = command.output()?;
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let config: Value = serde_json::from_slice(&output.stdout)?;
    for (name, service) in config["services"].as_object().ok_or("no services")? {
        assert_eq!(at(service, "/ports"), &Value::Null, "{name} is published");
        assert_eq!(service["read_only"], true, "{name}");
        assert_ne!(service["user"].as_str().ok_or("no user")?.split(':').next(), Some("0"), "{name}");
        let networks = at(service, "/networks").as_object().ok_or("no networks")?;
        assert!(networks.keys().eq(["metrics"]), "{name}");
    }
    assert_eq!(config["networks"]["metrics"]["internal"], true);

    let service = &config["services"]["my-service"];
    let environment = service["environment"].as_object().ok_or("no environment")?;
    assert!(!environment.contains_key("METRICS_VERIFICATION_KEY"), "a key inline");
    let accepted = on_the_host(service, environment["METRICS_VERIFICATION_KEY_FILE"].as_str().ok_or("no key file")?)?;
    assert_eq!(accepted, folder.join("service-keys/accepted_keys"));

    // Prometheus is started with our configuration, whose key and target are those of this file.
    let prometheus = &config["services"]["prometheus"];
    let flag = list(prometheus, "/command").iter().find_map(|flag| flag.as_str()?.strip_prefix("--config.file="));
    let mount = list(prometheus, "/volumes").iter().find(|volume| volume["target"].as_str() == flag);
    let mount = mount.ok_or("the configuration is not mounted")?;
    assert_eq!(mount["read_only"], true, "{mount}");
    assert_eq!(Path::new(text(mount, "/source")), deploy("prometheus/credentials_file.yml"));
    let job = documents(Job::of("prometheus/credentials_file.yml")?.text())?.remove(0);
    let sent = on_the_host(prometheus, text(&job, "/0/authorization/credentials_file"))?;
    assert_eq!(sent, folder.join("keys/metrics_key"));
    let port = environment["ROCKET_PORT"].as_str().ok_or("no port")?;
    assert_eq!(text(&job, "/0/static_configs/0/targets/0"), format!("my-service:{port}"));
    Ok(())
}

fn the_commands_do_what_they_say() -> Result<(), Failed> {
    let yaml = fs::read_to_string(deploy("compose/compose.yaml"))?;
    let [begin, rotate] = &commands(&yaml)[..] else { return Err("not two blocks of commands".into()) };
    let file = documents(&yaml)?.remove(0);
    let [folder, programs, pauses] = [tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?];
    let here = folder.path();
    let is_root = fs::metadata(here)?.uid() == 0;
    if !is_root {
        script(programs.path(), "chown", "exit 0")?; // the rest is worth a try
    }
    run(begin, here, programs.path())?;
    // The rotation in one go. A copy of each of its pauses is kept, and of the state before it.
    let copy = format!("cp -a . {0}/$(ls {0} | wc -l)", pauses.path().display());
    script(programs.path(), "sleep", &copy)?;
    run(&format!("sleep 0\n{rotate}"), here, programs.path())?;
    assert!(!here.join("new_key").exists());
    assert_eq!(fs::read_dir(pauses.path())?.count(), 3, "another pause");

    let mut steps = Vec::new();
    for folder in ["0", "1", "2"].map(|number| pauses.path().join(number)).iter().map(PathBuf::as_path).chain([here]) {
        let mut keys = Vec::new();
        for (path, service) in [("service-keys/accepted_keys", "my-service"), ("keys/metrics_key", "prometheus")] {
            let path = folder.join(path);
            for path in [&path, path.parent().unwrap()] {
                let metadata = fs::metadata(path)?;
                assert_eq!(metadata.mode() & 0o077, 0, "{} is open to others", path.display());
                let owner = format!("{}:{}", metadata.uid(), metadata.gid());
                let user = text(&file, &format!("/services/{service}/user"));
                assert!(!is_root || owner == user, "{} belongs to {owner}", path.display());
            }
            keys.push(fs::read_to_string(path)?);
        }
        if let Ok(new_key) = fs::metadata(folder.join("new_key")) {
            assert_eq!(new_key.mode() & 0o077, 0, "new_key is open to others");
        }
        steps.push((keys.remove(0), keys.remove(0)));
    }
    assert_rotates(&steps);
    Ok(())
}
