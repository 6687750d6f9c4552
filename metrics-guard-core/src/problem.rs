//! Contains the texts of all errors, one function for each message. A text contains what is wrong, one instruction and, where
//! it helps, one example. `docs/guide/troubleshooting.md` lists them with these examples as arguments.

use crate::{
    error::{ConfigErrorKind, Problem, messages},
    limits::{MAX_KEYS, MAX_LEN, MIN_LEN},
};

const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";

messages! { Problem:
    no_key(prefix = "METRICS_VERIFICATION_"): MissingKey,
        "no key is configured; {MAKE_ONE}, and set this variable to it, or \
         {prefix}KEY_FILE to the path of a file that holds it";
    blank(): InvalidKey, "the key is blank; {MAKE_ONE}";
    unsendable(): InvalidKey,
        "the key has a space, a line break, a byte-order mark or another character that is not visible ASCII, so \
         scrapers cannot send it; {MAKE_ONE}";
    sample(): WeakKey,
        "the key is a published example or easy to guess, and attackers try these first; {MAKE_ONE}";
    placeholder(): InvalidKey,
        "the key is an unexpanded template or reference; write the key itself, such as the output of `openssl rand \
         -hex 32`";
    wrapped(what = "a key in quotes"): InvalidKey,
        "the value is {what}; write the key alone, as `openssl rand -hex 32` prints it";
    path_as_key(): InvalidKey,
        "the key is a path; write the key itself, or set the variable that ends in `_KEY_FILE` to the path";
    too_short(): WeakKey, "the key has fewer than {MIN_LEN} characters; {MAKE_ONE}";
    too_long(): InvalidKey, "the key has more than {MAX_LEN} characters; {MAKE_ONE}";
    too_many_keys(): InvalidKey, "more than {MAX_KEYS} keys; remove those that no scraper sends any more";
    empty_ring(): MissingKey, "no keys are given; add one, such as the output of `openssl rand -hex 32`";
    same_label(label = "current"): InvalidKey, "two keys have the label `{label}`; give each its own";

    set_twice(other = "METRICS_VERIFICATION_KEY_FILE"): DuplicateSetting,
        "set here and in {other}; remove one of the two";
    unknown(): UnknownSetting, "is not known here; remove it, or correct its name";
    misspelled(name = "METRICS_VERIFICATION_NETWORKS"): UnknownSetting,
        "is not known here; remove it, or correct its name: {name}";
    empty(): InvalidSetting, "is empty; unset it, or give it a value";
    not_a_string(): InvalidSetting, "must be a string in quotes, and not a list or a table";
    several_keys(): InvalidSetting,
        "must be one key; put several into a file, one a line, and set `key_file` to its path";
    not_a_list(example = "10.0.0.0/8"): InvalidSetting, "must be a list of strings, such as [\"{example}\"]";
    entry_not_a_string(entry = 2): InvalidSetting, "entry {entry} must be a string; put it in quotes";
    not_true_or_false(): InvalidSetting, "must be `true` or `false`, without quotes";

    invalid_header(): InvalidSetting,
        "invalid header name (`Authorization` is always read, and nginx drops names with `_`); write a name such as \
         `X-Scrape-Key`, or unset it to use `X-Metrics-Key`";
    header_in_use(reason = "it describes the connection, and proxies remove it"): InvalidSetting,
        "this header has another use: {reason}; choose another, such as `X-Scrape-Key`";
    invalid_parameter(): InvalidSetting,
        "invalid query parameter name; use letters, digits and `-._~`, as in `metrics_key`, or unset it to disable \
         keys in the query";
    word_as_name(example = "key"): InvalidSetting,
        "a word for yes, no or nothing is not a name; unset it, or write a name such as `{example}`";
    key_as_name(example = "X-Scrape-Key"): InvalidSetting,
        "the name looks like a key, but names are public; write a name such as `{example}`";
    invalid_guard_name(): InvalidSetting,
        "invalid name of a guard; write 1 to 64 characters of `a-z 0-9 _ -`, such as `metrics`";
    invalid_prefix(): InvalidSetting,
        "invalid prefix of variables; write up to 65 upper-case letters, digits and `_`, with `_` last, such \
         as `PPROF_GUARD_`, and nothing close to METRICS_VERIFICATION_";
    invalid_path(): InvalidSetting,
        "invalid path: begin it with `/`, and leave out host, query, wildcards and `..`; `/metrics` covers all paths \
         below it";

    no_network(): InvalidSetting,
        "no network is listed; add one such as 10.0.0.0/8, or unset it to allow every address";
    invalid_network(entry = 2): InvalidSetting,
        "entry {entry} is an invalid network; write 10.0.0.0/8, fd00::/8 or one address, without quotes, leading \
         zeros, port or zone, and put commas between entries";
    host_bits(entry = 2, network = "10.0.0.0/8"): InvalidSetting,
        "entry {entry} is an address in a network; write {network} for the network, or the address without `/`";
    mapped_network(entry = 2): InvalidSetting,
        "entry {entry} reaches beyond the IPv4 addresses that it maps; write an IPv4 network such as 10.0.0.0/8";
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
        "no such file; relative paths start at the working directory, or at the configuration file's directory";
    leased(): UnusableFile,
        "another process holds a lease or a lock on the file; exclude the key file from what that process serves, such \
         as a Samba share";
    unreadable(reason = std::io::ErrorKind::PermissionDenied): UnusableFile,
        "the key file cannot be read ({reason}); check that this process may read it";
    too_many_open_files(): UnusableFile,
        "the file cannot be opened, because this process or the system has too many open files; limit the connections \
         of clients and their time, or raise the limit, for example with `ulimit -n`";
    not_a_file(): UnusableFile, "a directory, a pipe or a device; the key file must be a regular file";
    file_too_large(): UnusableFile, "too large; the key file must hold one to {MAX_KEYS} keys and nothing else";
    changing(): UnusableFile, "the file changed during every read attempt; write it once and rename it into place";
    cut_off(): UnusableFile,
        "a key is the beginning of a longer key that the file held before, so the file looks truncated; write it elsewhere and rename it, or \
         restart the service if this is intended";
}
