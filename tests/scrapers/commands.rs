//! Tests that the commands in the comments of deploy/compose and deploy/kubernetes make and rotate the key.

use std::{env, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use libtest_mimic::{Failed, Trial};
use metrics_guard_core::Guard;
use metrics_guard_tests::{WRONG, process::succeed};

use crate::job::deploy;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        Trial::test("compose_commands", || {
            // Each `sleep` records the files, because the service can read them while the commands wait.
            let commands = commands("compose/compose.yaml").join("sleep 0\n") + "sleep 0\n";
            let after = rotates(&commands, "sleep", "*", ["service-keys/accepted_keys", "keys/metrics_key"])?;
            assert!(after.is_empty());
            Ok(())
        }),
        Trial::test("kubernetes_commands", || {
            let mut commands = commands("kubernetes/secret.yaml");
            // The key of another scraper must survive when this scraper's key is revoked.
            let with_another = format!("{}echo {WRONG} >> accepted_keys\n", commands[2]);
            commands.insert(7, with_another);
            let makes_it = "*'--from-file=accepted_keys --from-file=metrics_key'*";
            let after = rotates(&commands.concat(), "kubectl", makes_it, ["accepted_keys", "metrics_key"])?;
            let [(accepted, sent)] = &after[..] else { return Err(format!("{after:?}").into()) };
            assert_eq!(*accepted, [&sent[0], WRONG]);
            Ok(())
        }),
    ]
}

/// Returns the blocks of commands in the comments of a file: the lines that are indented by three spaces.
fn commands(file: &str) -> Vec<String> {
    let text = fs::read_to_string(deploy(file)).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let blocks = lines.split(|line| !line.starts_with("#   ")).filter(|block| !block.is_empty());
    blocks.map(|block| block.iter().flat_map(|line| [&line[4..], "\n"]).collect()).collect()
}

/// The keys in the files of the service and of the scraper, at one moment.
type Keys = (Vec<String>, Vec<String>);

/// Runs commands with a script in place of `program`. The script records the key files if its arguments match
/// `arguments`. The first records must be the steps of a rotation: the old key, both keys twice, the new key. Returns
/// the other records.
fn rotates(commands: &str, program: &str, arguments: &str, files: [&str; 2]) -> Result<Vec<Keys>, Failed> {
    let [folder, programs, records] = [tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?];
    let record = format!("cp -a . {0}/$(ls {0} | wc -l)", records.path().display());
    // Other users have no rights to any file.
    let check = "[ -z \"$(find . -mindepth 1 -perm /077)\" ] || exit 1";
    // `kubectl get secret` prints an entry of the last record.
    let get = format!(
        "file=${{6#*.data.}}; base64 -w 0 {0}/$(($(ls {0} | wc -l) - 1))/${{file%\\}}}}",
        records.path().display()
    );
    let cases = format!("{arguments}) {check}; {record};; *' get secret '*) {get};; *) cat;;");
    script(programs.path(), program, &format!("case \"$*\" in {cases} esac"))?;
    script(programs.path(), "chown", "exit 0")?; // only root can change owners
    let path = format!("{}:{}", programs.path().display(), env::var("PATH")?);
    let commands = format!("umask 022\nset -o pipefail\n{commands}");
    succeed(Command::new("bash").args(["-euc", &commands]).current_dir(&folder).env("PATH", path))?;
    assert!(!folder.path().join("new_key").exists() && !folder.path().join("old_key").exists());

    let mut steps = Vec::new();
    for number in 0..fs::read_dir(&records)?.count() {
        let at = |name: &str| records.path().join(number.to_string()).join(name);
        let guard = Guard::builder_from_key_file(at(files[0]))?.build();
        assert!(guard.warnings().is_empty(), "{:?}", guard.warnings());
        let [accepted, sent] = files.map(|name| fs::read_to_string(at(name)).unwrap());
        // If the guard rejects the scraper's key in any step, a scrape fails.
        let request = http::Request::get("/metrics").header("authorization", format!("Bearer {}", sent.trim_end()));
        assert!(guard.check(&request.body(())?).is_ok());
        // The Operator would copy a line break in the Secret as a part of the key.
        assert!(program != "kubectl" || !sent.contains('\n'));
        let keys = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        steps.push((keys(&accepted), keys(&sent)));
    }
    let after = steps.split_off(4);
    let [old, new] = [0, 3].map(|step: usize| steps[step].1.clone());
    assert!(old != new && old[0].len() == 64);
    let both = [&new[..], &old[..]].concat();
    assert_eq!(steps, [(old.clone(), old.clone()), (both.clone(), old), (both, new.clone()), (new.clone(), new)]);
    Ok(after)
}

/// Puts a program that is this shell script into `folder`.
fn script(folder: &Path, name: &str, body: &str) -> Result<(), Failed> {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{body}\n"))?;
    Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?)
}
