//! Why a guard could not be built, and what an operator should know of one that was.
//!
//! ```
//! use http::Request;
//! use metrics_guard_core::{Guard, Key, Problem};
//! # let secret = &*format!("{:016x}{:016x}", getrandom::u64()?, getrandom::u64()?).leak();
//!
//! let error = Key::new("some-super-secret-key").unwrap_err();
//! assert_eq!(*error.problem(), Problem::Sample);
//! assert!(!error.to_string().contains("some-super-secret-key"));
//!
//! let guard = Guard::new(Key::new(&secret[..16])?);
//! assert!(guard.warnings()[0].to_string().contains("fewer than 32 characters"));
//! assert!(guard.check(&Request::get("/").header("X-Metrics-Key", &secret[..16]).body(())?).is_ok());
//! assert!(guard.check(&Request::get("/").body(())?).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{borrow::Cow, fmt, io};

use crate::{keys::slots::MAX_KEYS, setting::Setting, shown::ShownPath};

/// Where a setting was found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// A function of this crate, or its argument.
    Argument(&'static str),
    /// An environment variable.
    Variable(Cow<'static, str>),
    /// A field of a configuration file, described so that its user finds it.
    Field(Cow<'static, str>),
    /// A file.
    File(ShownPath),
    /// A line of a file, the first being 1.
    Line(ShownPath, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Argument(function) => f.write_str(function),
            Place::Variable(name) | Place::Field(name) => f.write_str(name),
            Place::File(path) => path.fmt(f),
            Place::Line(path, line) => write!(f, "{path}, line {line}"),
        }
    }
}

/// Why a guard could not be built: what is wrong, and where. It never holds a value, since that may be a key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ConfigError {
    place: Place,
    problem: Problem,
}

