//! Contains the texts of all errors, one function for each message. A text contains what is wrong, one instruction and, where
//! it helps, one example. `docs/guide/troubleshooting.md` lists them with these examples as arguments.

use crate::{
    error::{ConfigErrorKind, Problem, messages},
    limits::{MAX_KEYS, MAX_LEN, MIN_LEN},
};

const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";
pub(crate) const OUTPUT: &str = "the output of `openssl rand -hex 32`";
const MOVE: &str = "write it under another name in its folder, then rename it, for example `mv next accepted_keys`";

messages! { Problem:
    no_key(): MissingKey, "no key is configured; write {OUTPUT} to a file, and set this variable to its path";
    blank(): InvalidKey, "the key is blank; {MAKE_ONE}";
    unsendable(): InvalidKey,
        "the key has a space, a line break, a byte-order mark or another character that is not visible ASCII, so \
         scrapers cannot send it; remove it, for example by writing the key with `printf %s`";
    sample(): WeakKey,
        "the key is a published example or easy to guess, and attackers try these first; {MAKE_ONE}";
    placeholder(): InvalidKey,
        "the value is a name, an address, a template or a reference, not a key; write the key itself, such as {OUTPUT}";
    wrapped(what = "a key in quotes"): InvalidKey,
        "the value is {what}; write the key alone, as `openssl rand -hex 32` prints it";
    not_a_key(what = "a password hash"): InvalidKey, "the value is {what}, not a secret key; {MAKE_ONE}";
    path_as_key(): InvalidKey,
        "the key is a path; move it to `key_file` of Rocket.toml, or to the variable that ends in `_KEY_FILE`";
    too_short(): WeakKey, "the key has fewer than {MIN_LEN} characters; {MAKE_ONE}";
    too_long(): InvalidKey, "the key has more than {MAX_LEN} characters; {MAKE_ONE}";
    too_many_keys(): InvalidKey, "more than {MAX_KEYS} keys; remove those that no scraper sends any more";
    empty_ring(): MissingKey, "no keys are given; add one, such as {OUTPUT}";
    no_keys(): InvalidKey, "the key file holds no key; write the accepted keys into it, one per line, such as {OUTPUT}";
    same_label(label = "current"): InvalidKey,
        "two keys have the label `{label}`; give each its own of 1 to 15 characters of `A-Z a-z 0-9 _ -`, such as \
         `autumn`";

    set_twice(other = "METRICS_VERIFICATION_KEY_FILE"): DuplicateSetting,
        "set here and in {other}; remove one of the two";
    unknown(): UnknownSetting, "unknown setting; correct its name, such as `key_file`, or remove it";
    misspelled(name = "METRICS_VERIFICATION_NETWORKS"): UnknownSetting, "unknown setting; write {name} instead";
    empty(): InvalidSetting, "is empty; write a value, or unset it to use the default";
    empty_path(): InvalidSetting, "the path of the key file is empty; write one, such as ./accepted_keys";
    not_a_string(): InvalidSetting, "must be a string in quotes, and not a list or a table";
    several_keys(): InvalidSetting,
        "must be one key; put several into a file, one per line, and set `key_file` to its path";
    not_a_list(example = "10.0.0.0/8"): InvalidSetting, "must be a list of strings, such as [\"{example}\"]";
    entry_not_a_string(entry = 2): InvalidSetting, "entry {entry} must be a string; put it in quotes";
    not_true_or_false(): InvalidSetting, "must be `true` or `false`, without quotes";

    invalid_header(): InvalidSetting,
        "invalid header name (`Authorization` is always read, and nginx drops names with `_`); write a name such as \
         `X-Scrape-Key`, or unset it to use `X-Metrics-Key`";
    header_in_use(reason = "it describes the connection, and proxies remove it"): InvalidSetting,
        "this header has another use ({reason}); choose another, such as `X-Scrape-Key`";
    invalid_parameter(): InvalidSetting,
        "invalid query parameter name; use letters, digits and `-._~`, as in `metrics_key`, or unset it to disable \
         keys in the query";
    word_as_name(example = "metrics_key"): InvalidSetting,
        "the value is a word such as `true`, `none` or `default`, not a name; write a name such as `{example}`, or \
         unset it";
    key_as_name(example = "X-Scrape-Key"): InvalidSetting,
        "the name looks like a key, but names are public; write a name such as `{example}`";
    invalid_guard_name(): InvalidSetting,
        "invalid name of a guard; write 1 to 64 characters of `a-z 0-9 _ -`, such as `metrics`";
    invalid_prefix(): InvalidSetting,
        "invalid prefix of variables; write up to 65 upper-case letters, digits and `_`, with `_` last, such \
         as `PPROF_GUARD_`, and nothing close to METRICS_VERIFICATION_";
    invalid_path(): InvalidSetting,
        "invalid path; begin it with `/`, and leave out host, query, wildcards and `..`, as in `/metrics`";

    no_network(): InvalidSetting,
        "no network is listed; add one such as 10.0.0.0/8, or unset it to allow every address";
    invalid_network(entry = 2): InvalidSetting,
        "entry {entry} is an invalid network; write 10.0.0.0/8, fd00::/8 or one address, without quotes, leading \
         zeros, port or zone, and put commas between entries";
    host_bits(entry = 2, network = "10.0.0.0/8"): InvalidSetting,
        "entry {entry} has address bits behind its prefix length; write {network}, or the address without `/`";
    mapped_network(entry = 2): InvalidSetting,
        "entry {entry} is an IPv4-mapped network with a prefix length below 96, so it covers other addresses too; \
         write an IPv4 network such as 10.0.0.0/8";
    no_client_address(entry = 2): InvalidSetting,
        "entry {entry} is an address that no client has; list the networks of the scrapers, such as 10.0.0.0/8, or \
         unset it to allow every address";
    no_client_name(): InvalidSetting,
        "no client name is listed; add the DNS name or URI in the scraper's certificate, such as prometheus.example, \
         or unset it to require none";
    invalid_client_name(entry = 2): InvalidSetting,
        "entry {entry} is an invalid client name; write a DNS name such as prometheus.example or a URI such as \
         spiffe://example.org/prometheus, without wildcards, and put commas between entries";

    no_use_for_keys(): Unsupported, "this guard requires no key; build another that does";
    no_key_file(): Unsupported, "the keys of this guard are not from a file; replace them with `Guard::replace`";

    no_such_file(): UnusableFile,
        "there is no key file at this path; write the file, or correct the path, such as ./accepted_keys";
    leased(): UnusableFile,
        "another process holds a lease or a lock on the file; exclude the key file from what that process serves, such \
         as a Samba share";
    forbidden(): UnusableFile,
        "this process may not read the key file; make the service's user its owner, for example with `sudo chown USER \
         accepted_keys`";
    unreadable(reason = std::io::ErrorKind::TimedOut): UnusableFile,
        "the key file cannot be read ({reason}); check its path and its file system, for example with `cat` as the \
         service's user";
    too_many_open_files(): UnusableFile,
        "the key file cannot be opened, because this process or the system has too many open files; raise the limit, \
         for example with `LimitNOFILE=65536` of systemd";
    not_a_file(): UnusableFile,
        "the path is a folder, a pipe or a device; write the path of a regular file, such as ./accepted_keys";
    file_too_large(): UnusableFile, "the key file is too large; keep only its keys, 1 to {MAX_KEYS}, one per line";
    changing(): UnusableFile, "the key file changed during every read attempt; {MOVE}";
    cut_off(): UnusableFile,
        "a key is a prefix of a longer key that the file held before, so the file looks truncated; {MOVE}";
}
