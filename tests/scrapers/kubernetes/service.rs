//! The example `internal` with the Deployment's environment, and a folder of keys as the kubelet lays it out.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    time::Duration,
};

use libtest_mimic::Failed;
use metrics_guard_tests::{
    certificates::lead,
    numbered_key,
    process::Process,
    server::{internal_command, internal_listener},
    wait::until,
    wire::{exchange, request, with_bearer},
};

use super::Files;
use crate::tools::{list, text};

/// How long the service may take to start, or to see a new key. Much less is usual.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn the_example_runs_as_deployed() -> Result<(), Failed> {
    let files = Files::ours()?;
    let objects = files.objects()?;
    let deployment = objects.iter().find(|(_, object)| object["kind"] == "Deployment");
    let (_, deployment) = deployment.ok_or("no Deployment")?;
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];

    let [old, new] = [1, 2].map(numbered_key);
    let folder = tempfile::tempdir()?;
    mount(folder.path(), 1, &format!("{old}\n"))?;
    let mut command = internal_command()?;
    // The names are the Deployment's; the values are such that they fit here. One that is not known is left out, so that
    // what reads it takes its default.
    for name in list(container, "/env").iter().map(|variable| text(variable, "/name")) {
        match name {
            "METRICS_VERIFICATION_KEY_FILE" => command.env(name, folder.path().join("accepted_keys")),
            "ROCKET_ADDRESS" => command.env(name, "127.0.0.1"),
            "METRICS_ADDRESS" => command.env(name, "127.0.0.2"),
            "ROCKET_PORT" | "METRICS_PORT" => command.env(name, "0"),
            _ => return Err(format!("{name} is not known").into()),
        };
    }
    let mut process = Process::start(&mut command)?;
    let public = internal_listener(&mut process, "127.0.0.1")?;
    let internal = internal_listener(&mut process, "127.0.0.2")?;
    assert!(public.port() != 8000 && internal.port() != 9100, "a default");

    let status = |server, path: &str, key: &str| -> Result<u16, Failed> {
        Ok(exchange(server, &with_bearer(path, key))?.status)
    };
    let scrape = |key: &str| status(internal, "/metrics", key);
    // The kubelet, which has no key, at the public port.
    assert_eq!(text(container, "/readinessProbe/httpGet/port"), "http");
    assert_eq!(exchange(public, &request("GET", text(container, "/readinessProbe/httpGet/path"), &[]))?.status, 200);
    assert_eq!(status(public, "/metrics", &old)?, 404);
    assert_eq!([scrape(&old)?, scrape(&new)?], [200, 401]);

    // The rotation of secret.yaml.
    let answers = |key: &str, expected: u16| -> Result<(), Failed> {
        let came = until(PATIENCE, || Ok::<_, Failed>(scrape(key)? == expected))?;
        if came { Ok(()) } else { Err(format!("not {expected} after {PATIENCE:?}").into()) }
    };
    mount(folder.path(), 2, &format!("{new}\n{old}\n"))?;
    answers(&new, 200)?;
    assert_eq!(scrape(&old)?, 200);
    mount(folder.path(), 3, &format!("{new}\n"))?;
    answers(&old, 401)?;
    assert_eq!(scrape(&new)?, 200);
    Ok(())
}

/// Puts a version of the Secret into a folder, as the kubelet does: the files in a folder of their own, to which `..data`
/// points, and that is what changes.
fn mount(folder: &Path, version: u32, content: &str) -> Result<(), Failed> {
    let target = format!("..version_{version}");
    fs::create_dir(folder.join(&target))?;
    let file = folder.join(&target).join("accepted_keys");
    fs::write(&file, content)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o440))?;
    lead(&folder.join("..data"), &target)?;
    if version == 1 {
        symlink("..data/accepted_keys", folder.join("accepted_keys"))?;
    } else {
        fs::remove_dir_all(folder.join(format!("..version_{}", version - 1)))?;
    }
    Ok(())
}