/// What is wrong with a setting. As text, it says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// There is no key at all.
    NoKey,
    /// A key, or a key file, with nothing but white space.
    Blank,
    /// A key with a byte that is not visible ASCII: scrapers could not send it.
    Unsendable,
    /// A key that can be guessed: a published example, words such as `change-me`, or a simple pattern.
    Sample,
    /// A template or a reference that nothing has replaced by a key.
    Placeholder,
    /// A key with something around it, as this text says.
    Wrapped(&'static str),
    /// A key that is the path of a file.
    PathAsKey,
    /// A key of fewer than 16 bytes.
    TooShort,
    /// A key of more than 256 bytes.
    TooLong,
    /// More than four keys.
    TooManyKeys,
    /// Two keys with this label.
    SameLabel(&'static str),
    /// The same thing is set here and there.
    GivenTwice(Place),
    /// A setting with nothing in it.
    Empty,
    /// Not a field name, one with a `_`, or one that is read anyway.
    FieldName,
    /// A word for yes, no or nothing, where this setting takes a name.
    NotAName(Setting),
    /// A key where the name of a header or of a query parameter is expected.
    KeyAsName,
    /// A name of a guard with other characters than `a-z 0-9 _ -`, with none, or with more than 64.
    GuardName,
    /// The name of a header that already has this use.
    HeaderInUse(&'static str),
    /// Not a parameter name that needs no escaping.
    ParameterName,
    /// A list of networks without a network.
    NoNetwork,
    /// The entry with this number, the first being 1, is no network.
    NotANetwork(usize),
    /// The entry with this number is an address within a network, which is this one. Of an IPv6 network, this shows the
    /// prefix length alone.
    HostBits(usize, String),
    /// The entry with this number is an IPv4-mapped network that reaches beyond the mapped addresses.
    MappedNetwork(usize),
    /// The entry with this number has only addresses that no client has: `0.0.0.0`, `::`, broadcast and multicast.
    NotAClientAddress(usize),
    /// A list of client names without a name.
    NoClientName,
    /// The entry with this number, the first being 1, is neither a DNS name nor a URI.
    NotAClientName(usize),
    /// Keys for a guard that asks for none.
    NoUseForKeys,
    /// A path to guard that no request can have.
    NotAPath,
    /// A guard whose keys are not from a file, and cannot be read again.
    NoKeyFile,
    /// Neither `true` nor `false`.
    NotTrueOrFalse,
    /// Not a string, in a configuration file that knows other types.
    NotAString,
    /// A list of keys, where one key is expected.
    SeveralKeys,
    /// Not a list, in a configuration file that knows other types, for this setting.
    NotAList(Setting),
    /// The entry with this number, the first being 1, is not a string.
    EntryNotAString(usize),
    /// Not a table, in a configuration file where one is expected.
    NotATable,
    /// A configuration file, or what else the framework reads, with wrong syntax.
    Unparsable,
    /// A field, or a variable by a name like those of [`Setting`], that means nothing here.
    UnknownField,
    /// As [`UnknownField`](Problem::UnknownField), but close to this name.
    Misspelled(Cow<'static, str>),
    /// A file that could not be read.
    Unreadable(io::ErrorKind),
    /// A file that could not be opened, because this process or the system has as many files open as it may.
    TooManyOpenFiles,
    /// A directory, a pipe or a device where a file is expected.
    NotAFile,
    /// A file too large to be a key file.
    FileTooLarge,
    /// A file that grows while it is read.
    Changing,
    /// A key file that changed, and has now the beginning of a key that it had.
    CutOff,
}

impl ConfigError {
    /// An error of an adapter's own, about a setting that it could not hand on.
    #[must_use]
    pub fn new(place: Place, problem: Problem) -> ConfigError {
        ConfigError { place, problem }
    }

    /// Where the setting was found.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// What is wrong with it.
    #[must_use]
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// As [`Display`](fmt::Display): a `main` that returns the error, or an `unwrap`, prints it in this form, and the operator
/// is to know what to do then too.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Problem {
    #[allow(clippy::too_many_lines)] // one text after the other
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MAKE_ONE: &str = "make one with `openssl rand -hex 32`";
        match self {
            Problem::NoKey => write!(
                f,
                "no key is configured; {MAKE_ONE}, and set this variable to it, or {} to the path of a file that holds it",
                Setting::KeyFile.variable()
            ),
            Problem::Blank => write!(f, "the key is blank; {MAKE_ONE}"),
            Problem::Unsendable => write!(
                f,
                "the key has a space, a line break, a byte-order mark or another character that is not visible ASCII, \
                 and that scrapers cannot send; {MAKE_ONE}"
            ),
            Problem::Sample => {
                write!(f, "the key is a published example or easy to guess, and attackers try these first; {MAKE_ONE}")
            }
            Problem::Placeholder => write!(
                f,
                "the key is a template or a reference that nothing has replaced; write the key itself, such as the output of \
                 `openssl rand -hex 32`"
            ),
            Problem::Wrapped(what) => write!(
                f,
                "the value is {what}; write the key alone, as `openssl rand -hex 32` prints it"
            ),
            Problem::PathAsKey => {
                write!(f, "the key is a path; write the key itself, or set {} to the path", Setting::KeyFile.variable())
            }
            Problem::TooShort => write!(f, "the key has fewer than 16 characters; {MAKE_ONE}"),
            Problem::TooLong => write!(f, "the key has more than 256 characters; {MAKE_ONE}"),
            Problem::TooManyKeys => write!(f, "more than {MAX_KEYS} keys; remove those that no scraper sends any more"),
            Problem::SameLabel(label) => write!(f, "two keys have the label `{label}`; give each its own"),
            Problem::GivenTwice(other) => write!(f, "set here and in {other}; remove one of the two"),
            Problem::FieldName => {
                f.write_str(
                    "not the name of a header such as `X-Scrape-Key`, or `Authorization`, which is always read, or a name with \
                     `_`, which nginx drops; correct it, or unset it for `X-Metrics-Key`",
                )
            }
            Problem::ParameterName => {
                f.write_str("not a parameter name of letters, digits and `-._~`; unset it if the query may not hold the key")
            }
            Problem::NotAName(setting) => {
                let example = match setting {
                    Setting::Query => "key",
                    Setting::ClientNames => "prometheus.example",
                    _ => "X-Scrape-Key",
                };
                write!(f, "a word for yes, no or nothing is no name here; unset it, or write a name such as `{example}`")
            }
            Problem::KeyAsName => f.write_str(
                "the name looks like a key; write a name such as `X-Scrape-Key` or `metrics_key`, which everyone may see",
            ),
            Problem::GuardName => {
                f.write_str("invalid name of a guard; write 1 to 64 characters of `a-z 0-9 _ -`, such as `metrics`")
            }
            Problem::Empty => f.write_str("is empty; unset it, or give it a value"),
            Problem::HeaderInUse(reason) => {
                write!(f, "this header has another use: {reason}; choose a name of your own, such as `X-Scrape-Key`")
            }
            Problem::NoNetwork => f.write_str("no network is listed; add one such as 10.0.0.0/8, or unset it if every address may ask"),
            Problem::NotANetwork(entry) => write!(
                f,
                "entry {entry} is not a network such as 10.0.0.0/8 or fd00::/8, or one address; write it without quotes, leading \
                 zeros, port or zone, and put commas between entries"
            ),
            Problem::HostBits(entry, network) => {
                write!(f, "entry {entry} is an address in a network; write {network} for the network, or the address without `/`")
            }
            Problem::MappedNetwork(entry) => write!(
                f,
                "entry {entry} reaches beyond the IPv4 addresses that it maps; write it as an IPv4 network such as 10.0.0.0/8"
            ),
            Problem::NotAClientAddress(entry) => write!(
                f,
                "entry {entry} is an address that no client has; list the networks of the scrapers, such as 10.0.0.0/8, or \
                 unset it if every address may connect"
            ),
            Problem::NoClientName => {
                f.write_str("no client name is listed; add the DNS name or URI in the scraper's certificate, or unset it if none is asked for")
            }
            Problem::NotAClientName(entry) => write!(
                f,
                "entry {entry} is not a DNS name such as prometheus.example or a URI such as spiffe://example.org/prometheus; \
                 names are compared whole, without wildcards; put commas between entries"
            ),
            Problem::NoUseForKeys => f.write_str("this guard asks for no key; build another that does"),
            Problem::NotAPath => f.write_str(
                "invalid path: begin it with `/`, and leave out host, query, wildcards and `..`; `/metrics` covers all paths \
                 below it",
            ),
            Problem::NoKeyFile => f.write_str("the keys of this guard are not from a file; put others in force with `Guard::replace`"),
            Problem::NotTrueOrFalse => f.write_str("must be `true` or `false`, without quotes"),
            Problem::NotAString => f.write_str("must be a string in quotes, and not a list or a table"),
            Problem::SeveralKeys => f.write_str("must be one key; put several into a file, one a line, and set `key_file` to its path"),
            Problem::NotAList(setting) => {
                let example = if *setting == Setting::Networks { "10.0.0.0/8" } else { "prometheus.example" };
                write!(f, "must be a list of strings, such as [\"{example}\"]")
            }
            Problem::EntryNotAString(entry) => write!(f, "entry {entry} must be a string; put it in quotes"),
            Problem::NotATable => f.write_str("must be a table with fields such as `key_file`"),
            Problem::Unparsable => f.write_str("cannot be read; correct its syntax, or let this process read it"),
            Problem::Misspelled(name) => write!(f, "is not known here; remove it, or correct its name: {name}"),
            Problem::UnknownField => f.write_str("is not known here; remove it, or correct its name"),
            Problem::Unreadable(io::ErrorKind::NotFound) => f.write_str(
                "there is no such file; a relative path begins at the working directory, or if it stands in a file, at \
                 the folder of that",
            ),
            Problem::Unreadable(io::ErrorKind::WouldBlock) => f.write_str(
                "another process holds a lease or a lock on it; exclude the key file from what that process serves, such as a \
                 Samba share",
            ),
            Problem::Unreadable(kind) => {
                write!(f, "the key file cannot be read ({kind}); check that this process may read it")
            }
            Problem::TooManyOpenFiles => f.write_str(
                "cannot be opened, because this process or the system has too many open files; limit the connections of \
                 clients and their time, or raise the limit, for example with `ulimit -n`",
            ),
            Problem::NotAFile => f.write_str("a directory, a pipe or a device; the key file must be a regular file"),
            Problem::FileTooLarge => write!(
                f,
                "too large; the key file must hold one to {MAX_KEYS} keys and nothing else"
            ),
            Problem::Changing => f.write_str("it is being written to all the time; the key file must stay as it is between changes"),
            Problem::CutOff => f.write_str(
                "a key in it is the beginning of one that was there, as if the file had been cut off; write the whole file under \
                 another name and rename it, or restart the service if that short key is meant",
            ),
        }
    }
}

/// What a guard puts up with, and an operator should know.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Warning {
    /// The guard lets everyone pass.
    Disabled,
    /// The key found here has fewer than 32 bytes.
    ShortKey(Place),
    /// The key found here is the same as an earlier one.
    SameKey(Place),
    /// The lines of the key file look like one value that was broken into lines.
    SplitKey(ShownPath),
    /// The key file can be read by every user of the machine.
    ReadableByAll(ShownPath),
    /// Other users can write or own this key file, or a folder or a symbolic link by which they can replace it.
    WritableByOthers(ShownPath),
    /// The key file has become unusable, and the keys in force stay as they are.
    Stale(ConfigError),
    /// The key file is not followed, since no thread could be started.
    NotFollowed(ShownPath, io::ErrorKind),
    /// The list of networks found here holds every public IPv4 or every public IPv6 address.
    AllAddresses(Place),
    /// A request was rejected for the list of networks or names found here, because the server did not provide the client
    /// as a [`Peer`](crate::Peer); and what provides it on this server. Once for each guard.
    NoPeer(Place, &'static str),
    /// This many later warnings, and events about the key file, were dropped: a [hook](crate::GuardBuilder::on_warning), a
    /// subscriber, a recorder or the standard error blocked, and the queue was full.
    Dropped(u64),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Disabled => {
                write!(
                    f,
                    "the guard is disabled: EVERYONE can read the metrics; remove {} or what else disables it",
                    Setting::Disabled.variable()
                )
            }
            Warning::ShortKey(place) => {
                write!(f, "{place}: the key has fewer than 32 characters; `openssl rand -hex 32` makes a longer one")
            }
            Warning::SameKey(place) => write!(f, "{place}: the same key as an earlier one; it counts once"),
            Warning::SplitKey(path) => write!(
                f,
                "{path}: the lines look like one base64 value that was broken into lines, and each line is accepted as a key; \
                 make keys of one line, such as the output of `openssl rand -hex 32`"
            ),
            Warning::ReadableByAll(path) => write!(
                f,
                "{path}: every user of this machine can read the key file; make the user of the service its owner, then remove that \
                 right, for example with `chmod o-rwx`, or in Kubernetes set `fsGroup` and `defaultMode: 0440`",
            ),
            Warning::WritableByOthers(path) => write!(
                f,
                "{path}: users other than root and that of the service can write or own this, and so add a key; remove that right, \
                 for example with `chmod go-w`, or if another user is the owner, with `chown -h root`",
            ),
            Warning::Stale(error) => {
                write!(
                    f,
                    "the key file is unusable, and the keys in force stay as they are until that is mended: {error}"
                )
            }
            Warning::NotFollowed(path, kind) => {
                write!(f, "{path}: cannot follow the key file ({kind}); new keys need `Guard::reload` or a restart")
            }
            Warning::AllAddresses(place) => {
                write!(
                    f,
                    "{place}: the networks together allow every public IPv4 or every public IPv6 address; list those of the scrapers, \
                     or remove the list"
                )
            }
            Warning::NoPeer(place, advice) => write!(
                f,
                "{place}: the server did not provide the client's address, so every request may be rejected; {advice}"
            ),
            Warning::Dropped(count) => write!(
                f,
                "{count} warnings or key file events were dropped, because a warning hook, a subscriber, a recorder or the \
                 standard error blocked; make it return at once, then check `Guard::key_file`"
            ),
        }
    }
}
